"""What can go wrong, each with what it means for a read."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from enum import Enum
from functools import partial
from typing import Any

import trustme

from integration_tests.device_cloud import Fault
from integration_tests.device_cloud.faults import HTML
from integration_tests.matrix.places import ANYWHERE, Place
from integration_tests.matrix.world import PAGE, World, certificate, closed_port, put_record, trusted
from unit_tests.support.zones import time_zone

ONCE, OFTEN, ALWAYS = "once", "a few times", "always"
TIMES: dict[str, int | None] = {ONCE: 1, OFTEN: 3, ALWAYS: None}

# A field without a column, which some troubles add to the records of a reply.
UNHEARD_OF = "unheard_of"


class Meaning(Enum):
    """What a trouble means for a read."""

    HARMLESS = "harmless"
    PASSING = "temporary"
    REFUSAL = "the API refuses one item"
    REVOKED = "the API revokes the token that a user name and password were signed in for"
    FINAL = "permanent"


def is_one_request(place: Place) -> bool:
    """Return whether a place is one request, neither everywhere nor all pages of a list."""
    return place.name not in ("anywhere", "all pages")


@dataclass(frozen=True)
class Trouble:
    """One thing that goes wrong.

    `fault` tells what the server does at a place (None: the trouble is everywhere), `prepare` changes the world before
    the read. `times` are those it is tried with, `where` says at which places there is such a thing. `adds` is JSON
    that it adds to records as the field `UNHEARD_OF`, `kept` what a reader makes of that where it is not the same,
    `logins` how many logins the read may take.
    """

    kind: str
    name: str
    meaning: Meaning
    fault: Callable[[World, Place], Fault] | None = None
    prepare: Callable[[World], object] | None = None
    times: tuple[str, ...] = tuple(TIMES)
    where: Callable[[Place], bool] = is_one_request
    adds: str | None = None
    kept: str | None = None
    logins: int | None = None
    reaches_workers: bool = True
    """Whether it also concerns the processes that Spark has already started."""
    in_streams: bool = True
    """Whether a stream can be judged by it, which leaves for later what is not yet in a closed window."""

    @property
    def is_alone(self) -> bool:
        """Whether what it does at the place of one table changes what another one is."""
        return self.fault is not None and self.kind in ("moving data", "tokens")


def _reply(kind: str, name: str, meaning: Meaning, fault: Fault, **more: Any) -> Trouble:
    """Make a trouble that is the same at every place."""
    return Trouble(kind, name, meaning, lambda _world, _place: fault, **more)


def _everywhere(kind: str, name: str, meaning: Meaning, prepare: Callable[[World], object], **more: Any) -> Trouble:
    """Make a trouble that is there from the start and has no place."""
    return Trouble(kind, name, meaning, prepare=prepare, times=(ALWAYS,), where=lambda place: place == ANYWHERE, **more)


def _statuses() -> Iterator[Trouble]:
    for meaning, statuses in {
        Meaning.FINAL: (400, 401, 409, 418),
        Meaning.REFUSAL: (403, 404),
        Meaning.PASSING: (408, 429, 500, 502, 503, 504, 529),
    }.items():
        for status in statuses:
            yield _reply("statuses", str(status), meaning, Fault("*", status=status))
    # In a body that is not the API's, a status refuses nothing.
    yield _reply("statuses", "403 from a firewall", Meaning.PASSING, Fault("*", status=403, body=HTML))
    yield _reply("statuses", "202", Meaning.PASSING, Fault("*", status=202, body="[]"))
    soon = format_datetime(datetime.now(timezone.utc) + timedelta(seconds=5), usegmt=True)
    for what, value in {
        "in seconds": "5",
        "as a date": soon,
        "absurdly long": "9" * 30,
        "in the year 9999": "Fri, 31 Dec 9999 23:59:59 -1200",
        "as text": "soon",
    }.items():
        fault = Fault("*", status=429, headers={"Retry-After": value})
        yield _reply("statuses", f"429, Retry-After {what}", Meaning.PASSING, fault)


WRONG_BODIES: dict[str, str | bytes] = {
    "HTML": HTML,
    "malformed": '{"%(key)s": [',
    "empty": "",
    "null": "null",
    "an empty object": "{}",
    "an error with status 200": '{"ok": false, "error": "please wait"}',
    "an error beside an empty list": '{"ok": false, "error": "please wait", "%(key)s": []}',
    "null under the key": '{"%(key)s": null}',
    "a string under the key": '{"%(key)s": "none"}',
    "an object under the key": '{"%(key)s": {"error": "none"}}',
    "a list of strings under the key": '{"%(key)s": ["none"]}',
    "a string": '"none"',
    "a number": "0",
    "NaN": '{"%(key)s": [{"id": NaN}]}',
    "Infinity": '{"%(key)s": [{"id": Infinity}]}',
    "not UTF-8": b'{"%(key)s": "\xff"}',
    "endless nesting": "[" * 100_000,
}


def _wrong(body: str | bytes, _world: World, place: Place) -> Fault:
    raw = body if isinstance(body, bytes) else body.encode()
    return Fault("*", body=raw.replace(b"%(key)s", place.key.encode()))


def _bodies() -> Iterator[Trouble]:
    for name, body in WRONG_BODIES.items():
        yield Trouble("bodies", name, Meaning.PASSING, partial(_wrong, body))
    # Where the reply is a bare list it may be empty; nobody can tell that from a mistake.
    yield Trouble(
        "bodies",
        "an empty list",
        Meaning.PASSING,
        partial(_wrong, "[]"),
        where=lambda place: is_one_request(place) and not place.takes_bare_list,
    )
    yield _reply("bodies", "no content", Meaning.PASSING, Fault("*", status=204, body=""))
    yield _reply("bodies", "cut, with Content-Length", Meaning.PASSING, Fault("*", cut="short"))
    yield _reply("bodies", "cut, without Content-Length", Meaning.PASSING, Fault("*", cut="close"))
    yield _reply("bodies", "50 MB", Meaning.HARMLESS, Fault("*", change=_with_50_megabytes), times=(ONCE,))
    yield _reply("bodies", "duplicate keys", Meaning.HARMLESS, Fault("*", change=_with_each_key_twice))
    yield Trouble(
        "bodies",
        "each record twice",
        Meaning.HARMLESS,
        lambda _world, place: Fault("*", change=partial(_with_each_record_twice, place)),
        where=lambda place: place != ANYWHERE and not place.is_single,
    )
    numerals = "9" * 4_301
    for name, (value, kept) in {
        "an integer beyond 64 bits": ("123456789012345678901234567890", None),
        "an integer of 4,301 digits": (numerals, f'"{numerals}"'),
        "a number beyond any double": ("1e400", '"1e400"'),
        "a lone surrogate": ('"\\ud83d"', None),
        "nested 300 deep": ("[" * 300 + "]" * 300, None),
    }.items():
        yield Trouble(
            "bodies",
            name,
            Meaning.HARMLESS,
            partial(_adding, value),
            adds=value,
            kept=kept,
        )


def _with_50_megabytes(body: bytes) -> bytes:
    return body + b" " * 50_000_000


def _with_each_key_twice(body: bytes) -> bytes:
    return _twice(json.loads(body)).encode()


def _with_each_record_twice(place: Place, body: bytes) -> bytes:
    reply = json.loads(body)
    records = reply if isinstance(reply, list) else reply[place.key]
    doubled = [record for record in records for _ in range(2)]
    return json.dumps(doubled if isinstance(reply, list) else {**reply, place.key: doubled}).encode()


def _twice(value: Any) -> str:
    if isinstance(value, dict):
        return (
            "{" + ",".join(f"{json.dumps(key)}:0,{json.dumps(key)}:{_twice(item)}" for key, item in value.items()) + "}"
        )
    return "[" + ",".join(map(_twice, value)) + "]" if isinstance(value, list) else json.dumps(value)


def _adding(value: str, _world: World, place: Place) -> Fault:
    return Fault("*", change=partial(_with_field, value, place))


def _with_field(value: str, place: Place, body: bytes) -> bytes:
    """Put a field into each record of a reply."""
    mark = "<the field>"
    reply = json.loads(body)
    for record in [reply] if place.is_single else reply if isinstance(reply, list) else reply[place.key]:
        record[UNHEARD_OF] = mark
    return json.dumps(reply).replace(json.dumps(mark), value).encode()


def _impatient(world: World) -> None:
    world.connection["longest_reply_seconds"] = "0.3"


def _sockets() -> Iterator[Trouble]:
    for name, fault in {
        "reset before the reply": Fault("*", cut="reset"),
        "reset within the body": Fault("*", cut="reset_body"),
        "Content-Length too large": Fault("*", longer_by=10),
        "Content-Length too small": Fault("*", longer_by=-1),
        "invalid gzip": Fault("*", body="not gzip", headers={"Content-Encoding": "gzip"}),
    }.items():
        yield _reply("sockets", name, Meaning.PASSING, fault)
    for name, fault in {"no reply": Fault("*", delay=30), "byte by byte": Fault("*", drip=0.1)}.items():
        yield _reply("sockets", name, Meaning.PASSING, fault, prepare=_impatient)
    yield Trouble("sockets", "redirected to another host", Meaning.FINAL, _redirected)
    yield _everywhere("sockets", "connection refused", Meaning.FINAL, _refuse_connections)
    yield _everywhere("sockets", "certificate of an unknown authority", Meaning.FINAL, _distrust, logins=0)
    long_ago = datetime(2020, 1, 1, tzinfo=timezone.utc)
    for name, meaning, shown in (
        ("certificate of a trusted authority", Meaning.HARMLESS, {}),
        ("certificate for another name", Meaning.FINAL, {"name": "example.com"}),
        ("certificate that has expired", Meaning.FINAL, {"until": long_ago}),
    ):
        yield _everywhere("sockets", name, meaning, partial(_certify, shown), logins=0, reaches_workers=False)


def _redirected(world: World, place: Place) -> Fault:
    if world.elsewhere is None:
        world.elsewhere = world.another_server()
    return Fault("*", status=302, headers={"Location": world.elsewhere.url + world.path(place)})


def _refuse_connections(world: World) -> None:
    world.connection["base_url"] = f"http://127.0.0.1:{closed_port()}"


def _distrust(world: World) -> None:
    world.move_to(world.another_server(tls=certificate(trustme.CA())))


def _certify(shown: Mapping[str, Any], world: World) -> None:
    authority = trustme.CA()
    world.stack.enter_context(trusted(authority))
    world.move_to(world.another_server(tls=certificate(authority, **shown)))


# ---- data that moves ----


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


def _moving() -> Iterator[Trouble]:
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
    yield _reply(
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
        yield _reply(
            "moving data",
            name,
            Meaning.FINAL,
            Fault("*", change=partial(_with_totals, lie)),
            times=(ALWAYS,),
            where=lambda place: place.name == "all pages",
        )
    yield _everywhere("moving data", "an order that changes with every request", Meaning.HARMLESS, _reorder)
    yield _everywhere("moving data", "an order that is ignored", Meaning.HARMLESS, _ignore_order)


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


# ---- time ----


def _time() -> Iterator[Trouble]:
    for minutes in (-10, 10):
        yield _everywhere(
            "time", f"server clock off by {minutes:+} minutes", Meaning.HARMLESS, partial(_skew, 60 * minutes)
        )
    # The 30 days that the API keeps are those of its own clock.
    for days in (-10, 10):
        yield _everywhere("time", f"clocks {days:+} days apart", Meaning.HARMLESS, partial(_skew, 86_400 * days))
    yield _everywhere("time", "a report from the future", Meaning.HARMLESS, _report_from_the_future, in_streams=False)
    # One without summer time, one whose summer is in winter, one that moves by half an hour.
    for zone in ("Asia/Kolkata", "America/New_York", "Australia/Lord_Howe"):
        yield _everywhere("time", zone, Meaning.HARMLESS, partial(_live_in, zone), reaches_workers=False)
    for hours in (-2, 2):
        wrong = format_datetime(datetime.now(timezone.utc) + timedelta(hours=hours), usegmt=True)
        yield _reply(
            "time",
            f"a Date that is {hours:+} hours off",
            Meaning.HARMLESS,
            Fault("*", headers={"Date": wrong}),
            times=(ONCE,),
            where=lambda place: place.key == "diagnostics",
        )
    yield _reply(
        "time",
        "vitals with an unreadable time",
        Meaning.PASSING,
        Fault("*", change=partial(_with_moment, "yesterday")),
        where=lambda place: place.key == "diagnostics",
    )


def _report_from_the_future(world: World) -> None:
    world.cloud.fleet.add_vitals(world.device, world.cloud.fleet.clock.now() + timedelta(hours=2))


def _skew(seconds: float, world: World) -> None:
    world.cloud.switches = replace(world.cloud.switches, clock_skew=seconds)


def _live_in(zone: str, world: World) -> None:
    world.stack.enter_context(time_zone(zone))


def _with_moment(moment: str, body: bytes) -> bytes:
    return json.dumps(
        {"diagnostics": [{**record, "updated_at": moment} for record in json.loads(body)["diagnostics"]]}
    ).encode()


# ---- options ----


def _options() -> Iterator[Trouble]:
    yield Trouble(
        "options",
        "two spellings of one thing",
        Meaning.HARMLESS,
        prepare=_spell_twice,
        times=(ALWAYS,),
        where=lambda place: place.named,
    )


def _spell_twice(world: World) -> None:
    world.spells_twice = True


# ---- tokens ----


def _tokens() -> Iterator[Trouble]:
    yield _everywhere(
        "tokens", "a wrong password", Meaning.FINAL, lambda world: world.sign_in_with("not the password"), logins=1
    )
    yield _everywhere("tokens", "an expired token", Meaning.FINAL, _expire, logins=0)
    yield _reply(
        "tokens",
        "a token revoked during the read",
        Meaning.REVOKED,
        Fault("*", revoke_token=True),
        prepare=lambda world: world.sign_in_with(world.cloud.password),
        times=(ONCE,),
    )


def _expire(world: World) -> None:
    world.connection["access_token"] = world.cloud.expired_token


TROUBLES: tuple[Trouble, ...] = (*_statuses(), *_bodies(), *_sockets(), *_moving(), *_time(), *_options(), *_tokens())
