"""The fleet behind the API: what can happen to it."""

from __future__ import annotations

import random
from datetime import datetime, timezone

from . import seeding
from .clock import iso_ms
from .seeding import FleetSize
from .store import Record, Store, moment_of
from .vitals import VitalsPlan


class Fleet(Store):
    """Everything the cloud knows."""

    def __init__(self, seed: int = 0, now: datetime | None = None, plan: VitalsPlan | None = None) -> None:
        super().__init__(seed, now, plan)
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
            moment_of(new)  # refuses what could not be served
            self.put("vitals", new["updated_at"], new, device_id)
            return new

    def delete_product(self, product_id: int) -> None:
        """Delete a product with all that is in it."""
        with self.lock:
            self.remove("products", str(product_id))
            for collection in ("devices", "sims", "clients"):
                for key in list(self.rows(collection, product_id)):
                    self.remove(collection, key, product_id)
