"""What the endpoints answer, and to whom."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from .auth import Auth, Token, oauth_error
from .clock import parse_iso
from .devices import CELLULAR
from .fleet import Fleet
from .http import Reply, Request, encode, json_reply
from .listing import Page, Selection, find_entity
from .store import Record, Scope
from .switches import Switches

RETENTION = timedelta(days=30)
"""How far back `start_date` of diagnostics may lie."""

_NO_ROUTE = {"ok": False, "error": "Not found"}
_NO_PRODUCT = {"ok": False, "error": "Product not found."}
_NO_PRODUCT_DEVICE = {"ok": False, "error": "Device not found"}
_NOT_YOURS = {
    "error": "Permission Denied",
    "info": "I didn't recognize that device name or ID, try opening "
    "https://api.particle.io/v1/devices?access_token=undefined",
}
_NO_SIM = {"ok": False, "error": "SIM not found"}
_NO_SUCH_PARAMETER = {"error": "bad_request", "error_description": "sortAttr is not allowed"}
_NO_SIMS_HERE = {"ok": False, "error": "This product does not support SIM cards, not found"}
_NO_ORG = {"ok": False, "error": "Organization not found"}
_NO_VITALS = {"ok": False, "error": "Diagnostics not found"}
_BAD_DATE = {"error": "bad_request", "description": "start_date and end_date must be ISO8601 formatted"}
_TOO_OLD = {"error": "bad_request", "description": "start_date must not be more than than 30 days ago"}


@dataclass(frozen=True)
class Call:
    """One authorised request: `product` is that of the path, None at user level."""

    request: Request
    token: Token
    params: Mapping[str, str]
    product: Record | None

    @property
    def scope(self) -> Scope:
        """Where the rows of this call live."""
        return None if self.product is None else self.product["id"]


@dataclass(frozen=True)
class Route:
    """An endpoint: `scope` is what a limited token needs, `user_level` ones are closed to API users."""

    pattern: str
    answer: Callable[[Api, Call], Reply]
    scope: str | None = None
    user_level: bool = False

    @property
    def name(self) -> str:
        """The route as faults and the request log call it."""
        return f"GET {self.pattern}"


class _NotFoundError(Exception):
    """Carries the body of a 404."""

    def __init__(self, body: Mapping[str, Any]) -> None:
        super().__init__(body["error"])
        self.body = body


class Api:
    """Answers `GET` requests from the fleet."""

    def __init__(self, fleet: Fleet, auth: Auth, switches: Switches) -> None:
        self.fleet = fleet
        self.switches = switches
        self._auth = auth
        self._static: dict[str, tuple[int, bytes]] = {}
        self._keys: dict[tuple[str, Scope, Selection], tuple[int, list[str]]] = {}
        self._pages: dict[tuple[Any, ...], tuple[int, bytes]] = {}
        self._encoded: dict[tuple[str, Scope, str], tuple[Record, bytes]] = {}

    def prepare(self) -> None:
        """Serialise all devices and SIMs, so that a page is joined and not encoded when it is asked for."""
        for collection in ("devices", "sims"):
            for scope in self.fleet.scopes(collection):
                self._bytes(collection, scope, list(self.fleet.rows(collection, scope)))

    def serve(self, path: str, body: Any, status: int = 200) -> None:
        """Answer a further path with a fixed body (bytes as they are, anything else as JSON)."""
        self._static[path] = (status, body if isinstance(body, bytes) else encode(body))

    def fixed(self, call: Call) -> Reply:
        """Answer what `serve` has been told."""
        status, body = self._static[call.request.path]
        return Reply(status, body)

    def has_fixed(self, path: str) -> bool:
        """Return whether `serve` has been told what to answer."""
        return path in self._static

    def answer(self, request: Request, matched: tuple[Route, dict[str, str]] | None, token: str | None) -> Reply:
        """Answer a request: route first, then token, then what the token may do, then the entity."""
        if matched is None:
            return json_reply(_NO_ROUTE, 404)
        route, params = matched
        known = self._auth.identify(token)
        if isinstance(known, Reply):
            return known
        if known.api_user and route.user_level:
            return oauth_error(400, "unauthorized", "API users are not allowed to call this endpoint")
        if route.scope is not None and known.scopes is not None and route.scope not in known.scopes:
            return oauth_error(self.switches.scope_status, "invalid_scope", f"The scope {route.scope} is required")
        try:
            product = self._product(params["p"]) if "p" in params else None
            return route.answer(self, Call(request, known, params, product))
        except _NotFoundError as missing:
            return json_reply(missing.body, 404)

    def _product(self, id_or_slug: str) -> Record:
        product = self.fleet.product(id_or_slug)
        if product is None:
            raise _NotFoundError(_NO_PRODUCT)
        return product

    # account

    def token_info(self, call: Call) -> Reply:
        """`GET /v1/access_tokens/current`."""
        return json_reply(self._auth.describe(call.token))

    def user(self, call: Call) -> Reply:
        """`GET /v1/user`."""
        return json_reply(self.fleet.rows("users").get(call.token.username, {"username": call.token.username}))

    def clients(self, call: Call) -> Reply:
        """`GET /v1/clients` and `/v1/products/:p/clients`."""
        return json_reply({"ok": True, "clients": list(self.fleet.rows("clients", call.scope).values())})

    # products

    def products(self, call: Call) -> Reply:
        """`GET /v1/products`, `/v1/user/products` (sandbox) and `/v1/orgs/:o/products`."""
        products = list(self.fleet.rows("products").values())
        if call.request.path == "/v1/user/products":
            products = [product for product in products if "org" not in product]
        elif "o" in call.params:
            slug = self.org(call.params["o"])["slug"]
            products = [product for product in products if product.get("org") == slug]
        return json_reply({"products": products})

    def one_product(self, call: Call) -> Reply:
        """`GET /v1/products/:p`: an object, until 2018 an array of one."""
        old = "config_id" in (call.product or {})
        return json_reply({"product": [call.product] if old else call.product})

    def orgs(self, _call: Call) -> Reply:
        """`GET /v1/orgs`."""
        return json_reply({"organizations": list(self.fleet.rows("orgs").values())})

    def org(self, id_or_slug: str) -> Record:
        """Return the organization that an id or a slug names."""
        for org in self.fleet.rows("orgs").values():
            if id_or_slug in (org["id"], org["slug"]):
                found: Record = org
                return found
        raise _NotFoundError(_NO_ORG)

    # devices

    def devices(self, _call: Call) -> Reply:
        """`GET /v1/devices`: a bare array, neither paged nor filtered, last connection first."""
        keys = self._selected("devices", None, Selection(sort="lastConnection"))
        return Reply(200, b"[%b]" % b",".join(self._bytes("devices", None, keys)))

    def product_devices(self, call: Call) -> Reply:
        """`GET /v1/products/:p/devices`."""
        if self.switches.reorder:
            self.fleet.touch_some(call.product["id"] if call.product else 0)
        selection = Selection.of_devices(call.request.query)
        return self._page("devices", call, selection if self.switches.heeds_order else replace(selection, sort=""))

    # SIMs

    def sims(self, _call: Call) -> Reply:
        """`GET /v1/sims`: neither paged nor filtered."""
        keys = list(self.fleet.rows("sims"))
        return Reply(200, b'{"sims":[%b]}' % b",".join(self._bytes("sims", None, keys)))

    def product_sims(self, call: Call) -> Reply:
        """`GET /v1/products/:p/sims`."""
        _needs_sims(call)
        asked, order = call.request.query, self.switches.sims_order
        if order == "refused" and "sortAttr" in asked:
            return json_reply(_NO_SUCH_PARAMETER, 400)
        if order == "random":
            return Reply(200, self._page_body("sims", call.scope, self._cut(asked), self._shuffled_sims(call)))
        return self._page("sims", call, Selection.of_sims(asked, sorts=order == "as asked"))

    def _shuffled_sims(self, call: Call) -> list[str]:
        keys = Selection.of_sims(call.request.query).keys(self.fleet.rows("sims", call.scope))
        return random.sample(keys, len(keys))

    def sim_data_usage(self, call: Call) -> Reply:
        """`GET /v1/sims/:iccid/data_usage`, by the user's path or a product's."""
        _needs_sims(call)
        iccid = call.params["iccid"]
        if iccid not in self.fleet.rows("sims", call.scope):
            raise _NotFoundError(_NO_SIM)
        return json_reply(self.fleet.usage(iccid))

    def fleet_data_usage(self, call: Call) -> Reply:
        """`GET /v1/products/:p/sims/data_usage`."""
        _needs_sims(call)
        return json_reply(self.fleet.fleet_usage(call.product["id"] if call.product else 0))

    # diagnostics

    def diagnostics(self, call: Call) -> Reply:
        """`GET /v1/diagnostics/:id`, by the user's path or a product's: newest first."""
        device_id = find_entity(self.fleet.rows("devices", call.scope), call.params["id"])
        if device_id is None:
            if call.product is None:
                return json_reply(_NOT_YOURS, 403)
            raise _NotFoundError(_NO_PRODUCT_DEVICE)
        dates = {
            name: parse_iso(text) for name, text in call.request.query.items() if name in ("start_date", "end_date")
        }
        if None in dates.values():
            return json_reply(_BAD_DATE, self.switches.diagnostics_error_status)
        start, end = dates.get("start_date"), dates.get("end_date")
        if start is not None and start < self.fleet.clock.now() - RETENTION:
            return json_reply(_TOO_OLD, self.switches.diagnostics_error_status)
        vitals = self.fleet.vitals(device_id)
        if not vitals and self.switches.vitals_absent == 404:
            raise _NotFoundError(_NO_VITALS)
        chosen = [
            vital.record
            for vital in reversed(vitals)
            if (start is None or vital.moment >= start) and (end is None or vital.moment < end)
        ]
        return json_reply({"diagnostics": chosen})

    # lists

    def _selected(self, collection: str, scope: Scope, selection: Selection) -> list[str]:
        version = self.fleet.version(collection, scope)
        cached = self._keys.get((collection, scope, selection))
        if cached is None or cached[0] != version:
            cached = (version, selection.keys(self.fleet.rows(collection, scope)))
            self._keys[collection, scope, selection] = cached
        return cached[1]

    def _bytes(self, collection: str, scope: Scope, keys: list[str]) -> list[bytes]:
        rows = self.fleet.rows(collection, scope)
        parts = []
        for key in keys:
            cached = self._encoded.get((collection, scope, key))
            if cached is None or cached[0] is not rows[key]:
                cached = (rows[key], encode(rows[key]))
                self._encoded[collection, scope, key] = cached
            parts.append(cached[1])
        return parts

    def _page(self, collection: str, call: Call, selection: Selection) -> Reply:
        switches = self.switches
        page = self._cut(call.request.query)
        keys = self._selected(collection, call.scope, selection)
        if page.number > page.count(len(keys)) and switches.page_past_end == 404:
            raise _NotFoundError(_NO_ROUTE)
        version = self.fleet.version(collection, call.scope)
        place = (collection, call.scope, selection, page, switches.total_pages, switches.total_records)
        cached = self._pages.get(place)
        if cached is None or cached[0] != version:
            cached = (version, self._page_body(collection, call.scope, page, keys))
            self._pages[place] = cached
        return Reply(200, cached[1])

    def _cut(self, query: Mapping[str, str]) -> Page:
        """Return which page is asked for, and how large it is."""
        page = Page.of(query, self.switches.per_page_cap)
        return replace(page, size=self.switches.fixed_page_size or page.size)

    def _page_body(self, collection: str, scope: Scope, page: Page, keys: list[str]) -> bytes:
        meta: dict[str, int] = {}
        if self.switches.total_pages:
            meta["total_pages"] = page.count(len(keys))
        shown = page.cut(keys)
        customers = b""
        if collection == "devices":
            if self.switches.total_records:
                meta["total_records"] = len(keys)
            customers = b',"customers":' + encode(self._customers(scope, shown))
        records = b",".join(self._bytes(collection, scope, shown))
        return b'{"%b":[%b]%b,"meta":%b}' % (collection.encode(), records, customers, encode(meta))

    def _customers(self, scope: Scope, keys: list[str]) -> list[dict[str, str]]:
        rows = self.fleet.rows("devices", scope)
        ids = dict.fromkeys(rows[key]["customer_id"] for key in keys if rows[key].get("customer_id"))
        return [{"id": customer, "username": "customer@example.com"} for customer in ids]


def supports_sims(product: Record) -> bool:
    """Return whether a product has SIM routes at all: Wi-Fi products have none."""
    return product["platform_id"] in CELLULAR


def _needs_sims(call: Call) -> None:
    if call.product is not None and not supports_sims(call.product):
        raise _NotFoundError(_NO_SIMS_HERE)
