"""Data that moves while it is read: the troubles of that kind."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

from integration_tests.device_cloud import Fault
from integration_tests.matrix.places import Place
from integration_tests.matrix.trouble import (
    ALWAYS,
    ONCE,
    Meaning,
    Trouble,
    everywhere,
    is_one_request,
    reply,
)
from integration_tests.matrix.world import PAGE, World, put_record


def _leaves(choose: Callable[[list[str]], list[str]], world: World, collection: str) -> None:
    for key in choose(sorted(world.cloud.fleet.rows(collection, world.product))):
        world.cloud.fleet.remove(collection, key, world.product)


def _joins(key: str, world: World, collection: str) -> None:
    put_record(world, collection, key)


def _joins_at_the_end(world: World, collection: str) -> None:
    _joins("9" * 20 if collection == "sims" else "f" * 24, world, collection)


def _many_come_and_go(world: World, collection: str) -> None:
    _joins("8" * 24, world, collection)
    _joins("9" * 24, world, collection)
    _leaves(lambda keys: keys[:1], world, collection)


def _one_for_another(world: World, collection: str) -> None:
    """Leave the totals as they are."""
    _leaves(lambda keys: keys[:1], world, collection)
    _joins_at_the_end(world, collection)


MOVES: dict[str, Callable[[World, str], object]] = {
    "the first record is removed": partial(_leaves, lambda keys: keys[:1]),
    "the last record is removed": partial(_leaves, lambda keys: keys[-1:]),
    "more than a page is removed": partial(_leaves, lambda keys: keys[: PAGE + 1]),
    "a record is added at the start": partial(_joins, "0" * 24),
    "a record is added at the end": _joins_at_the_end,
    "two records are added and one is removed": _many_come_and_go,
    "one record is added and one is removed": _one_for_another,
}


def moving_data() -> Iterator[Trouble]:
    for name, move in MOVES.items():
        yield Trouble(
            "moving data",
            name,
            Meaning.HARMLESS,
            partial(_during, move),
            times=(ONCE,),
            where=lambda place: place.page is not None or place.name == "list of one product",
        )
    yield Trouble(
        "moving data",
        "removed between list and read",
        Meaning.HARMLESS,
        lambda world, place: Fault("*", run=partial(_delete, world, place)),
        times=(ONCE,),
        where=lambda place: place.skips is not None and is_one_request(place) and not place.is_later_page,
    )
    yield reply(
        "moving data",
        "the previous page is repeated",
        Meaning.PASSING,
        Fault("*", repeat_page=True),
        times=(ONCE, ALWAYS),
        where=lambda place: place.is_later_page,
    )
    for name, lie in {
        "a record count that is too high": {"total_records": 13, "total_pages": 3},
        "a page count that is too high": {"total_pages": 4},
    }.items():
        yield reply(
            "moving data",
            name,
            Meaning.FINAL,
            Fault("*", change=partial(_with_totals, lie)),
            times=(ALWAYS,),
            where=lambda place: place.name == "all pages",
        )
    yield everywhere("moving data", "an order that changes with every request", Meaning.HARMLESS, _reorder)
    yield everywhere("moving data", "an order that is ignored", Meaning.HARMLESS, _ignore_order)


def _during(move: Callable[[World, str], object], world: World, place: Place) -> Fault:
    return Fault("*", run=partial(move, world, place.key))


def _delete(world: World, place: Place) -> None:
    if place.skips == "product":
        if str(world.product) in world.cloud.fleet.rows("products"):
            world.cloud.fleet.delete_product(world.product)
    else:
        collection = "sims" if "sims/" in place.path else "devices"
        world.cloud.fleet.remove(collection, world.skipped(place), world.product)


def _with_totals(lie: dict[str, int], body: bytes) -> bytes:
    reply = json.loads(body)
    return json.dumps({**reply, "meta": {**reply.get("meta", {}), **lie}}).encode()


def _reorder(world: World) -> None:
    world.cloud.switches = replace(world.cloud.switches, reorder=True)


def _ignore_order(world: World) -> None:
    world.cloud.switches = replace(world.cloud.switches, heeds_order=False)
