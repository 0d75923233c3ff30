"""What a perfect reader returns: the tables, computed from what the cloud holds and never from what was served."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from .api import RETENTION, supports_sims
from .clock import parse_iso
from .documented import documented
from .listing import Page, Selection, find_entity
from .store import Record, Scope, View
from .switches import Switches

Access = Literal["user", "api_user"]
Options = Mapping[str, str]

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
}
"""The tables and their primary keys."""

_API_NAMES = {
    "groups": "groups",
    "device_name": "deviceName",
    "device_id": "deviceId",
    "serial_number": "serialNumber",
    "iccid": "iccid",
}


@dataclass
class Question:
    """One reading of a table: the options, who reads, what is there at that moment.

    `skipped` collects the paths that `*` led to and the API refuses. A refusal of what the options name is a
    `LookupError` when `strict`, as it is an error for the reader too.
    """

    view: View
    now: datetime
    switches: Switches
    options: Options
    access: Access
    clip_margin: timedelta
    strict: bool

    def __post_init__(self) -> None:
        """Start with nothing skipped."""
        self.skipped: list[str] = []

    def answer(self, table: str) -> list[dict[str, Any]]:
        """Return the records of a table."""
        return [documented(table, record) for record in TABLES[table](self)]

    def values(self, option: str, default: str | None = "*") -> list[str] | None:
        """Return the values an option names, None for `*` (or nothing at all)."""
        text = self.options.get(option, default)
        if text is None or text.strip() == "*":
            return None
        return list(dict.fromkeys(value.strip() for value in text.split(",") if value.strip()))

    def open_to(self, path: str) -> bool:
        """Return whether the reader may call a user-level endpoint; note it as skipped when not."""
        if self.access == "user":
            return True
        self.skipped.append(path)
        return False

    def refuse(self, named: bool, what: str) -> None:
        """Note that the API refuses something: an error when the options name it."""
        if named and self.strict:
            raise LookupError(f"the API refuses {what}, which the options name")
        if not named:
            self.skipped.append(what)

    def products(self) -> Iterator[tuple[str, Record]]:
        """Yield the products to read, with the name that goes into `product_id_or_slug`."""
        names = self.values("product_id_or_slug")
        if names is None:
            for product in self.listed_products():
                yield str(product["id"]), product
            return
        seen: set[int] = set()
        for name in names:
            product_named = self.view.product(name)
            if product_named is None:
                self.refuse(True, f"/v1/products/{name}")
            elif product_named["id"] not in seen:
                seen.add(product_named["id"])
                yield name, product_named

    def listed_products(self) -> list[Record]:
        """Return the products in the order of `/v1/products`; without it an API user reaches only its org's."""
        products = list(self.view.rows("products").values())
        if self.access == "user" or self.switches.products_endpoint:
            return products
        return [product for product in products if "org" in product]

    def products_with_sims(self, path: str) -> Iterator[tuple[str, Record]]:
        """Yield the products to read that have SIM routes."""
        named = self.values("product_id_or_slug") is not None
        for name, product in self.products():
            if supports_sims(product):
                yield name, product
            else:
                self.refuse(named, f"/v1/products/{name}{path}")


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
}
