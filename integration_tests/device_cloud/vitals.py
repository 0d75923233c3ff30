"""Vitals (diagnostics) of every era and platform, computed from the seed when they are asked for.

Shapes: REST `{"updated_at", "deviceID", "payload"}`; the payload's keys vary by platform and Device OS, any numeric
leaf can be `{"err": <negative int>}`, integral numbers come as integers and others with two decimals.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, Literal, NamedTuple

from .clock import iso_ms, iso_seconds, iso_us, parse_iso

Payload = dict[str, Any]
Kind = Literal["lte", "umts", "wifi", "os_2019", "none", "month"]

_KIND_PAYLOAD: dict[str, str] = {"month": "lte"}
_ERRORS = (-210, -160, -120)
_FAILING = (
    ("device", "network", "signal", "strength"),
    ("device", "network", "signal", "qualityv"),
    ("device", "system", "uptime"),
    ("device", "cloud", "coap", "round_trip"),
    ("device", "system", "memory", "used"),
)
"""Numeric leaves that every kind has, replaced in turn by an error object."""


class Vital(NamedTuple):
    """One record and the moment its `updated_at` names."""

    moment: datetime
    record: Mapping[str, Any]


class VitalsPlan:
    """Which devices send what vitals, and when."""

    def __init__(self, seed: int, now: datetime, days: int = 0, per_day: int = 1) -> None:
        self.seed = seed
        self.now = now
        self._count = days * per_day
        self._spacing = timedelta(days=1) / per_day
        self._kinds: dict[str, tuple[Kind, int]] = {}
        self._fixed: dict[str, list[Vital]] = {}
        self._computed = lru_cache(maxsize=4096)(self._compute)

    def assign(self, device_id: str, kind: Kind) -> None:
        """Let a device send vitals of a kind; two devices in a row send in the same millisecond."""
        self._kinds.setdefault(device_id, (kind, len(self._kinds)))

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
        kind, _ = self._kinds.get(device_id, ("lte", 0))
        return _record(device_id, iso_ms(moment), _payload(kind, rng))

    def _compute(self, device_id: str) -> list[Vital]:
        kind, index = self._kinds[device_id]
        if kind == "none":
            return []
        rng = random.Random(f"{self.seed}:{device_id}")  # a text: the same in every process, unlike a tuple's hash
        vitals = []
        for number, moment in enumerate(self._moments(kind, index)):
            spelt = _spell(moment, index + number)
            payload = _quirk(_payload(kind, rng), rng, index + number)
            exact = parse_iso(spelt)
            assert exact is not None
            vitals.append(Vital(exact, _record(device_id, spelt, payload)))
        return sorted(vitals, key=lambda vital: vital.moment)

    def _moments(self, kind: Kind, index: int) -> list[datetime]:
        # Nothing of the last hour (readers leave that to settle), and nothing near the edge of the API's 30 days,
        # where a record would be there in one moment and gone in the next.
        if kind == "month":
            return [self.now - timedelta(days=age) for age in (*range(1, 30), 30.4, 30.8)]
        phase = random.Random(f"{self.seed}:{index // 2}").uniform(0, 0.9)
        newest = self.now - timedelta(hours=1) - phase * (self._spacing - timedelta(hours=1))
        return [newest - number * self._spacing for number in range(self._count)]


def _record(device_id: str, updated_at: str, payload: Payload) -> dict[str, Any]:
    return {"updated_at": updated_at, "deviceID": device_id, "payload": payload}


def _spell(moment: datetime, turn: int) -> str:
    if turn % 7 == 3:
        return iso_seconds(moment)
    if turn % 7 == 5:
        return iso_us(moment.replace(microsecond=moment.microsecond // 1000 * 1000 + 405))
    return iso_ms(moment)


def _number(rng: random.Random, low: float, high: float) -> float | int:
    """Two decimals, and an integer when there are none: a column seen on one page flips between the two."""
    value = round(rng.uniform(low, high), rng.choice((0, 1, 2)))
    return int(value) if value == int(value) else value


def _payload(kind: str, rng: random.Random) -> Payload:
    kind = _KIND_PAYLOAD.get(kind, kind)
    if kind == "os_2019":
        return _payload_2019(rng)
    network: Payload = {"signal": _signal(kind, rng)}
    device: Payload = {
        "network": network,
        "cloud": {
            "connection": {
                "status": "connected",
                "error": rng.choice((0, 17, -160)),
                "attempts": rng.randrange(1, 4),
                "disconnects": rng.randrange(30),
                "disconnect_reason": rng.choice(("none", "error", "user", "network_disconnect", "listening")),
            },
            "coap": {
                "transmit": rng.randrange(2000),
                "retransmit": rng.randrange(20),
                "unack": rng.randrange(3),
                "round_trip": rng.randrange(80, 2500),
            },
            "publish": {"rate_limited": rng.randrange(2)},
        },
        "system": {
            "uptime": rng.randrange(90, 9_000_000),
            "memory": {"used": rng.randrange(30_000, 90_000), "total": 167_688},
        },
    }
    if kind != "wifi":
        network["cellular"] = _cellular(kind, rng)
        network["connection"] = {
            "status": "connected",
            "error": rng.choice((0, 1024)),
            "disconnects": rng.randrange(4),
            "attempts": 1,
            "disconnect_reason": rng.choice(("none", "error", "reset", "sleep", "unknown")),
        }
        device["power"] = {
            "battery": {"charge": _number(rng, 5, 100), "state": rng.choice(("charging", "charged", "discharging"))},
            "source": rng.choice(("VIN", "USB host", "USB adapter", "unknown")),
        }
    return {"device": device, "service": _service(rng)}


def _service(rng: random.Random) -> Payload:
    return {
        "device": {"status": rng.choice(("ok", "ok", "error"))},
        "cloud": {"uptime": rng.randrange(100_000), "publish": {"sent": rng.randrange(2000)}},
        "coap": {"round_trip": rng.randrange(60, 2000)},
    }


def _signal(kind: str, rng: random.Random) -> Payload:
    at, strength_type, quality_type = {
        "lte": (rng.choice(("LTE", "LTE Cat-M1", "LTE Cat-NB1")), "RSRP", "RSRQ"),
        "umts": ("UMTS", "RSCP", "ECN0"),
        "wifi": ("Wi-Fi", "RSSI", "SNR"),
    }[kind]
    return {
        "at": at,
        "strength": _number(rng, 10, 100),
        "strength_units": "%",
        "strengthv": _number(rng, -120, -40),
        "strengthv_units": "dBm",
        "strengthv_type": strength_type,
        "quality": _number(rng, 10, 100),
        "quality_units": "%",
        "qualityv": _number(rng, -20, 30),
        "qualityv_units": "dB",
        "qualityv_type": quality_type,
    }


def _cellular(kind: str, rng: random.Random) -> Payload:
    return {
        "radio_access_technology": "LTE" if kind == "lte" else "3G",
        "operator": rng.choice(("AT&T Wireless Inc.", "Telefónica", "T-Mobile")),
        "cell_global_identity": {
            "mobile_country_code": rng.choice((310, 214, 262)),
            "mobile_network_code": rng.choice(("410", "07", "001")),
            "location_area_code": rng.randrange(65_536),
            "cell_id": rng.randrange(1 << 27, 1 << 28),
        },
    }


def _payload_2019(rng: random.Random) -> Payload:
    """Device OS before 1.2: numeric enums, `rssi`, `disconnect`, no units or types, a sparse `coap`."""
    return {
        "device": {
            "network": {
                "signal": {
                    "at": 1,
                    "strength": _number(rng, 10, 100),
                    "strengthv": rng.randrange(-90, -40),
                    "quality": _number(rng, 10, 100),
                    "qualityv": rng.randrange(5, 40),
                    "rssi": rng.randrange(-90, -40),
                },
                "connection": {
                    "status": 4,
                    "error": 0,
                    "disconnects": rng.randrange(3),
                    "attempts": 1,
                    "disconnect": 0,
                },
            },
            "cloud": {
                "connection": {"status": 1, "error": 17, "attempts": 1, "disconnect": 5},
                "disconnects": rng.randrange(4),
                "coap": {"unack": rng.randrange(3), "round_trip": rng.randrange(80, 2500)},
                "publish": {"rate_limited": 0},
            },
            "system": {
                "uptime": rng.randrange(90, 9_000_000),
                "memory": {"used": rng.randrange(30_000, 60_000), "total": 113_664},
            },
        },
        "service": _service(rng),
    }


def _quirk(payload: Payload, rng: random.Random, turn: int) -> Payload:
    """Give every few records one of the awkward forms."""
    device = payload["device"]
    if turn % 4 == 1 and "power" in device:
        device["power"]["battery"] = {"charge": {"err": -210}, "state": "disconnected"}
    elif turn % 6 == 2:
        *path, leaf = rng.choice(_FAILING)
        node = payload
        for name in path:
            node = node[name]
        node[leaf] = {"err": rng.choice(_ERRORS)}
    elif turn % 11 == 3:
        device["system"] |= {"version": "5.9.0", "panic": {"code": rng.randrange(1, 15)}}
    elif turn % 13 == 5:
        payload["device"] |= {"location": {"lock": 1, "lat": 52.52, "lon": 13.4}, "temperature": 21.5}
    elif turn % 17 == 7:
        device["power"] = {}
    return payload
