"""What a perfect reader returns: the tables, computed from what the cloud holds and never from what was served."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from . import wider_truth
from .api import RETENTION
from .clock import parse_iso
from .documented import documented
from .listing import Page, Selection, find_entity
from .question import Question
from .store import Record, Scope

KEYS: Mapping[str, tuple[str, ...]] = {
    "devices": ("id",),
    "products": ("id",),
    "sims": ("iccid",),
    "user": ("username",),
    "oauth_clients": ("id",),
    "product_devices": ("product_id_or_slug", "id"),
    "product_sims": ("product_id_or_slug", "iccid"),
    "diagnostics": ("device_id", "updated_at"),
    "sim_data_usage": ("iccid",),
    "fleet_data_usage": ("product_id_or_slug",),
    **wider_truth.KEYS,
}
"""The tables and their primary keys."""

_API_NAMES = {
    "groups": "groups",
    "device_name": "deviceName",
    "device_id": "deviceId",
    "serial_number": "serialNumber",
    "iccid": "iccid",
}


def answer(question: Question, table: str) -> list[dict[str, Any]]:
    """Return the records of a table."""
    return [documented(table, record) for record in TABLES[table](question)]


def _without(record: Record, *secrets: str, **more: Any) -> dict[str, Any]:
    return {key: value for key, value in record.items() if key not in secrets} | more


def _with_iccid(sim: Record, **more: Any) -> dict[str, Any]:
    iccid = sim.get("_id", sim.get("iccid"))
    limit = {"data_limit": sim["mb_limit"]} if "mb_limit" in sim and sim.get("data_limit") is None else {}
    return {**sim, "_id": iccid, "iccid": iccid, **limit, **more}


def _devices(ask: Question) -> Iterable[Record]:
    if not ask.open_to("/v1/devices"):
        return []
    return [_without(device, "mobile_secret") for device in ask.view.rows("devices").values()]


def _products(ask: Question) -> Iterable[Record]:
    return ask.listed_products()


def _sims(ask: Question) -> Iterable[Record]:
    if not ask.open_to("/v1/sims"):
        return []
    return [_with_iccid(sim) for sim in ask.view.rows("sims").values()]


def _user(ask: Question) -> Iterable[Record]:
    return list(ask.view.rows("users").values())[:1] if ask.open_to("/v1/user") else []


def _oauth_clients(ask: Question) -> Iterable[Record]:
    if not ask.open_to("/v1/clients"):
        return []
    return [_without(client, "secret", "client_secret") for client in ask.view.rows("clients").values()]


def _product_devices(ask: Question) -> Iterable[Record]:
    query = {_API_NAMES[name]: value for name, value in ask.options.items() if name in _API_NAMES}
    if "max_pages" in ask.options:
        query["sortAttr"] = ask.options.get("sort_attr", "deviceId")
        query["sortDir"] = ask.options.get("sort_dir", "asc")
    selection = Selection.of_devices(query)
    for name, product in ask.products():
        rows = ask.view.rows("devices", product["id"])
        for key in _first_pages(ask, selection.keys(rows)):
            yield _without(rows[key], "mobile_secret", product_id_or_slug=name)


def _product_sims(ask: Question) -> Iterable[Record]:
    selection = Selection.of_sims({_API_NAMES[name]: text for name, text in ask.options.items() if name in _API_NAMES})
    for name, product in ask.products_with_sims("/sims"):
        rows = ask.view.rows("sims", product["id"])
        for key in _first_pages(ask, selection.keys(rows)):
            yield _with_iccid(rows[key], product_id_or_slug=name)


def _first_pages(ask: Question, keys: list[str]) -> list[str]:
    if "max_pages" not in ask.options:
        return keys
    page = Page.of({"per_page": ask.options.get("per_page", "100")}, ask.switches.per_page_cap)
    return keys[: int(ask.options["max_pages"]) * page.size]


def _entities(ask: Question, collection: str, option: str) -> Iterator[tuple[str | None, str]]:
    """Yield (product or None for the user's path, id), each id once: by the first product that has it, if one does."""
    ids = ask.values(option)
    seen: set[str] = set()
    unknown = list(ids or [])
    for name, scope in _places(ask, collection):
        rows = ask.view.rows(collection, scope)
        meant = {wanted: find_entity(rows, wanted) for wanted in ids or []}
        unknown = [wanted for wanted in unknown if meant[wanted] is None]
        for key in rows if ids is None else filter(None, meant.values()):
            if key not in seen:
                seen.add(key)
                yield name, key
    for wanted in unknown:
        ask.refuse(True, f"{option} {wanted}")


def _places(ask: Question, collection: str) -> Iterator[tuple[str | None, Scope]]:
    wants_all = ask.values("device_id" if collection == "devices" else "iccid") is None
    if "product_id_or_slug" in ask.options or wants_all:
        products = ask.products_with_sims("/sims") if collection == "sims" else ask.products()
        for name, product in products:
            yield name, product["id"]
        if ask.values("product_id_or_slug") is not None:
            return
    if ask.open_to(f"/v1/{collection}"):
        yield None, None


def _diagnostics(ask: Question) -> Iterable[Record]:
    start = max(
        _date(ask, "start_date") or datetime.min.replace(tzinfo=ask.now.tzinfo), ask.now - RETENTION + ask.clip_margin
    )
    end = _date(ask, "end_date")
    for name, device_id in _entities(ask, "devices", "device_id"):
        for vital in ask.view.vitals(device_id):
            if vital.moment >= start and (end is None or vital.moment < end):
                yield {**vital.record, "device_id": device_id, "product_id_or_slug": name}


def _date(ask: Question, option: str) -> datetime | None:
    text = ask.options.get(option)
    if text is None:
        return None
    moment = parse_iso(text)
    if moment is None:
        raise ValueError(f"{option} must be ISO 8601, not {text!r}")
    return moment


def _sim_data_usage(ask: Question) -> Iterable[Record]:
    for name, iccid in _entities(ask, "sims", "iccid"):
        body = ask.view.usage(iccid)
        usage = {"usage_by_day": body} if isinstance(body, list) else body
        yield {**usage, "iccid": iccid, "product_id_or_slug": name}


def _fleet_data_usage(ask: Question) -> Iterable[Record]:
    for name, product in ask.products_with_sims("/sims/data_usage"):
        yield {**ask.view.fleet_usage(product["id"]), "product_id_or_slug": name}


TABLES: Mapping[str, Callable[[Question], Iterable[Record]]] = {
    "devices": _devices,
    "products": _products,
    "sims": _sims,
    "user": _user,
    "oauth_clients": _oauth_clients,
    "product_devices": _product_devices,
    "product_sims": _product_sims,
    "diagnostics": _diagnostics,
    "sim_data_usage": _sim_data_usage,
    "fleet_data_usage": _fleet_data_usage,
    **wider_truth.TABLES,
    "daily_data_usage": lambda ask: wider_truth.days_of(ask, _sim_data_usage(ask), "iccid", "product_id_or_slug"),
    "fleet_daily_data_usage": lambda ask: wider_truth.days_of(ask, _fleet_data_usage(ask), "product_id_or_slug"),
}
