"""The world of one cell: a small fleet behind its own server, and its reader."""

import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import pytest
import trustme

from integration_tests.device_cloud import DeviceCloud, Fault, Fleet, FleetSize, Switches
from integration_tests.matrix.places import Place

# Three pages of five, which can overlap, and a product without SIMs.
SIZE = FleetSize(products=3, devices=11, sims=11, days=1, vitals_per_day=1, user_devices=2, user_sims=2, samples=False)
PAGE = 5


@dataclass
class World:
    """A server with a fleet, and the options of whoever reads it.

    Trouble comes to `product`, which shares no device with another, and to `device` and `iccid` in it.
    """

    cloud: DeviceCloud
    stack: ExitStack
    connection: dict[str, str] = field(init=False)
    elsewhere: DeviceCloud | None = None
    spells_twice: bool = False
    """Whether options name what is troubled in two ways."""

    def __post_init__(self) -> None:
        fleet = self.cloud.fleet
        self.product = fleet.product_ids[-1]
        self.device = max(fleet.rows("devices", self.product))
        sims = fleet.rows("sims", self.product)
        self.iccid = next(iccid for iccid in sims if "usage_by_day" in fleet.usage(iccid))
        self.connection = {
            "access_token": self.cloud.token,
            "base_url": self.cloud.url,
            "retry_wait_factor": "0",
        }

    def path(self, place: Place) -> str:
        """Return where a place is in this world."""
        return place.path.format(
            owner_path="",
            product_path=self.product,
            product_prefix=f"products/{self.product}/",
            device_id_path=self.device,
            iccid_path=self.iccid,
        )

    def skipped(self, place: Place) -> str:
        """Return the name of what a refusal at a place costs."""
        return str(self.product) if place.skips == "product" else self.iccid if "sims/" in place.path else self.device

    def options(self, required: tuple[str, ...], place: Place) -> dict[str, str]:
        """Return the options of a table: everything, or at a place that is named the troubled one and another."""
        if not required:
            return {}
        [name] = required
        if not place.named:
            return {name: "*", "product_id_or_slug": "*"}
        if name == "product_id_or_slug":
            return {name: f"{self.cloud.fleet.product_ids[0]},{self._spelled(str(self.product))}"}
        [collection, own] = {"device_id": ("devices", self.device), "iccid": ("sims", self.iccid)}[name]
        other = next(key for key in self.cloud.fleet.rows(collection, self.product) if key != own)
        return {name: f"{other},{self._spelled(own)}", "product_id_or_slug": self._spelled(str(self.product))}

    def _spelled(self, name: str) -> str:
        """Return a name; the slug of a product, or an id in upper case, goes before it where one is named twice."""
        product = self.cloud.fleet.product(name)
        return f"{product['slug'] if product else name.upper()},{name}" if self.spells_twice else name

    def sign_in_with(self, password: str) -> None:
        """Read with the user's name in place of the token."""
        del self.connection["access_token"]
        self.connection |= {"username": self.cloud.username, "password": password}

    def secrets(self) -> Iterator[str]:
        """Return the values that no message may contain."""
        yield from (self.connection[name] for name in ("access_token", "password") if name in self.connection)

    def add_fault(self, make: Callable[["World", Place], Fault] | None, times: int | None, place: Place) -> None:
        """Let something go wrong at a place, so many times."""
        if make is not None:
            self.cloud.faults.add(replace(make(self, place), path=self.path(place), page=place.page, times=times))

    def another_server(self, tls: ssl.SSLContext | None = None) -> DeviceCloud:
        """Start a second server with the same fleet and tokens."""
        return self.stack.enter_context(DeviceCloud(self.cloud.fleet, self.cloud.switches, tls=tls))

    def move_to(self, cloud: DeviceCloud) -> None:
        """Let another server be the one that is read."""
        self.cloud = cloud
        self.connection["base_url"] = cloud.url


@contextmanager
def new_world() -> Iterator[World]:
    """Start a world; what it starts ends with it."""
    with ExitStack() as stack:
        yield World(stack.enter_context(DeviceCloud(Fleet.seeded(SIZE), Switches(per_page_cap=PAGE))), stack)


def certificate(authority: trustme.CA, name: str = "127.0.0.1", until: datetime | None = None) -> ssl.SSLContext:
    """Return what a server shows that an authority has certified."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name, not_after=until).configure_cert(context)
    return context


@contextmanager
def trusted(authority: trustme.CA) -> Iterator[None]:
    """Let this process trust an authority, and no other."""
    with authority.cert_pem.tempfile() as path, pytest.MonkeyPatch.context() as patch:
        patch.setenv("REQUESTS_CA_BUNDLE", path)
        yield


def closed_port() -> int:
    """Return a port on which nobody listens."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def put_record(world: World, collection: str, key: str) -> Any:
    """Let a device or SIM join the product."""
    first = next(iter(world.cloud.fleet.rows(collection, world.product).values()))
    name = "id" if collection == "devices" else next(name for name in ("_id", "iccid") if name in first)
    return world.cloud.fleet.put(collection, key, {**first, name: key}, world.product)
