"""What can go wrong, each with what it means for a read."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from functools import partial
from typing import Any

import trustme

from integration_tests.device_cloud import Fault
from integration_tests.device_cloud.faults import HTML
from integration_tests.matrix.moving import moving_data
from integration_tests.matrix.places import ANYWHERE, Place
from integration_tests.matrix.trouble import (
    ALWAYS,
    ONCE,
    UNHEARD_OF,
    Meaning,
    Trouble,
    everywhere,
    is_one_request,
    reply,
)
from integration_tests.matrix.world import World, certificate, closed_port, trusted
from unit_tests.support.zones import time_zone

GATEWAY = json.dumps({"message": "Not Found"})


def _statuses() -> Iterator[Trouble]:
    for meaning, statuses in {
        Meaning.FINAL: (400, 401, 409, 418),
        Meaning.REFUSAL: (403, 404),
        Meaning.PASSING: (408, 429, 500, 502, 503, 504, 529),
    }.items():
        for status in statuses:
            yield reply("statuses", str(status), meaning, Fault("*", status=status))
    # In a body that is not the API's, a status refuses nothing.
    yield reply("statuses", "403 from a firewall", Meaning.PASSING, Fault("*", status=403, body=HTML))
    yield reply(
        "statuses",
        "404 from a gateway",
        Meaning.PASSING,
        Fault("*", status=404, body=GATEWAY),
        where=lambda place: is_one_request(place) and not place.has_other_way,
    )
    yield reply("statuses", "202", Meaning.PASSING, Fault("*", status=202, body="[]"))
    soon = format_datetime(datetime.now(timezone.utc) + timedelta(seconds=5), usegmt=True)
    for what, value in {
        "in seconds": "5",
        "as a date": soon,
        "absurdly long": "9" * 30,
        "in the year 9999": "Fri, 31 Dec 9999 23:59:59 -1200",
        "as text": "soon",
    }.items():
        fault = Fault("*", status=429, headers={"Retry-After": value})
        yield reply("statuses", f"429, Retry-After {what}", Meaning.PASSING, fault)


WRONG_BODIES: dict[str, str | bytes] = {
    "HTML": HTML,
    "malformed": '{"%(key)s": [',
    "empty": "",
    "null": "null",
    "an empty object": "{}",
    "an error with status 200": '{"ok": false, "error": "please wait"}',
    "an error beside an empty list": '{"ok": false, "error": "please wait", "%(key)s": []}',
    "a code beside an empty list": '{"code": 500, "message": "Timed out", "%(key)s": []}',
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
    yield reply("bodies", "no content", Meaning.PASSING, Fault("*", status=204, body=""))
    yield reply("bodies", "cut, with Content-Length", Meaning.PASSING, Fault("*", cut="short"))
    yield reply("bodies", "cut, without Content-Length", Meaning.PASSING, Fault("*", cut="close"))
    yield reply("bodies", "50 MB", Meaning.HARMLESS, Fault("*", change=_with_50_megabytes), times=(ONCE,))
    yield reply("bodies", "duplicate keys", Meaning.HARMLESS, Fault("*", change=_with_each_key_twice))
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
        yield reply("sockets", name, Meaning.PASSING, fault)
    for name, fault in {"no reply": Fault("*", delay=30), "byte by byte": Fault("*", drip=0.1)}.items():
        yield reply("sockets", name, Meaning.PASSING, fault, prepare=_impatient)
    yield Trouble("sockets", "redirected to another host", Meaning.FINAL, _redirected)
    yield everywhere("sockets", "connection refused", Meaning.FINAL, _refuse_connections)
    yield everywhere("sockets", "certificate of an unknown authority", Meaning.FINAL, _distrust, logins=0)
    long_ago = datetime(2020, 1, 1, tzinfo=timezone.utc)
    for name, meaning, shown in (
        ("certificate of a trusted authority", Meaning.HARMLESS, {}),
        ("certificate for another name", Meaning.FINAL, {"name": "example.com"}),
        ("certificate that has expired", Meaning.FINAL, {"until": long_ago}),
    ):
        yield everywhere("sockets", name, meaning, partial(_certify, shown), logins=0, reaches_workers=False)


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


# ---- time ----


def _time() -> Iterator[Trouble]:
    for minutes in (-10, 10):
        yield everywhere(
            "time", f"server clock off by {minutes:+} minutes", Meaning.HARMLESS, partial(_skew, 60 * minutes)
        )
    # The 30 days that the API keeps are those of its own clock.
    for days in (-10, 10):
        yield everywhere("time", f"clocks {days:+} days apart", Meaning.HARMLESS, partial(_skew, 86_400 * days))
    yield everywhere("time", "a report from the future", Meaning.HARMLESS, _report_from_the_future, in_streams=False)
    # One without summer time, one whose summer is in winter, one that moves by half an hour.
    for zone in ("Asia/Kolkata", "America/New_York", "Australia/Lord_Howe"):
        yield everywhere("time", zone, Meaning.HARMLESS, partial(_live_in, zone), reaches_workers=False)
    for hours in (-2, 2):
        wrong = format_datetime(datetime.now(timezone.utc) + timedelta(hours=hours), usegmt=True)
        yield reply(
            "time",
            f"a Date that is {hours:+} hours off",
            Meaning.HARMLESS,
            Fault("*", headers={"Date": wrong}),
            times=(ONCE,),
            where=lambda place: place.key == "diagnostics",
        )
    yield reply(
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
    yield everywhere(
        "tokens", "a wrong password", Meaning.FINAL, lambda world: world.sign_in_with("not the password"), logins=1
    )
    yield everywhere("tokens", "an expired token", Meaning.FINAL, _expire, logins=0)
    yield reply(
        "tokens",
        "a token revoked during the read",
        Meaning.REVOKED,
        Fault("*", revoke_token=True),
        prepare=lambda world: world.sign_in_with(world.cloud.password),
        times=(ONCE,),
    )


def _expire(world: World) -> None:
    world.connection["access_token"] = world.cloud.expired_token


TROUBLES: tuple[Trouble, ...] = (
    *_statuses(),
    *_bodies(),
    *_sockets(),
    *moving_data(),
    *_time(),
    *_options(),
    *_tokens(),
)
