"""Which devices send vitals (diagnostics) and when, computed from the seed when they are asked for.

Shapes: REST `{"updated_at", "deviceID", "payload"}`; `payloads` has what is in a payload.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, Literal, NamedTuple

from .clock import iso_ms, iso_seconds, iso_us, parse_iso
from .payloads import Payload, payload, with_quirk
from .stories import Story, story

Kind = Literal["lte", "umts", "wifi", "os_2019", "none", "month"]

_KIND_PAYLOAD: dict[str, str] = {"month": "lte", "none": "lte"}
_AWKWARD_SENDERS = 120
"""So many devices of the fleet, the first ones, send awkward forms; the others send what most do."""


class Vital(NamedTuple):
    """One record and the moment its `updated_at` names."""

    moment: datetime
    record: Mapping[str, Any]


class VitalsPlan:
    """Which devices send what vitals, and when."""

    def __init__(self, seed: int, now: datetime, days: int = 0, per_day: int = 1) -> None:
        self.seed = seed
        self.now = now
        self.begin = now - timedelta(days=days)
        self._count = days * per_day
        self._spacing = timedelta(days=1) / per_day
        self._kinds: dict[str, tuple[Kind, int, Story]] = {}
        self._fixed: dict[str, list[Vital]] = {}
        self._computed = lru_cache(maxsize=4096)(self._compute)

    def assign(self, device_id: str, kind: Kind, told: Story) -> None:
        """Let a device send vitals of a kind; of the first ones, two in a row send in the same millisecond."""
        self._kinds.setdefault(device_id, (kind, len(self._kinds), told))

    def fix(self, device_id: str, records: list[Mapping[str, Any]]) -> None:
        """Give a device these records, newest first, unchanged but for `updated_at`: one on each of the last days."""
        vitals = []
        for days, record in enumerate(records, start=1):
            moment = parse_iso(iso_ms(self.now - timedelta(days=days)))
            assert moment is not None
            vitals.append(Vital(moment, {**record, "updated_at": iso_ms(moment), "deviceID": device_id}))
        self._fixed[device_id] = vitals

    def of(self, device_id: str) -> list[Vital]:
        """Return the vitals a device sent before the server started, oldest first."""
        if device_id in self._fixed:
            return self._fixed[device_id][::-1]
        return self._computed(device_id) if device_id in self._kinds else []

    def record(self, device_id: str, moment: datetime, rng: random.Random) -> dict[str, Any]:
        """Return a new record of a device, of the kind it usually sends."""
        kind, _, told = self._kinds.get(device_id) or ("lte", 0, story(random.Random(device_id), 0))
        made_up = payload(_KIND_PAYLOAD.get(kind, kind), told, device_id, timedelta(), rng)
        return _record(device_id, iso_ms(moment), made_up)

    def _compute(self, device_id: str) -> list[Vital]:
        kind, index, told = self._kinds[device_id]
        if kind == "none":
            return []
        rng = random.Random(f"{self.seed}:{device_id}")  # a text: the same in every process, unlike a tuple's hash
        vitals = []
        last = self.now - told.heard_ago
        for number, moment in enumerate(self._moments(kind, index, told)):
            spelt = _spell(moment, index + number)
            sent = payload(_KIND_PAYLOAD.get(kind, kind), told, device_id, max(last - moment, timedelta()), rng)
            if index < _AWKWARD_SENDERS:
                sent = with_quirk(sent, rng, index + number)
            exact = parse_iso(spelt)
            assert exact is not None
            vitals.append(Vital(exact, _record(device_id, spelt, sent)))
        return sorted(vitals, key=lambda vital: vital.moment)

    def _moments(self, kind: Kind, index: int, told: Story) -> list[datetime]:
        # Nothing of the last hour (readers leave that to settle), and nothing near the edge of the API's 30 days,
        # where a record would be there in one moment and gone in the next.
        if kind == "month":
            return [self.now - timedelta(days=age) for age in (*range(1, 30), 30.4, 30.8)]
        phase = random.Random(f"{self.seed}:{index // 2}").uniform(0, 0.9)
        newest = self.now - timedelta(hours=1) - phase * (self._spacing - timedelta(hours=1))
        if told.is_silent:
            newest = self.now - told.heard_ago
        # The last report of a silent device is kept, however few days of vitals the others have.
        oldest = self.now - max(self._count * self._spacing, timedelta(days=1))
        moments = [newest - number * self._spacing for number in range(self._count)]
        kept = self.now - timedelta(days=29)
        return [moment for moment in moments if moment >= oldest or (moment == newest and moment >= kept)]


def _record(device_id: str, updated_at: str, payload: Payload) -> dict[str, Any]:
    return {"updated_at": updated_at, "deviceID": device_id, "payload": payload}


def _spell(moment: datetime, turn: int) -> str:
    if turn % 7 == 3:
        return iso_seconds(moment)
    if turn % 7 == 5:
        return iso_us(moment.replace(microsecond=moment.microsecond // 1000 * 1000 + 405))
    return iso_ms(moment)
