"""Device Clouds in separate processes, so that their work is not counted as a reader's."""

import multiprocessing
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection

from integration_tests.device_cloud import DeviceCloud, Fleet, FleetSize, Switches

UNLIMITED = (10**9, 300.0)


@dataclass(frozen=True)
class Served:
    """A fleet to read: its address, credentials and contents."""

    url: str
    token: str
    products: list[int]
    questions: Connection

    def rejected(self) -> int:
        """Return how many requests were answered with 429."""
        self.questions.send("rejected")
        return int(self.questions.recv())

    def requests(self) -> int:
        """Return how many requests have arrived."""
        self.questions.send("count")
        return int(self.questions.recv())


@contextmanager
def served(
    products: int = 1,
    devices: int = 0,
    *,
    latency: float = 0.0,
    rate_limit: tuple[int, float] = UNLIMITED,
    same_devices: bool = False,
) -> Iterator[Served]:
    """Serve products with so many devices each, which has two vitals a device.

    With `same_devices`, all products hold the devices of the first, so that a large fleet is small in memory.
    """
    spawning = multiprocessing.get_context("spawn")
    here, there = spawning.Pipe()
    size = FleetSize(products=products, devices=devices, sims=0, user_devices=0, user_sims=0, days=1, samples=False)
    switches = Switches(latency=latency, rate_limit=rate_limit)
    process = spawning.Process(target=_serve, args=(size, switches, same_devices, there), daemon=True)
    process.start()
    try:
        url, token, product_ids = here.recv()
        yield Served(url, token, product_ids, here)
    finally:
        here.send("stop")
        process.join()


def _serve(size: FleetSize, switches: Switches, same_devices: bool, questions: Connection) -> None:
    fleet = _shared(size) if same_devices else Fleet.seeded(size)
    with DeviceCloud(fleet, switches) as cloud:
        questions.send((cloud.url, cloud.token, fleet.product_ids))
        while (question := questions.recv()) != "stop":
            questions.send(getattr(cloud.ledger, question)())


def _shared(size: FleetSize) -> Fleet:
    fleet = Fleet.seeded(FleetSize(**{**vars(size), "products": 1}))
    [first] = fleet.product_ids
    product = fleet.rows("products")[str(first)]
    for number in range(1, size.products):
        other = {**product, "id": first + 1000 * number, "slug": f"{product['slug']}-{number}"}
        fleet.put("products", str(other["id"]), other)
        for key, record in fleet.rows("devices", first).items():
            fleet.put("devices", key, record, other["id"])
    fleet.journal.clear()
    return fleet
