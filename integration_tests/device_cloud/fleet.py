"""The fleet behind the API: rows by collection, changeable while the server runs."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, NamedTuple

from . import seeding
from .clock import Clock, iso_ms, parse_iso
from .usage import fleet_usage, sim_usage
from .vitals import Vital, VitalsPlan

Record = Mapping[str, Any]
Scope = str | int | None
"""Where a row lives: None for the user's own, a product's integer id, or (added vitals) a device's id."""
Rows = dict[str, Any]


@dataclass(frozen=True)
class FleetSize:
    """How large a fleet to seed.

    The samples (real recordings and the API reference's examples) are a handful of extra products with a few devices
    and SIMs each; `samples=False` leaves them out.
    """

    products: int = 2
    devices: int = 45
    """Devices per product."""
    sims: int = 12
    """SIMs per cellular product."""
    days: int = 2
    """Days of vitals up to now, at most 29."""
    vitals_per_day: int = 2
    """Vitals of each device and day; a few devices send none, one has a whole month."""
    user_devices: int = 12
    """Devices that are claimed by the user and in no product."""
    user_sims: int = 12
    samples: bool = True

    def __post_init__(self) -> None:
        """Refuse more days than the API serves: records at the very edge of its 30 days would come and go."""
        if not 0 <= self.days <= 29:
            raise ValueError(f"days must be between 0 and 29, not {self.days}")


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
        added = [Vital(_moment(record), record) for record in self.rows("vitals", device_id).values()]
        return sorted([*self.plan.of(device_id), *added], key=lambda vital: vital.moment)

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


class Fleet(View):
    """Everything the cloud knows, thread-safe; rows are replaced and never changed in place.

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
        self._rng = random.Random(f"{seed}:changes")
        self._added = 0

    @classmethod
    def seeded(cls, size: FleetSize | None = None, seed: int = 0, now: datetime | None = None) -> Fleet:
        """Build a fleet of a size; the same seed gives the same fleet, with times relative to `now` (default: now)."""
        size = size or FleetSize()
        start = now or datetime.now(timezone.utc)
        fleet = cls(seed, start, VitalsPlan(seed, start, size.days, size.vitals_per_day))
        seeding.fill(fleet, size)
        fleet.journal.clear()
        return fleet

    @property
    def product_ids(self) -> list[int]:
        """The products in the order of `/v1/products`: the seeded ones first, then those of the samples."""
        return [int(key) for key in self.rows("products")]

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

    def add_device(self, product: int | None = None, record: Record | None = None) -> str:
        """Add a device to a product (None: to the user) and return its id; without `record` a new one is made up."""
        with self.lock:
            self._added += 1
            new = record or seeding.new_device(self._rng, self.now, product, self._added)
            self.put("devices", new["id"], new, product)
            return str(new["id"])

    def remove_device(self, device_id: str, product: int | None = None) -> None:
        """Remove a device from a product, or from the user's own."""
        self.remove("devices", device_id, product)

    def touch(self, device_id: str, product: int | None = None, at: datetime | None = None) -> None:
        """Let a device connect: its last connection becomes `at` (default: now), so it moves in the default order."""
        with self.lock:
            moment = iso_ms(at or self.clock.now())
            record = self._tables["devices", product][device_id]
            self.put("devices", device_id, {**record, "last_handshake_at": moment, "last_heard": moment}, product)

    def touch_some(self, product: int) -> None:
        """Let a tenth of a product's devices connect."""
        with self.lock:
            ids = list(self.rows("devices", product))
            for device_id in self._rng.sample(ids, min(len(ids), len(ids) // 10 + 1)):
                self.touch(device_id, product)

    def add_vitals(self, device_id: str, at: datetime | None = None, record: Record | None = None) -> Record:
        """Let a device publish vitals at a moment (default: now); without `record` the payload is made up.

        ValueError when the record's `updated_at` is not ISO 8601.
        """
        with self.lock:
            new = record or self.plan.record(device_id, at or self.clock.now(), self._rng)
            _moment(new)  # refuses what could not be served
            self.put("vitals", new["updated_at"], new, device_id)
            return new

    def delete_product(self, product_id: int) -> None:
        """Delete a product with all that is in it."""
        with self.lock:
            self.remove("products", str(product_id))
            for collection in ("devices", "sims", "clients"):
                for key in list(self.rows(collection, product_id)):
                    self.remove(collection, key, product_id)


def _moment(record: Record) -> datetime:
    moment = parse_iso(record["updated_at"])
    if moment is None:
        raise ValueError(f"updated_at of vitals must be ISO 8601, not {record['updated_at']!r}")
    return moment
