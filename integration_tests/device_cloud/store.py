"""The store of a fleet: rows by collection, which can change while the server runs."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta, timezone
from typing import Any, NamedTuple

from .clock import Clock, parse_iso
from .metrics import series
from .tracks import Point, track
from .usage import fleet_usage, sim_usage
from .vitals import Vital, VitalsPlan

Record = Mapping[str, Any]
Scope = str | int | None
"""Where a row lives: None for the user's own, a product's integer id, or (added vitals) a device's id."""
Rows = dict[str, Any]


class Change(NamedTuple):
    """One row written (`record`) or removed (`record` is None)."""

    collection: str
    scope: Scope
    key: str
    record: Any


class View:
    """What the cloud holds at one moment; vitals and data usage are computed from the seed when they are asked for."""

    def __init__(self, seed: int, plan: VitalsPlan, tables: dict[tuple[str, Scope], Rows]) -> None:
        self.seed = seed
        self.plan = plan
        self._tables = tables

    @property
    def product_ids(self) -> list[int]:
        """The products in the order of `/v1/products`: the seeded ones first, then those of the samples."""
        return [int(key) for key in self.rows("products")]

    def rows(self, collection: str, scope: Scope = None) -> Rows:
        """Return the rows of a collection by key, in listing order; the caller must not change them."""
        return self._tables.get((collection, scope), {})

    def scopes(self, collection: str) -> list[Scope]:
        """Return the scopes under which the collection has rows."""
        return [scope for name, scope in self._tables if name == collection]

    def product(self, id_or_slug: str) -> Record | None:
        """Return the product an integer id or a slug names, None when there is no such product."""
        products = self.rows("products")
        found: Record | None = products.get(id_or_slug)
        return found or next((product for product in products.values() if product["slug"] == id_or_slug), None)

    def vitals(self, device_id: str) -> list[Vital]:
        """Return all vitals of a device that are kept, oldest first."""
        added = [Vital(moment_of(record), record) for record in self.rows("vitals", device_id).values()]
        return sorted([*self.plan.of(device_id), *added], key=lambda vital: vital.moment)

    def track(self, device_id: str) -> tuple[Point, ...]:
        """Return where a device has been, oldest first; points that were added replace the made-up ones."""
        added: tuple[Point, ...] | None = self.rows("tracks").get(device_id)
        return added if added is not None else track(self.seed, device_id, self.plan.now)

    def metrics(self, product_id: Scope, metric: str, start: datetime, end: datetime, bucket: int) -> Iterator[Rows]:
        """Yield the buckets of a metric of a product from `start` to `end`; they begin a day before the vitals."""
        begin = self.plan.begin - timedelta(days=1)
        return series(f"{self.seed}:{product_id}", metric, max(start, begin), end, bucket)

    def usage(self, iccid: str) -> Any:
        """Return the body of a SIM's data usage of the current billing period."""
        rows = self.rows("usage")
        return rows[iccid] if iccid in rows else sim_usage(self.seed, iccid, self.plan.now)

    def fleet_usage(self, product_id: int) -> Any:
        """Return the body of a product's data usage of the current billing period."""
        rows = self.rows("fleet_usage")
        key = str(product_id)
        if key in rows:
            return rows[key]
        return fleet_usage(self.seed, product_id, len(self.rows("sims", product_id)), self.plan.now)

    def changed(self, changes: Iterable[Change]) -> View:
        """Return this view with some rows written and others removed."""
        tables = dict(self._tables)
        copied: set[tuple[str, Scope]] = set()
        for collection, scope, key, record in changes:
            table = (collection, scope)
            if table not in copied:
                copied.add(table)
                tables[table] = dict(tables.get(table, {}))
            if record is None:
                tables[table].pop(key, None)
            else:
                tables[table][key] = record
        return View(self.seed, self.plan, tables)


class Store(View):
    """A view that is written to, thread-safe; rows are replaced and never changed in place.

    `now` is the moment it was built, `clock` runs on from there. `lock` makes several steps one. `version`
    of a (collection, scope) grows with each write: caches compare it.
    """

    def __init__(self, seed: int = 0, now: datetime | None = None, plan: VitalsPlan | None = None) -> None:
        self.now = now or datetime.now(timezone.utc)
        self.clock = Clock(self.now)
        super().__init__(seed, plan or VitalsPlan(seed, self.now), {})
        self.lock = threading.RLock()
        self.journal: list[Change] = []
        self._versions: dict[tuple[str, Scope], int] = {}

    def version(self, collection: str, scope: Scope = None) -> int:
        """Return a number that changes whenever a row of the collection does."""
        return self._versions.get((collection, scope), 0)

    def put(self, collection: str, key: str, record: Any, scope: Scope = None) -> None:
        """Write one row."""
        with self.lock:
            self._tables.setdefault((collection, scope), {})[key] = record
            self._changed(Change(collection, scope, key, record))

    def remove(self, collection: str, key: str, scope: Scope = None) -> None:
        """Remove one row; KeyError when it is not there."""
        with self.lock:
            del self._tables[collection, scope][key]
            self._changed(Change(collection, scope, key, None))

    def _changed(self, change: Change) -> None:
        table = (change.collection, change.scope)
        self._versions[table] = self._versions.get(table, 0) + 1
        self.journal.append(change)

    def snapshot(self) -> View:
        """Return what the cloud holds now; later changes do not show in it."""
        with self.lock:
            return View(self.seed, self.plan, {table: dict(rows) for table, rows in self._tables.items()})


def moment_of(record: Record) -> datetime:
    """Return when vitals were sent; ValueError when their `updated_at` is not ISO 8601."""
    moment = parse_iso(record["updated_at"])
    if moment is None:
        raise ValueError(f"updated_at of vitals must be ISO 8601, not {record['updated_at']!r}")
    return moment
