"""Fills a fleet from a seed."""

from __future__ import annotations

import hashlib
import random
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from . import account, devices, estate, samples, sims
from .store import Store
from .stories import AWKWARD, story
from .usage import has_reached_limit
from .vitals import Kind

_CELLULAR_KINDS: tuple[Kind, ...] = ("lte", "umts", "lte")
_WIFI_KINDS: tuple[Kind, ...] = ("wifi", "wifi", "os_2019")


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


def secret(seed: int, purpose: str) -> str:
    """Return a 40-digit secret (a token, a client's secret) that is the same for the same seed."""
    return hashlib.sha1(f"{seed}:{purpose}".encode(), usedforsecurity=False).hexdigest()


def new_device(rng: random.Random, now: datetime, product: int | None, number: int) -> dict[str, Any]:
    """Return a device that joins a running fleet."""
    return devices.build(rng, 100_000 + number, now, product, story(rng, 0))


def fill(fleet: Store, size: FleetSize) -> None:
    """Add all that a fleet of this size has."""
    rng = random.Random(fleet.seed)
    for index in range(size.products):
        _product(fleet, rng, index, size)
    for index in range(size.user_devices):
        _device(fleet, rng, index, None)
    owned = _cellular(fleet, None)
    for index in range(size.user_sims):
        _sim(fleet, rng, index, None, owned)
    _overlaps(fleet)
    fleet.put("orgs", account.ORG["slug"], account.ORG)
    for user in account.users():
        fleet.put("users", user["username"], user)
    for client in account.clients(secret(fleet.seed, "client of the user")):
        fleet.put("clients", client["id"], client)
    if size.samples:
        samples.fill(fleet)
    estate.fill(fleet, secret(fleet.seed, "key of an integration"))


def _product(fleet: Store, rng: random.Random, index: int, size: FleetSize) -> None:
    wifi_only = index == 1
    record = account.product(index, wifi_only=wifi_only, in_org=index == 2, device_count=size.devices)
    product = record["id"]
    fleet.put("products", str(product), record)
    for number in range(size.devices):
        _device(fleet, rng, number, product, wifi_only=wifi_only)
    if not wifi_only:
        members = _cellular(fleet, product)
        for number in range(size.sims):
            _sim(fleet, rng, number, product, members)
    client = {"name": "server", "type": "installed", "id": f"server-{product}", "product_id": product}
    fleet.put("clients", client["id"], client, product)


def _device(fleet: Store, rng: random.Random, index: int, product: int | None, *, wifi_only: bool = False) -> None:
    told = story(rng, index)
    record = devices.build(rng, index, fleet.now, product, told, wifi_only=wifi_only)
    fleet.put("devices", record["id"], record, product)
    fleet.plan.assign(record["id"], _vitals_kind(index, product, record), told)


def _vitals_kind(index: int, product: int | None, record: dict[str, Any]) -> Kind:
    if product is None and index == 2:
        return "month"
    is_cellular = record["platform_id"] in devices.CELLULAR
    if index >= AWKWARD:
        return "none" if index % 97 == 0 else "lte" if is_cellular else "wifi"
    if index % 9 == 8 or ("last_heard" in record and record["last_heard"] is None):
        return "none"
    kinds = _CELLULAR_KINDS if is_cellular else _WIFI_KINDS
    return kinds[index % len(kinds)]


def _cellular(fleet: Store, product: int | None) -> list[dict[str, Any]]:
    return [device for device in fleet.rows("devices", product).values() if device["platform_id"] in devices.CELLULAR]


def _sim(fleet: Store, rng: random.Random, index: int, product: int | None, members: list[dict[str, Any]]) -> None:
    device = members[index] if index < len(members) else None
    # What is in no device has a number that none has.
    iccid = device["iccid"] if device else devices.sim_iccid(product, 50_000 + index)
    record = sims.build(rng, index, fleet.now, product, device, iccid)
    if index >= AWKWARD and has_reached_limit(fleet.seed, iccid, fleet.now):
        record["status"] = "inactive_data_limit_reached"
    fleet.put("sims", iccid, record, product)


def _overlaps(fleet: Store) -> None:
    """Put one device into two products, and one that the user has claimed into a product: each is one entity."""
    products = fleet.product_ids
    if not products:
        return
    first = list(fleet.rows("devices", products[0]).values())[:2]
    if len(products) > 1 and first:
        fleet.put("devices", first[0]["id"], first[0], products[1])
    for device in first[1:]:
        fleet.put("devices", device["id"], device, None)
