"""The endpoints beside devices, SIMs and vitals: what they answer, and who may ask."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from . import metrics, tracks
from .api import Api, Call, Route
from .clock import parse_iso
from .estate import NOTHING_SET, instance_scope, ledger_scope, org_scope
from .http import Reply, json_reply
from .listing import Page
from .store import Scope

LEDGERS_PER_PAGE = 100
LOCATIONS_PER_PAGE = 20
VERSIONS_PER_REPLY = 2
"""So few that a reader has to ask again."""
SHORTEST_BUCKET = 15

_NOT_FOUND = {"ok": False, "error": "Not found"}
_BAD_DATE = {"error": "bad_request", "description": "start_date and end_date must be ISO8601 formatted"}
_TOO_OLD = {"error": "bad_request", "description": "start_date is too far in the past"}
_BAD_BUCKET = {"error": "bad_request", "description": "bucket_size must be greater than 15"}


def owner_of(api: Api, call: Call) -> Scope:
    """Return where the rows of a call lie: with the product or organization in its path, or with the user."""
    if "o" in call.params:
        return org_scope(api.org(call.params["o"])["slug"])
    return call.scope


def _rows(collection: str, api: Api, call: Call) -> list[Any]:
    return list(api.fleet.rows(collection, owner_of(api, call)).values())


def _bare(collection: str) -> Callable[[Api, Call], Reply]:
    return lambda api, call: json_reply(_rows(collection, api, call))


def _under(key: str, collection: str, **more: Any) -> Callable[[Api, Call], Reply]:
    return lambda api, call: json_reply({**more, key: _rows(collection, api, call)})


def _customers(api: Api, call: Call) -> Reply:
    rows = _rows("customers", api, call)
    page = Page.of(call.request.query, api.switches.per_page_cap)
    shown = page.cut(rows)
    named = {device for customer in shown for device in customer["devices"]}
    devices = [
        {"id": key, "product_id": call.scope, "online": row.get("online")}
        for key, row in api.fleet.rows("devices", call.scope).items()
        if key in named
    ]
    return json_reply({"customers": shown, "devices": devices, "meta": {"total_pages": page.count(len(rows))}})


def _paged(key: str, rows: list[Any], call: Call) -> Reply:
    asked = {"per_page": str(LEDGERS_PER_PAGE), **call.request.query}
    page = Page.of(asked, LEDGERS_PER_PAGE)
    meta = {"page": page.number, "per_page": page.size, "total_pages": page.count(len(rows)), "total": len(rows)}
    return json_reply({key: page.cut(rows), "meta": meta})


def _ledgers(api: Api, call: Call) -> Reply:
    # Two names for one key: the reference's and that of particle-api-js.
    key = "ledger_definitions" if "o" in call.params else "ledgers"
    return _paged(key, _rows("ledgers", api, call), call)


def _instances(api: Api, call: Call) -> Reply:
    owner, name = owner_of(api, call), call.params["name"]
    if name not in api.fleet.rows("ledgers", owner):
        return json_reply(_NOT_FOUND, 404)
    return _paged("instances", list(api.fleet.rows("instances", ledger_scope(owner, name)).values()), call)


def _versions(api: Api, call: Call) -> Reply:
    owner, name, value = owner_of(api, call), call.params["name"], call.params["value"]
    if value not in api.fleet.rows("instances", ledger_scope(owner, name)):
        return json_reply(_NOT_FOUND, 404)
    after, before = (_moment(call, f"replaced_{side}") for side in ("after", "before"))
    rows = api.fleet.rows("versions", instance_scope(owner, name, value)).values()
    chosen = [
        row
        for row in sorted(rows, key=lambda row: row["replaced_at"], reverse=True)
        if (after is None or _time(row["replaced_at"]) > after)
        and (before is None or _time(row["replaced_at"]) < before)
    ]
    return json_reply({"versions": chosen[:VERSIONS_PER_REPLY], "meta": {"has_more": len(chosen) > VERSIONS_PER_REPLY}})


def _locations(api: Api, call: Call) -> Reply:
    rows = [row for row in api.fleet.rows("devices", call.scope).values() if tracks.is_tracked(row)]
    start: datetime | None = None
    end: datetime | None = None
    if "date_range" in call.request.query:
        start, end = (parse_iso(text) for text in call.request.query["date_range"].split(","))
        if start is None or end is None:
            return json_reply(_BAD_DATE, 400)
        refused, start = _kept(api, start)
        if refused:
            return refused
    records = []
    for row in rows:
        points = api.fleet.track(row["id"])
        if start and end:
            points = tuple(point for point in points if start <= point.moment <= end)
        if points:
            records.append(tracks.location(row, points, last_only=start is None))
    page = Page.of({"per_page": str(LOCATIONS_PER_PAGE), **call.request.query}, api.switches.per_page_cap)
    meta = {
        "page": page.number,
        "per_page": page.size,
        "total_pages": page.count(len(records)),
        "devices_found": len(records),
    }
    return json_reply({"locations": page.cut(records), "meta": meta})


def _metrics(api: Api, call: Call) -> Reply:
    metric = call.request.path.rsplit("/", 1)[-1]
    now = api.fleet.clock.now()
    start, end = (_moment(call, f"{side}_date", now) for side in ("start", "end"))
    if start is None or end is None:
        return json_reply(_BAD_DATE, 400)
    bucket = int(call.request.query.get("bucket_size", metrics.DEFAULT_BUCKET))
    if bucket <= SHORTEST_BUCKET:
        return json_reply(_BAD_BUCKET, 400)
    refused, start = _kept(api, start)
    if refused:
        return refused
    buckets = api.fleet.metrics(call.scope, metric, start, min(end, now), bucket)
    return json_reply({metrics.LIST_KEYS.get(metric, metric): list(buckets)})


def _kept(api: Api, start: datetime) -> tuple[Reply | None, datetime]:
    """Return what is left of a range, or a refusal, where the API keeps less than what is asked for."""
    days, manner = api.switches.history_kept
    oldest = api.fleet.clock.now() - timedelta(days=days)
    if start >= oldest:
        return None, start
    return (json_reply(_TOO_OLD, 400), start) if manner == "refuse" else (None, oldest)


def _notifications(api: Api, call: Call) -> Reply:
    if call.params["id"] not in api.fleet.rows("agreements", owner_of(api, call)):
        return json_reply(_NOT_FOUND, 404)
    return json_reply({"data": list(api.fleet.rows("notifications", f"agreement:{call.params['id']}").values())})


def _runs(api: Api, call: Call) -> Reply:
    if call.params["id"] not in api.fleet.rows("functions", owner_of(api, call)):
        return json_reply(_NOT_FOUND, 404)
    return json_reply({"logic_runs": list(api.fleet.rows("runs", f"function:{call.params['id']}").values())})


def _configuration(api: Api, call: Call) -> Reply:
    set_to = api.fleet.rows("configuration", call.scope).get(call.params["id"], NOTHING_SET)
    return json_reply({}, 404) if set_to == NOTHING_SET else json_reply({"configuration": set_to})


def _moment(call: Call, name: str, default: datetime | None = None) -> datetime | None:
    text = call.request.query.get(name)
    return default if text is None else parse_iso(text)


def _time(text: str) -> datetime:
    moment = parse_iso(text)
    assert moment is not None
    return moment


def _of_each_owner(
    path: str, answer: Callable[[Api, Call], Reply], scope: str, owners: Mapping[str, bool]
) -> Iterable[Route]:
    return (Route(f"{owner}{path}", answer, scope, user_level) for owner, user_level in owners.items())


_USER, _PRODUCT, _ORG = {"/v1": True}, {"/v1/products/:p": False}, {"/v1/orgs/:o": False}
_LEDGER = "/ledgers/:name/instances"

ENDPOINTS: tuple[Route, ...] = (
    *_of_each_owner("/firmware", _bare("firmware"), "firmware:list", _PRODUCT),
    *_of_each_owner("/groups", _under("groups", "groups"), "groups:list", _PRODUCT),
    *_of_each_owner("/customers", _customers, "customers:list", _PRODUCT),
    *_of_each_owner("/team", _under("team", "team", ok=True), "teams.users:list", _PRODUCT | _ORG),
    *_of_each_owner("/integrations", _bare("integrations"), "integrations:list", _USER | _PRODUCT),
    *_of_each_owner("/locations", _locations, "locations:get", _PRODUCT),
    *_of_each_owner("/ledgers", _ledgers, "ledger.definitions:list", _USER | _PRODUCT | _ORG),
    *_of_each_owner(_LEDGER, _instances, "ledger.instances:list", _USER | _PRODUCT | _ORG),
    *_of_each_owner(f"{_LEDGER}/:value/versions", _versions, "ledger.instances.versions:list", _USER | _PRODUCT | _ORG),
    *(
        endpoint
        for metric in metrics.KEYS
        for endpoint in _of_each_owner(f"/metrics/{metric}", _metrics, f"metrics.{metric}:get", _PRODUCT)
    ),
    *_of_each_owner(
        "/service_agreements", _under("data", "agreements"), "service_agreements:list", {"/v1/user": True} | _ORG
    ),
    *_of_each_owner(
        "/service_agreements/:id/notifications",
        _notifications,
        "service_agreements.notifications:list",
        {"/v1/user": True} | _ORG,
    ),
    *_of_each_owner("/logic/functions", _under("logic_functions", "functions"), "logic:list", _USER | _ORG),
    *_of_each_owner("/logic/functions/:id/runs", _runs, "logic:list", _USER | _ORG),
    *_of_each_owner("/config/:id", _configuration, "configuration:get", _PRODUCT),
)
