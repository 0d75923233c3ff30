"""A plain client of the API, written without the server's code."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

import requests

from integration_tests.device_cloud import DeviceCloud
from integration_tests.device_cloud.clock import iso_ms
from integration_tests.device_cloud.documented import documented
from integration_tests.device_cloud.estate import ledger_scope, org_scope
from integration_tests.device_cloud.store import Scope

FIRST = "/v1/products/20001"
Records = list[dict[str, Any]]
PAGES = "GET /v1/products/:p/devices"


def get(cloud: DeviceCloud, path: str, *, token: str | None = "", **query: Any) -> requests.Response:
    """Ask with the user's token, with another one, or (None) with none."""
    headers = {} if token is None else {"Authorization": f"Bearer {token or cloud.token}"}
    return requests.get(cloud.url + path, params=query, headers=headers, timeout=10)


def ids(response: requests.Response, key: str = "devices") -> list[str]:
    """Return the ids on a page."""
    return [record.get("id") or record.get("_id") or record["iccid"] for record in response.json()[key]]


def concrete(cloud: DeviceCloud, pattern: str) -> str:
    """Return a path of a route whose entities exist."""
    scope: Scope = 20_001 if ":p" in pattern else org_scope("my-org") if ":o" in pattern else None
    collections = {"service_agreements": "agreements", "functions": "functions"}
    of_ids = next((rows for part, rows in collections.items() if f"/{part}/:id" in pattern), "devices")
    values = {
        ":iccid": next(iter(cloud.fleet.rows("sims", scope)), ""),
        ":id": next(iter(cloud.fleet.rows(of_ids, scope)), ""),
        ":name": "sensor-readings",
        ":value": next(iter(cloud.fleet.rows("instances", ledger_scope(scope, "sensor-readings"))), ""),
        ":p": "20001",
        ":o": "my-org",
    }
    return "/".join(values.get(part, part) for part in pattern.split("/"))


def month_device(cloud: DeviceCloud) -> str:
    """Return the device with a month of vitals."""
    return list(cloud.fleet.rows("devices"))[2]


def pages(cloud: DeviceCloud, path: str, key: str, **query: Any) -> Records:
    """Read all pages of a list, sorted by device id as a careful client does."""
    records: Records = []
    number = total = 1
    while number <= total:
        fixed = {"sortAttr": "deviceId", "sortDir": "asc", **query}
        body = get(cloud, path, page=number, per_page=10, **fixed).json()
        records += body[key]
        total = body["meta"]["total_pages"]
        number += 1
    return records


def emitted(record: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """Return a record as the source emits it."""
    hidden = ("mobile_secret", "secret", "client_secret")
    return documented("devices", {key: value for key, value in record.items() if key not in hidden} | more)


def with_iccid(sim: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """Return a SIM with both spellings of its key."""
    iccid = sim.get("_id") or sim["iccid"]
    limit = {"data_limit": sim["mb_limit"]} if "mb_limit" in sim and sim.get("data_limit") is None else {}
    return documented("sims", {**sim, "_id": iccid, "iccid": iccid, **limit, **more})


def product_ids(cloud: DeviceCloud) -> list[int]:
    """Return all products by id."""
    return [product["id"] for product in get(cloud, "/v1/products").json()["products"]]


def cellular_ids(cloud: DeviceCloud) -> list[int]:
    """Return the products that have SIM routes."""
    return [product for product in product_ids(cloud) if get(cloud, f"/v1/products/{product}/sims").status_code == 200]


def read_product_devices(cloud: DeviceCloud) -> Records:
    """Read the devices of all products."""
    return [
        emitted(record, product_id_or_slug=str(product))
        for product in product_ids(cloud)
        for record in pages(cloud, f"/v1/products/{product}/devices", "devices")
    ]


def read_product_sims(cloud: DeviceCloud) -> Records:
    """Read the SIMs of all products."""
    return [
        with_iccid(record, product_id_or_slug=str(product))
        for product in cellular_ids(cloud)
        for record in pages(cloud, f"/v1/products/{product}/sims", "sims")
    ]


def read_vitals(cloud: DeviceCloud) -> Records:
    """Read the vitals of every product's devices and of the user's other ones."""
    start = iso_ms(datetime.now(timezone.utc) - timedelta(days=29, hours=23))
    found = {device["id"]: device["product_id_or_slug"] for device in reversed(read_product_devices(cloud))}
    own = {device["id"]: None for device in get(cloud, "/v1/devices").json()}
    return [
        documented("diagnostics", {**record, "device_id": device, "product_id_or_slug": product})
        for device, product in {**own, **found}.items()
        for record in get(cloud, f"/v1/{_prefix(product)}diagnostics/{device}", start_date=start).json()["diagnostics"]
    ]


def read_usage(cloud: DeviceCloud) -> Records:
    """Read the data usage of every product's SIMs and of the user's other ones."""
    found = {sim["iccid"]: sim["product_id_or_slug"] for sim in reversed(read_product_sims(cloud))}
    own = {sim.get("_id") or sim["iccid"]: None for sim in get(cloud, "/v1/sims").json()["sims"]}
    records = []
    for iccid, product in {**own, **found}.items():
        body = get(cloud, f"/v1/{_prefix(product)}sims/{iccid}/data_usage").json()
        usage = {"usage_by_day": body} if isinstance(body, list) else body
        records.append({**usage, "iccid": iccid, "product_id_or_slug": product})
    return records


def _prefix(product: str | None) -> str:
    return f"products/{product}/" if product else ""
