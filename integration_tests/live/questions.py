"""What public material leaves open about the API, and what replies say about it.

Each question has the answer that the Device Cloud assumes. The source works with any of them, so another answer is no
fault: it says what `Switches` and docs/guarantees.md should say. Most are answered by replies that the tables needed
anyway; what has to be asked for is a GET like theirs.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta, timezone
from typing import Any, NamedTuple

from bridge.reading.times import iso_ms, moment_of
from integration_tests.live.wire import Reply, Wire

DEVICES = "/v1/products/:p/devices"
SIMS = "/v1/products/:p/sims"
VITALS = ("/v1/diagnostics/:id", "/v1/products/:p/diagnostics/:id")


class UnsettledError(Exception):
    """Says what it would take to answer a question."""


class Question(NamedTuple):
    """A question, the answer that is assumed, and how to find the real one."""

    text: str
    assumed: str
    answer: Callable[[Wire], str]


def _products_endpoint(wire: Wire) -> str:
    return _outcome(_first(wire, "/v1/products"))


def _organizations_products(wire: Wire) -> str:
    reply = _first(wire, "/v1/products")
    if reply.status != 200:
        raise UnsettledError("needs /v1/products")
    listed = {product["id"] for product in _listed(reply, "products")}
    for organization in _listed(wire.ask("/v1/orgs"), "organizations")[:1]:
        name = organization.get("slug") or organization["id"]
        theirs = {product["id"] for product in _listed(wire.ask(f"/v1/orgs/{name}/products"), "products")}
        if theirs:
            return "yes" if theirs <= listed else "no"
    raise UnsettledError("needs an organization with products")


def _counts(pattern: str) -> Callable[[Wire], str]:
    def answer(wire: Wire) -> str:
        for reply in wire.to(pattern):
            if reply.status == 200:
                return ", ".join(sorted(name for name in _meta(reply) if name.startswith("total"))) or "none"
        raise UnsettledError("needs such a list that the token may read")

    return answer


def _spelling(wire: Wire) -> str:
    path = _list_of_devices(wire, at_least=2)
    heeded = [name for name in ("per_page", "perPage") if len(_listed(wire.ask(path, **{name: 1}), "devices")) == 1]
    return " and ".join(heeded) or "neither"


def _largest_page(wire: Wire) -> str:
    for reply in wire.to(DEVICES):
        if _meta(reply).get("total_pages", 1) > 1:
            larger = wire.ask(reply.path, per_page=200, perPage=200)
            if _meta(larger).get("total_pages", 1) > 1:
                return str(len(_listed(larger, "devices")))
    raise UnsettledError("needs a product with more than 200 devices")


def _sorting(wire: Wire) -> str:
    path = _list_of_devices(wire, at_least=2)
    found = []
    for direction in ("asc", "desc"):
        reply = wire.ask(path, sortAttr="deviceId", sortDir=direction, per_page=25, perPage=25)
        ids = [device["id"] for device in _listed(reply, "devices")]
        found.append(ids == sorted(ids, reverse=direction == "desc"))
    return "yes" if all(found) else "no"


def _filtered_count(wire: Wire) -> str:
    path = _list_of_devices(wire, at_least=2)
    device = _listed(_first(wire, DEVICES, path), "devices")[0]["id"]
    reply = wire.ask(path, deviceId=device, per_page=25, perPage=25)
    count = _meta(reply).get("total_records")
    if count is None:
        raise UnsettledError("total_records is not sent")
    return "what the filter leaves" if count == len(_listed(reply, "devices")) else "the whole list"


def _past_the_end(wire: Wire) -> str:
    path = _list_of_devices(wire, at_least=1)
    pages = _meta(wire.ask(path, per_page=25, perPage=25)).get("total_pages")
    if pages is None:
        raise UnsettledError("total_pages is not sent")
    reply = wire.ask(path, per_page=25, perPage=25, page=pages + 1)
    if reply.status != 200:
        return _outcome(reply)
    return "records" if _listed(reply, "devices") else "an empty list"


def _quarantined(wire: Wire) -> str:
    path = _list_of_devices(wire, at_least=1)
    if _are_quarantined(_listed(_first(wire, DEVICES, path), "devices")):
        return "yes"
    if _are_quarantined(_listed(wire.ask(path, quarantined="true", per_page=25, perPage=25), "devices")):
        return "no"
    raise UnsettledError("needs a quarantined device on the first page")


def _are_quarantined(devices: list[Any]) -> bool:
    return any(device.get("quarantined") for device in devices)


def _never_heard(wire: Wire) -> str:
    found = {
        "null" if "last_heard" in device else "absent"
        for reply in _all(wire, ("/v1/devices", DEVICES))
        for device in _listed(reply, "devices")
        if device.get("last_heard") is None
    }
    if not found:
        raise UnsettledError("needs a device that was never heard")
    return " and ".join(sorted(found))


def _no_vitals(wire: Wire) -> str:
    """Ask for the vitals of up to two devices that were never heard."""
    silent = [
        f"{reply.path.removesuffix('devices')}diagnostics/{device['id']}"
        for reply in _all(wire, ("/v1/devices", DEVICES))
        for device in _listed(reply, "devices")
        if device.get("last_heard") is None and not device.get("quarantined")
    ]
    for path in silent[:2]:
        reply = wire.ask(path)
        if reply.status != 200 or not _stamps(reply):
            return _outcome(reply) if reply.status != 200 else "an empty list"
    raise UnsettledError("needs a device without vitals")


def _start(wire: Wire) -> str:
    stamps, found = _between_first_and_last(wire)
    return "included" if stamps[0] in found else "left out"


def _end(wire: Wire) -> str:
    stamps, found = _between_first_and_last(wire)
    return "included" if stamps[-1] in found else "left out"


def _between_first_and_last(wire: Wire) -> tuple[list[str], set[str]]:
    """Ask for the vitals between the oldest and the newest that a device is known to have."""
    reply, stamps = _vitals_of_a_device(wire)
    oldest, *_, newest = sorted(stamps, key=moment_of)
    answer = wire.ask(reply.path, start_date=oldest, end_date=newest)
    return [oldest, newest], set(_stamps(answer))


def _order_of_vitals(wire: Wire) -> str:
    _, stamps = _vitals_of_a_device(wire)
    moments = [moment_of(stamp) for stamp in stamps]
    if moments == sorted(moments, reverse=True):
        return "newest first"
    return "oldest first" if moments == sorted(moments) else "none"


def _too_old_a_start(wire: Wire) -> str:
    path = next((reply.path for reply in _all(wire, VITALS) if reply.status == 200), None)
    if path is None:
        raise UnsettledError("needs a device whose vitals the token may read")
    # One day for all runs of a day, so that the request is known when it is asked again.
    long_ago = datetime.now(timezone.utc).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=40)
    reply = wire.ask(path, start_date=iso_ms(long_ago))
    return "an error with status 200" if reply.status == 200 and "error" in reply.body else _outcome(reply)


def _sim_key(wire: Wire) -> str:
    for reply in _all(wire, ("/v1/sims", SIMS)):
        for sim in _listed(reply, "sims"):
            return " and ".join(name for name in ("_id", "iccid") if name in sim)
    raise UnsettledError("needs a SIM")


def _no_sims(wire: Wire) -> str:
    for reply in wire.to(SIMS):
        if reply.status != 200:
            return _outcome(reply)
        if not _listed(reply, "sims"):
            return "an empty list"
    raise UnsettledError("needs a product without SIMs")


def _api_user(wire: Wire) -> str:
    if not (_first(wire, "/v1/access_tokens/current").body or {}).get("scopes"):
        raise UnsettledError("needs the token of an API user")
    return " and ".join(sorted({_outcome(reply) for reply in wire.to("/v1/user")}))


def _clock(wire: Wire) -> str:
    return "yes" if all("Date" in reply.headers for reply in wire.replies) else "no"


def _retry_after(wire: Wire) -> str:
    limited = [reply for reply in wire.replies if reply.status == 429]
    if not limited:
        raise UnsettledError("no 429 came, and none is provoked")
    return "yes" if "Retry-After" in limited[0].headers else "no"


QUESTIONS = (
    Question("Does /v1/products answer?", "yes", _products_endpoint),
    Question("Does /v1/products hold the products of organizations?", "yes", _organizations_products),
    Question("Which counts come with a page of a product's devices?", "total_pages, total_records", _counts(DEVICES)),
    Question("Which counts come with a page of a product's SIMs?", "total_pages", _counts(SIMS)),
    Question("Which spelling of the page size is heeded?", "per_page and perPage", _spelling),
    Question("How many devices come when a page of 200 is asked for?", "100", _largest_page),
    Question("Is sortAttr=deviceId heeded, in both directions?", "yes", _sorting),
    Question("What does total_records count under a filter?", "what the filter leaves", _filtered_count),
    Question("What is a page past the end?", "an empty list", _past_the_end),
    Question("Are quarantined devices listed unasked?", "yes", _quarantined),
    Question("What is last_heard of a device that was never heard?", "absent and null", _never_heard),
    Question("What are the vitals of a device that never sent any?", "an empty list", _no_vitals),
    Question("Are vitals exactly at start_date included?", "included", _start),
    Question("Are vitals exactly at end_date included?", "left out", _end),
    Question("In which order do vitals come?", "newest first", _order_of_vitals),
    Question("What does a start_date more than 30 days ago get?", "status 400", _too_old_a_start),
    Question("Which key holds the ICCID of a SIM?", "_id", _sim_key),
    Question("What do the SIMs of a product without any get?", "status 404", _no_sims),
    Question("May an API user read /v1/user?", "status 400", _api_user),
    Question("Do replies tell the time (Date)?", "yes", _clock),
    Question("Does a 429 say how long to wait (Retry-After)?", "no", _retry_after),
)


# ---- replies ----


def _first(wire: Wire, pattern: str, path: str | None = None) -> Reply:
    """Return the first reply of an endpoint."""
    for reply in wire.to(pattern):
        if path in (None, reply.path):
            return reply
    raise UnsettledError(f"{pattern} was not read")


def _all(wire: Wire, patterns: Iterable[str]) -> list[Reply]:
    return [reply for pattern in patterns for reply in wire.to(pattern)]


def _list_of_devices(wire: Wire, at_least: int) -> str:
    """Return the path of a product's devices of which so many were read."""
    for reply in wire.to(DEVICES):
        if len(_listed(reply, "devices")) >= at_least:
            return reply.path
    raise UnsettledError(f"needs a product with {at_least} or more devices")


def _listed(reply: Reply, key: str) -> list[Any]:
    """Return the records of a reply, which may be the list itself, a list under a key, or a refusal."""
    body = reply.body.get(key) if isinstance(reply.body, Mapping) else reply.body
    return body if reply.status == 200 and isinstance(body, list) else []


def _meta(reply: Reply) -> Mapping[str, Any]:
    meta = reply.body.get("meta") if isinstance(reply.body, Mapping) else None
    return meta if isinstance(meta, Mapping) else {}


def _stamps(reply: Reply) -> list[str]:
    return [vital["updated_at"] for vital in _listed(reply, "diagnostics")]


def _vitals_of_a_device(wire: Wire) -> tuple[Reply, list[str]]:
    for reply in _all(wire, VITALS):
        stamps = _stamps(reply)
        if len(set(stamps)) > 1:
            return reply, stamps
    raise UnsettledError("needs a device with two reports")


def _outcome(reply: Reply) -> str:
    return "yes" if reply.status == 200 else f"status {reply.status}"
