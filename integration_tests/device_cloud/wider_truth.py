"""What a perfect reader returns of the further tables: firmware, teams, ledgers, locations, metrics and more."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from . import metrics, tracks
from .clock import iso_ms, parse_iso
from .estate import NOTHING_SET, instance_scope, ledger_scope, org_scope, without_secrets
from .question import Question
from .store import Record, Scope

Read = Callable[[Question], Iterable[Record]]

BUCKET = 3_600
"""Seconds of a bucket unless the option `bucket_size` says otherwise."""
HISTORY = timedelta(days=30)
"""How far back append tables are read unless `start_date` says otherwise."""
ME = "me"
"""What the column `owner` holds for the user's own."""

KEYS: Mapping[str, tuple[str, ...]] = {
    "organizations": ("id",),
    "product_firmware": ("product_id_or_slug", "version"),
    "product_groups": ("product_id_or_slug", "name"),
    "product_customers": ("product_id_or_slug", "id"),
    "product_oauth_clients": ("product_id_or_slug", "id"),
    "product_team": ("product_id_or_slug", "username"),
    "organization_team": ("owner", "username"),
    "integrations": ("id",),
    "product_integrations": ("product_id_or_slug", "id"),
    "product_locations": ("product_id_or_slug", "device_id"),
    "location_history": ("product_id_or_slug", "device_id", "timestamp"),
    "ledgers": ("owner_type", "owner", "name"),
    "ledger_instances": ("owner_type", "owner", "ledger", "scope_value"),
    "ledger_versions": ("owner_type", "owner", "ledger", "scope_value", "replaced_at"),
    "metrics_online": ("product_id_or_slug", "time"),
    "metrics_events": ("product_id_or_slug", "time"),
    "metrics_integrations": ("product_id_or_slug", "time"),
    "metrics_functions": ("product_id_or_slug", "time"),
    "metrics_variables": ("product_id_or_slug", "time"),
    "service_agreements": ("id",),
    "service_agreement_notifications": ("id",),
    "logic_functions": ("id",),
    "logic_runs": ("id",),
    "device_configuration": ("product_id_or_slug", "device_id"),
    "daily_data_usage": ("iccid", "date"),
    "fleet_daily_data_usage": ("product_id_or_slug", "date"),
}
"""The further tables and their primary keys."""


def _organizations(ask: Question) -> Iterable[Record]:
    return ask.view.rows("orgs").values()


def _of_products(collection: str, shown: Callable[[Record], Record] = dict) -> Read:
    def read(ask: Question) -> Iterator[Record]:
        for name, product in ask.products():
            for row in ask.view.rows(collection, product["id"]).values():
                yield {**shown(row), "product_id_or_slug": name}

    return read


def _client(row: Record) -> Record:
    return {key: value for key, value in row.items() if key not in ("secret", "client_secret")}


def _of_the_user(collection: str, path: str, shown: Callable[[Record], Record] = dict) -> Read:
    def read(ask: Question) -> Iterable[Record]:
        return map(shown, ask.view.rows(collection).values()) if ask.open_to(path) else []

    return read


def owners(ask: Question, path: str, kinds: Iterable[str] = ("user", "product", "organization")) -> Iterator[Any]:
    """Yield (where the rows lie, the columns that name the owner) of each owner to read."""
    wanted_type, wanted = ask.options.get("owner_type", "*"), ask.values("owner")

    def is_wanted(kind: str, *names: str) -> bool:
        return (
            kind in kinds and wanted_type in ("*", kind) and (wanted is None or any(name in wanted for name in names))
        )

    if is_wanted("user", ME) and ask.open_to(f"/v1{path}"):
        yield None, {"owner_type": "user", "owner": ME}
    for product in ask.listed_products():
        if is_wanted("product", str(product["id"])):
            yield product["id"], {"owner_type": "product", "owner": str(product["id"])}
    for org in ask.view.rows("orgs").values():
        if is_wanted("organization", org["slug"], org["id"]):
            yield org_scope(org["slug"]), {"owner_type": "organization", "owner": org["slug"]}


def _of_owners(collection: str, path: str, *kinds: str) -> Read:
    def read(ask: Question) -> Iterator[Record]:
        for scope, named in owners(ask, path, kinds):
            for row in ask.view.rows(collection, scope).values():
                yield {**row, **named}

    return read


_EVERYONE = ("user", "product", "organization")


def _instances_of(ask: Question) -> Iterator[tuple[Scope, Mapping[str, Any], Record]]:
    for scope, named in owners(ask, "/ledgers"):
        for name in ask.view.rows("ledgers", scope):
            for row in ask.view.rows("instances", ledger_scope(scope, name)).values():
                yield scope, {**named, "ledger": name, "scope_value": row["scope"]["value"]}, row


def _ledger_instances(ask: Question) -> Iterator[Record]:
    for _scope, named, row in _instances_of(ask):
        yield {**row, **named}


def _ledger_versions(ask: Question) -> Iterator[Record]:
    for scope, named, row in _instances_of(ask):
        for version in ask.view.rows("versions", instance_scope(scope, row["name"], named["scope_value"])).values():
            if _is_within(ask, version["replaced_at"]):
                yield {**version, **named}


def _within(collection: str, parent: str, path: str, scope_of: str) -> Read:
    """Return what reads the rows that lie under each row of a list, such as the runs of a function."""

    def read(ask: Question) -> Iterator[Record]:
        for scope, named in owners(ask, path, ("user", "organization")):
            for key in ask.view.rows(parent, scope):
                more = {"agreement_id": key} if parent == "agreements" else {}
                for row in ask.view.rows(collection, f"{scope_of}:{key}").values():
                    yield {**row, **named, **more}

    return read


def _places(ask: Question, *, last_only: bool) -> Iterator[Record]:
    for name, product in ask.products():
        for device in filter(tracks.is_tracked, ask.view.rows("devices", product["id"]).values()):
            points = ask.view.track(device["id"])
            record = tracks.location(device, points, last_only=last_only)
            for hidden in ("geometry", "timestamps"):
                record.pop(hidden, None)
            for point in points[-1:] if last_only else points:
                moment = iso_ms(point.moment)
                if last_only or _is_within(ask, moment):
                    place = {"timestamp": moment, "longitude": point.longitude, "latitude": point.latitude}
                    yield {**record, **place, "product_id_or_slug": name}


def _metric(path: str) -> Read:
    def read(ask: Question) -> Iterator[Record]:
        bucket = int(ask.options.get("bucket_size", BUCKET))
        start, end = _range(ask)
        zeros = dict.fromkeys(metrics.KEYS[path], 0)
        for name, product in ask.products():
            for row in ask.view.metrics(product["id"], path, start, end, bucket):
                if _time(row["time"]) + timedelta(seconds=bucket) <= ask.now:
                    yield {**zeros, **row, "product_id_or_slug": name}

    return read


def _configuration(ask: Question) -> Iterator[Record]:
    for name, product in ask.products():
        for device_id, row in ask.view.rows("configuration", product["id"]).items():
            if row != NOTHING_SET and device_id in ask.view.rows("devices", product["id"]):
                yield {**row, "device_id": device_id, "product_id_or_slug": name}


def days_of(ask: Question, usages: Iterable[Record], *keys: str) -> Iterator[Record]:
    """Yield one record for each day within the data usage of SIMs or products."""
    dates = {name: ask.options[name] for name in ("start_date", "end_date") if name in ask.options}
    start, end = (parse_iso(dates[name]) if name in dates else None for name in ("start_date", "end_date"))
    for usage in usages:
        for day in usage.get("usage_by_day") or []:
            begins = _time(day["date"])
            if (start is None or start <= begins) and (end is None or begins < end):
                yield {**{key: usage[key] for key in keys}, **day}


def _is_within(ask: Question, text: str) -> bool:
    start, end = _range(ask)
    return start <= _time(text) < end


def _range(ask: Question) -> tuple[datetime, datetime]:
    start, end = (parse_iso(ask.options[name]) if name in ask.options else None for name in ("start_date", "end_date"))
    return start or ask.now - HISTORY, end or ask.now


def _time(text: str) -> datetime:
    moment = parse_iso(text)
    assert moment is not None
    return moment


TABLES: Mapping[str, Read] = {
    "organizations": _organizations,
    "product_firmware": _of_products("firmware"),
    "product_groups": _of_products("groups"),
    "product_customers": _of_products("customers"),
    "product_oauth_clients": _of_products("clients", _client),
    "product_team": _of_products("team"),
    "organization_team": _of_owners("team", "", "organization"),
    "integrations": _of_the_user("integrations", "/v1/integrations", without_secrets),
    "product_integrations": _of_products("integrations", without_secrets),
    "product_locations": lambda ask: _places(ask, last_only=True),
    "location_history": lambda ask: _places(ask, last_only=False),
    "ledgers": _of_owners("ledgers", "/ledgers", *_EVERYONE),
    "ledger_instances": _ledger_instances,
    "ledger_versions": _ledger_versions,
    "metrics_online": _metric("online"),
    "metrics_events": _metric("events"),
    "metrics_integrations": _metric("integration"),
    "metrics_functions": _metric("functions"),
    "metrics_variables": _metric("variables"),
    "service_agreements": _of_owners("agreements", "/user/service_agreements", "user", "organization"),
    "service_agreement_notifications": _within("notifications", "agreements", "/user/service_agreements", "agreement"),
    "logic_functions": _of_owners("functions", "/logic/functions", "user", "organization"),
    "logic_runs": _within("runs", "functions", "/logic/functions", "function"),
    "device_configuration": _configuration,
}
"""The further tables; the days of data usage are made of the tables that hold them, in `truth`."""
