"""The ledger: what a read has to return, and the requests it sent."""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from .fleet import Fleet
from .log import Entry, RequestLog
from .question import Access, Options, Question
from .store import Change, Record, Scope, View
from .switches import Switches
from .truth import KEYS, answer

CLIP_MARGIN = timedelta(minutes=15)
_SHOWN = 5

Key = tuple[Any, ...]


@dataclass(frozen=True)
class Mark:
    """A moment before a reading."""

    view: View
    at: datetime
    position: int


@dataclass
class Difference:
    """How a reading differs from the truth, by primary key; falsy when it was perfect."""

    table: str
    missing: list[Key] = field(default_factory=list)
    doubled: list[Key] = field(default_factory=list)
    unexpected: list[Key] = field(default_factory=list)
    different: dict[Key, str] = field(default_factory=dict)

    def __bool__(self) -> bool:
        """Return whether there is any difference."""
        return bool(self.missing or self.doubled or self.unexpected or self.different)

    def __str__(self) -> str:
        """Name the counts and the first few keys of each kind."""
        if not self:
            return f"{self.table}: no difference"
        parts = []
        for kind in ("missing", "doubled", "unexpected"):
            keys: list[Key] = getattr(self, kind)
            if keys:
                parts.append(f"{len(keys)} {kind}: {_some(map(str, keys))}")
        if self.different:
            parts.append(
                f"{len(self.different)} different: " + _some(f"{key}: {how}" for key, how in self.different.items())
            )
        return f"{self.table}: " + "; ".join(parts)


class Ledger:
    """Knows what each table holds and what was asked of the server.

    `options` are the table options by their names (`product_id_or_slug`, `device_id`, …), values as text.
    """

    def __init__(self, fleet: Fleet, log: RequestLog, switches: Callable[[], Switches]) -> None:
        self._fleet = fleet
        self._log = log
        self._switches = switches

    # the truth

    def records(
        self,
        table: str,
        options: Options | None = None,
        access: Access = "user",
        *,
        clip_margin: timedelta = CLIP_MARGIN,
    ) -> list[dict[str, Any]]:
        """Return what a perfect reader returns now: the API's records with the parents' keys, without secrets.

        Vitals are those of the last 30 days less `clip_margin`. Raises LookupError when the options name what the API
        refuses; what `*` leads to and the API refuses is left out (see `skipped`).
        """
        with self._fleet.lock:
            return copy.deepcopy(answer(self._question(options, access, clip_margin), table))

    def skipped(self, table: str, options: Options | None = None, access: Access = "user") -> list[str]:
        """Return the paths that `*` leads to and the API refuses, such as the SIMs of a Wi-Fi product."""
        with self._fleet.lock:
            question = self._question(options, access, CLIP_MARGIN)
            answer(question, table)
            return question.skipped

    def mark(self) -> Mark:
        """Note the moment before a reading, for `compare`."""
        with self._fleet.lock:
            return Mark(self._fleet.snapshot(), self._fleet.clock.now(), len(self._fleet.journal))

    def compare(
        self,
        table: str,
        options: Options | None,
        records: Iterable[Mapping[str, Any]],
        since: Mark | None = None,
        access: Access = "user",
        *,
        clip_margin: timedelta = CLIP_MARGIN,
        alike: Callable[[Any, Any], bool] | None = None,
    ) -> Difference:
        """Return how a reading differs from the truth; `alike` says which values are equal to what was sent.

        With `since`, what was there throughout must be there exactly once, what came or went in between may be, and any
        value that a record had in between will do.
        """
        with self._fleet.lock:
            moments = [self._question(options, access, clip_margin, strict=since is None)]
            if since is not None:
                views = [since.view, *self._between(since)]
                moments += [
                    self._question(options, access, clip_margin, view, since.at, strict=False) for view in views
                ]
            truths = [_by_key(table, answer(question, table)) for question in moments]
        required = set.intersection(*(set(truth) for truth in truths))
        return _difference(table, required, truths, records, alike or same)

    def _question(
        self,
        options: Options | None,
        access: Access,
        clip_margin: timedelta,
        view: View | None = None,
        now: datetime | None = None,
        *,
        strict: bool = True,
    ) -> Question:
        view = view or self._fleet
        now = now or self._fleet.clock.now()
        return Question(view, now, self._switches(), options or {}, access, clip_margin, strict)

    def _between(self, mark: Mark) -> list[View]:
        """Return views that together hold each version of each row since the mark, and one without what was removed."""
        changes = self._fleet.journal[mark.position :]
        versions: dict[tuple[str, Scope, str], list[Any]] = defaultdict(list)
        for change in changes:
            if change.record is not None:
                versions[change.collection, change.scope, change.key].append(change.record)
        views = []
        for turn in range(max(map(len, versions.values()), default=0)):
            rows = [Change(*place, found[min(turn, len(found) - 1)]) for place, found in versions.items()]
            views.append(mark.view.changed(rows))
        return [*views, mark.view.changed([change for change in changes if change.record is None])]

    # the requests

    def requests(self, route: str | None = None) -> list[Entry]:
        """Return the requests since the start or the last reset, of one route (`"GET /v1/devices"`) or of all."""
        return self._log.entries(route)

    def count(self, route: str | None = None) -> int:
        """Return the number of requests, of one route or of all."""
        return len(self.requests(route))

    def logins(self) -> int:
        """Return the number of requests to `/oauth/token`, refused ones too."""
        return self.count("POST /oauth/token")

    def peak(self, seconds: float) -> int:
        """Return the highest number of requests in any moving window of this length."""
        return self._log.peak(seconds)

    def rejected(self) -> int:
        """Return the number of requests answered with 429."""
        return sum(entry.status == 429 for entry in self.requests())


def _by_key(table: str, records: Iterable[Record]) -> dict[Key, Record]:
    return {_key(table, record): record for record in records}


def _key(table: str, record: Mapping[str, Any]) -> Key:
    return tuple(record.get(name) for name in KEYS[table])


def _difference(
    table: str,
    required: set[Key],
    truths: list[dict[Key, Record]],
    records: Iterable[Mapping[str, Any]],
    alike: Callable[[Any, Any], bool],
) -> Difference:
    found = Difference(table)
    seen: set[Key] = set()
    for record in records:
        key = _key(table, record)
        values = [truth[key] for truth in truths if key in truth]
        if key in seen:
            found.doubled.append(key)
        elif not values:
            found.unexpected.append(key)
        elif not any(alike(value, record) for value in values):
            found.different[key] = _fields(record, values[0])
        seen.add(key)
    found.missing = sorted(required - seen, key=str)
    return found


def same(one: Any, other: Any) -> bool:
    """Return whether two JSON values are equal; unlike `==`, true and 1 are two values (1 and 1.0 are one)."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(same(value, other[name]) for name, value in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


def _fields(record: Mapping[str, Any], truth: Mapping[str, Any]) -> str:
    absent = object()
    names = [*truth, *(name for name in record if name not in truth)]
    return ", ".join(name for name in names if not same(record.get(name, absent), truth.get(name, absent)))


def _some(texts: Iterable[str]) -> str:
    shown = list(texts)
    return ", ".join(shown[:_SHOWN]) + (", …" if len(shown) > _SHOWN else "")
