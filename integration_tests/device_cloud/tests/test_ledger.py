"""The ledger agrees with what a plain client reads, and counts the requests."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from integration_tests.device_cloud import DeviceCloud, FleetSize, Switches
from integration_tests.device_cloud.documented import documented
from integration_tests.device_cloud.tests.client import (
    FIRST,
    PAGES,
    Records,
    cellular_ids,
    emitted,
    get,
    month_device,
    pages,
    product_ids,
    read_product_devices,
    read_product_sims,
    read_usage,
    read_vitals,
    with_iccid,
)
from integration_tests.device_cloud.truth import KEYS

pytestmark = pytest.mark.fleet(FleetSize(products=3), seed=3)

READERS: dict[str, Callable[[DeviceCloud], Records]] = {
    "devices": lambda cloud: [emitted(record) for record in get(cloud, "/v1/devices").json()],
    "products": lambda cloud: [documented("products", row) for row in get(cloud, "/v1/products").json()["products"]],
    "sims": lambda cloud: [with_iccid(record) for record in get(cloud, "/v1/sims").json()["sims"]],
    "user": lambda cloud: [get(cloud, "/v1/user").json()],
    "oauth_clients": lambda cloud: [emitted(record) for record in get(cloud, "/v1/clients").json()["clients"]],
    "product_devices": read_product_devices,
    "product_sims": read_product_sims,
    "diagnostics": read_vitals,
    "sim_data_usage": read_usage,
    "fleet_data_usage": lambda cloud: [
        {**get(cloud, f"/v1/products/{product}/sims/data_usage").json(), "product_id_or_slug": str(product)}
        for product in cellular_ids(cloud)
    ],
}


# The other tables are compared with what the source reads, in integration_tests/airbyte/test_read.py.
@pytest.mark.parametrize("table", READERS)
def test_the_ledger_holds_what_a_plain_client_reads(cloud: DeviceCloud, table: str) -> None:
    records = READERS[table](cloud)
    assert len(records) == len(cloud.ledger.records(table)) > 0
    difference = cloud.ledger.compare(table, {}, records)
    assert not difference, str(difference)


@pytest.mark.parametrize("table", KEYS)
def test_keys_are_unique_and_filled_under_every_option(cloud: DeviceCloud, table: str) -> None:
    for options in ({}, {"product_id_or_slug": "*"}):
        keys = [tuple(record[name] for name in KEYS[table]) for record in cloud.ledger.records(table, options)]
        assert len(keys) == len(set(keys)) > 0
        assert all(all(key) for key in keys)


def test_no_secret_is_in_any_table(cloud: DeviceCloud) -> None:
    names = {name for table in KEYS for record in cloud.ledger.records(table) for name in record}
    assert not names & {"mobile_secret", "secret", "client_secret"}
    assert any("mobile_secret" in row for row in cloud.fleet.rows("devices").values())


def test_changing_a_returned_record_does_not_change_the_truth(cloud: DeviceCloud) -> None:
    cloud.ledger.records("user")[0]["account_info"]["first_name"] = "changed"
    assert cloud.ledger.records("user")[0]["account_info"]["first_name"] != "changed"


# options


@pytest.mark.parametrize(
    ("options", "query"),
    [
        ({"groups": "asia"}, {"groups": "asia"}),
        ({"groups": "asia,europe"}, {"groups": "asia,europe"}),
        ({"device_name": "ice-0001"}, {"deviceName": "ice-0001"}),
        ({"device_id": "a"}, {"deviceId": "a"}),
        ({"serial_number": "P013"}, {"serialNumber": "P013"}),
    ],
)
def test_filters_of_product_devices_mean_those_of_the_api(
    cloud: DeviceCloud, options: dict[str, str], query: dict[str, str]
) -> None:
    everything = {"product_id_or_slug": "fleet-0-v100"}
    records = [
        emitted(record, product_id_or_slug="fleet-0-v100")
        for record in pages(cloud, f"{FIRST}/devices", "devices", **query)
    ]
    assert 0 < len(records) < len(cloud.ledger.records("product_devices", everything))
    assert not cloud.ledger.compare("product_devices", everything | options, records)


@pytest.mark.parametrize(
    ("options", "query"),
    [
        ({"iccid": "0000"}, {"iccid": "0000"}),
        ({"device_name": "device-0"}, {"deviceName": "device-0"}),
        ({"device_id": "a"}, {"deviceId": "a"}),
    ],
)
def test_filters_of_product_sims_mean_those_of_the_api(
    cloud: DeviceCloud, options: dict[str, str], query: dict[str, str]
) -> None:
    records = [
        with_iccid(record, product_id_or_slug="20001") for record in pages(cloud, f"{FIRST}/sims", "sims", **query)
    ]
    assert 0 < len(records) < 12
    assert not cloud.ledger.compare("product_sims", {"product_id_or_slug": "20001"} | options, records)


def test_max_pages_keeps_the_first_rows_by_the_order_asked_for(cloud: DeviceCloud) -> None:
    base = {"product_id_or_slug": "20001", "per_page": "10", "max_pages": "2"}

    def names(**options: str) -> list[str]:
        return [record["id"] for record in cloud.ledger.records("product_devices", base | options)]

    every = sorted(cloud.fleet.rows("devices", 20_001))
    assert names() == every[:20]
    assert names(sort_attr="deviceId", sort_dir="desc") == every[::-1][:20]
    served = get(cloud, f"{FIRST}/devices", per_page=20).json()["devices"]
    assert names(sort_attr="lastConnection", sort_dir="desc") == [device["id"] for device in served]
    assert len(cloud.ledger.records("product_sims", base | {"per_page": "5"})) == 10


def test_products_are_named_as_the_user_wrote_them(cloud: DeviceCloud) -> None:
    records = cloud.ledger.records("product_devices", {"product_id_or_slug": "fleet-0-v100, 20003"})
    assert [record["product_id_or_slug"] for record in records] == ["fleet-0-v100"] * 45 + ["20003"] * 45
    everywhere = {record["product_id_or_slug"] for record in cloud.ledger.records("product_devices")}
    assert everywhere <= {str(product) for product in product_ids(cloud)}
    assert {"20001", "20002", "20003", "295"} <= everywhere


@pytest.mark.parametrize(("table", "collection"), [("diagnostics", "devices"), ("sim_data_usage", "sims")])
def test_all_entities_of_all_products_are_the_products_first_then_the_users_own(
    cloud: DeviceCloud, table: str, collection: str
) -> None:
    found: dict[str, str | None] = {}
    name = KEYS[table][0]
    for record in cloud.ledger.records(table, {"product_id_or_slug": "*"}):
        assert found.setdefault(record[name], record["product_id_or_slug"]) == record["product_id_or_slug"]
    products = cloud.fleet.product_ids
    for entity, path in found.items():
        owner = next((str(product) for product in products if entity in cloud.fleet.rows(collection, product)), None)
        assert path == owner
    assert None in found.values()
    named = {row["product_id_or_slug"] for row in cloud.ledger.records(table, {"product_id_or_slug": "20003"})}
    assert named == {"20003"}


def test_named_devices_are_read_alone_and_by_the_path_that_is_named(cloud: DeviceCloud) -> None:
    shared = list(cloud.fleet.rows("devices", 20_001))[1]
    for product, path in ((None, None), ("20001", "20001"), ("*", "20001")):
        options = {"device_id": shared} | ({"product_id_or_slug": product} if product else {})
        records = cloud.ledger.records("diagnostics", options)
        assert {(record["device_id"], record["product_id_or_slug"]) for record in records} == {(shared, path)}


def test_vitals_are_within_the_window_and_the_30_days(cloud: DeviceCloud) -> None:
    device = month_device(cloud)
    whole = cloud.ledger.records("diagnostics", {"device_id": device})
    assert len(whole) == 29
    assert len(get(cloud, f"/v1/diagnostics/{device}").json()["diagnostics"]) == 31
    start, end = whole[3]["updated_at"], whole[8]["updated_at"]
    window = cloud.ledger.records("diagnostics", {"device_id": device, "start_date": start, "end_date": end})
    assert window == whole[3:8]
    wide = cloud.ledger.records("diagnostics", {"device_id": device}, clip_margin=timedelta(days=-1))
    assert len(wide) == 31


@pytest.mark.parametrize(
    ("table", "options"),
    [
        ("product_devices", {"product_id_or_slug": "no-such-product"}),
        ("product_sims", {"product_id_or_slug": "20002"}),
        ("fleet_data_usage", {"product_id_or_slug": "20002"}),
        ("diagnostics", {"device_id": "unknown"}),
        ("sim_data_usage", {"iccid": "8900"}),
    ],
)
def test_what_the_options_name_and_the_api_refuses_is_an_error(
    cloud: DeviceCloud, table: str, options: dict[str, str]
) -> None:
    with pytest.raises(LookupError, match="the API refuses"):
        cloud.ledger.records(table, options)


def test_a_malformed_date_is_an_error(cloud: DeviceCloud) -> None:
    with pytest.raises(ValueError, match="start_date must be ISO 8601"):
        cloud.ledger.records("diagnostics", {"start_date": "yesterday"})


def test_what_all_leads_to_and_the_api_refuses_is_skipped(cloud: DeviceCloud) -> None:
    refused = set(product_ids(cloud)) - set(cellular_ids(cloud))
    assert 20_002 in refused
    assert set(cloud.ledger.skipped("product_sims")) == {f"/v1/products/{product}/sims" for product in refused}
    for path in cloud.ledger.skipped("product_sims") + cloud.ledger.skipped("fleet_data_usage"):
        assert get(cloud, path).status_code == 404
    assert cloud.ledger.skipped("product_devices") == []


def test_an_api_user_sees_what_its_token_opens(cloud: DeviceCloud) -> None:
    for table in ("devices", "sims", "user", "oauth_clients"):
        assert cloud.ledger.records(table, access="api_user") == []
        for path in cloud.ledger.skipped(table, access="api_user"):
            assert get(cloud, path, token=cloud.api_user_token).status_code == 400
    assert cloud.ledger.records("product_devices", access="api_user") == cloud.ledger.records("product_devices")
    everywhere = cloud.ledger.records("diagnostics", access="api_user")
    paths = {record["product_id_or_slug"] for record in everywhere}
    assert None not in paths
    assert len(paths) > 1
    cloud.switches = Switches(products_endpoint=False)
    assert {row["org"] for row in cloud.ledger.records("products", access="api_user")} == {"my-org"}


# requests


def test_requests_are_counted_by_route(cloud: DeviceCloud) -> None:
    for path in ("/v1/user", f"{FIRST}/devices", "/v1/products/20002/devices", "/v1/nowhere"):
        get(cloud, path, page=1)
    ledger = cloud.ledger
    assert (ledger.count(), ledger.count(PAGES), ledger.count("GET /v1/user"), ledger.count("unknown")) == (4, 2, 1, 1)
    assert [entry.path for entry in ledger.requests(PAGES)] == [f"{FIRST}/devices", "/v1/products/20002/devices"]
    assert ledger.requests()[0].query == {"page": "1"}
    assert ledger.peak(60) == 4
    assert ledger.peak(1e-9) == 1
    cloud.reset()
    assert (ledger.count(), ledger.peak(60)) == (0, 0)


def test_the_peak_is_of_a_moving_window(cloud: DeviceCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    moments = iter([0.0, 9.0, 10.0, 11.0, 30.0])
    monkeypatch.setattr("integration_tests.device_cloud.server.monotonic", lambda: next(moments))
    for _ in range(5):
        get(cloud, "/v1/user")
    assert [cloud.ledger.peak(seconds) for seconds in (1, 2, 3, 11, 12, 100)] == [1, 2, 3, 3, 4, 5]
