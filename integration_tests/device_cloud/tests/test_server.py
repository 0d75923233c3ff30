"""The endpoints of the Device Cloud as a client sees them: bodies, pages, filters, order, errors, switches."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from email.utils import parsedate_to_datetime
from typing import Any

import pytest

from integration_tests.device_cloud import DeviceCloud, Fleet, FleetSize, Switches
from integration_tests.device_cloud.clock import iso_ms, parse_iso
from integration_tests.device_cloud.routes import ROUTES
from integration_tests.device_cloud.tests.client import FIRST, concrete, get, ids, month_device

WIFI = "/v1/products/20002"


pytestmark = pytest.mark.fleet(FleetSize(products=3), seed=7)


@pytest.mark.parametrize("pattern", [route.pattern for route in ROUTES])
def test_every_route_answers_and_is_logged_by_its_pattern(cloud: DeviceCloud, pattern: str) -> None:
    response = get(cloud, concrete(cloud, pattern))
    assert response.status_code == 200
    assert response.headers["Content-Type"] == "application/json; charset=utf-8"
    assert len(response.headers["X-Request-Id"]) == 32
    assert "X-RateLimit-Limit" not in response.headers
    entry = cloud.ledger.requests()[-1]
    assert (entry.route, entry.status, entry.token_sent) == (f"GET {pattern}", 200, True)


@pytest.mark.parametrize(
    ("path", "envelope"),
    [
        ("/v1/devices", None),
        ("/v1/sims", {"sims"}),
        ("/v1/products", {"products"}),
        ("/v1/user/products", {"products"}),
        ("/v1/orgs", {"organizations"}),
        ("/v1/clients", {"ok", "clients"}),
        (f"{FIRST}/clients", {"ok", "clients"}),
        (f"{FIRST}/devices", {"devices", "customers", "meta"}),
        (f"{FIRST}/sims", {"sims", "meta"}),
        (f"{FIRST}/sims/data_usage", {"total_mbs_used", "total_active_sim_cards", "usage_by_day"}),
    ],
)
def test_lists_have_the_envelope_of_the_reference(cloud: DeviceCloud, path: str, envelope: set[str] | None) -> None:
    body = get(cloud, path).json()
    assert isinstance(body, list) if envelope is None else set(body) == envelope


def test_a_product_is_found_by_its_id_and_by_its_slug(cloud: DeviceCloud) -> None:
    assert get(cloud, FIRST).json() == get(cloud, "/v1/products/fleet-0-v100").json()


def test_a_single_product_is_an_object_and_in_its_form_of_2018_an_array(cloud: DeviceCloud) -> None:
    assert get(cloud, FIRST).json()["product"]["id"] == 20_001
    assert get(cloud, "/v1/products/product1").json()["product"][0]["id"] == 123


def test_user_products_and_org_products_together_are_all_products(cloud: DeviceCloud) -> None:
    every = ids(get(cloud, "/v1/products"), "products")
    own = ids(get(cloud, "/v1/user/products"), "products")
    of_orgs = ids(get(cloud, "/v1/orgs/my-org/products"), "products")
    assert of_orgs
    assert sorted(own + of_orgs) == sorted(every)
    assert get(cloud, f"/v1/orgs/{'a' * 24}/products").json() == get(cloud, "/v1/orgs/my-org/products").json()


def test_a_wifi_product_refuses_sim_routes_and_has_devices(cloud: DeviceCloud) -> None:
    iccid = next(iter(cloud.fleet.rows("sims", 20_001)))
    for path in ("/sims", "/sims/data_usage", f"/sims/{iccid}/data_usage"):
        assert get(cloud, WIFI + path).status_code == 404
    assert get(cloud, f"{WIFI}/devices").json()["devices"]


# pages


@pytest.mark.parametrize(
    ("query", "size"),
    [
        ({}, 25),
        ({"per_page": 10}, 10),
        ({"perPage": 10}, 10),
        ({"per_page": 7, "perPage": 9}, 7),
        ({"per_page": 1000}, 45),
        ({"per_page": 0}, 25),
        ({"per_page": "many"}, 25),
        ({"per_page": 1}, 1),
    ],
)
def test_page_size_by_either_spelling_with_the_defaults_of_the_api(
    cloud: DeviceCloud, query: dict[str, Any], size: int
) -> None:
    body = get(cloud, f"{FIRST}/devices", **query).json()
    assert len(body["devices"]) == size
    assert body["meta"] == {"total_pages": -(-45 // size), "total_records": 45}


@pytest.mark.parametrize(("path", "key", "total"), [("devices", "devices", 45), ("sims", "sims", 12)])
@pytest.mark.parametrize("size", [1, 4, 9, 44, 45, 46, 100])
def test_pages_add_up_to_the_whole_list(cloud: DeviceCloud, path: str, key: str, total: int, size: int) -> None:
    pages = get(cloud, f"{FIRST}/{path}", per_page=size).json()["meta"]["total_pages"]
    found = [
        one for page in range(1, pages + 1) for one in ids(get(cloud, f"{FIRST}/{path}", page=page, per_page=size), key)
    ]
    assert len(found) == len(set(found)) == total


def test_no_page_is_larger_than_100() -> None:
    with DeviceCloud(Fleet.seeded(FleetSize(products=1, devices=120))) as cloud:
        assert len(ids(get(cloud, f"{FIRST}/devices", per_page=500))) == 100
        cloud.switches = Switches(per_page_cap=50)
        assert len(ids(get(cloud, f"{FIRST}/devices", per_page=500))) == 50


def test_meta_of_sims_has_pages_only(cloud: DeviceCloud) -> None:
    assert get(cloud, f"{FIRST}/sims", per_page=5).json()["meta"] == {"total_pages": 3}


def test_customers_are_the_owners_on_the_page(cloud: DeviceCloud) -> None:
    with_customer = {key for key, row in cloud.fleet.rows("devices", 20_001).items() if row.get("customer_id")}
    for page in (1, 2):
        response = get(cloud, f"{FIRST}/devices", page=page)
        assert bool(response.json()["customers"]) == bool(with_customer & set(ids(response)))


def test_user_level_lists_ignore_pages_and_filters(cloud: DeviceCloud) -> None:
    for path in ("/v1/devices", "/v1/sims"):
        narrowed = get(cloud, path, per_page=1, page=2, deviceName="no such name", iccid="0000")
        assert narrowed.json() == get(cloud, path).json()


# filters and order


@pytest.mark.parametrize(
    ("path", "query", "field", "part"),
    [
        ("devices", {"deviceName": "ice-0001"}, "name", "ice-0001"),
        ("devices", {"serialNumber": "P013"}, "serial_number", "P013"),
        ("sims", {"iccid": "0000"}, "_id", "0000"),
        ("sims", {"deviceName": "device-"}, "last_device_name", "device-"),
    ],
)
def test_filters_match_a_part(cloud: DeviceCloud, path: str, query: dict[str, str], field: str, part: str) -> None:
    found = get(cloud, f"{FIRST}/{path}", per_page=100, **query).json()[path]
    everything = get(cloud, f"{FIRST}/{path}", per_page=100).json()[path]
    assert found == [
        row for row in everything if part in (row.get(field) or row.get("iccid" if field == "_id" else "") or "")
    ]
    assert 0 < len(found) < len(everything)


def test_devices_and_sims_are_found_by_a_part_of_a_device_id(cloud: DeviceCloud) -> None:
    device = next(iter(cloud.fleet.rows("devices", 20_001)))
    assert ids(get(cloud, f"{FIRST}/devices", deviceId=device[3:])) == [device]
    sims = get(cloud, f"{FIRST}/sims", deviceId=device[3:]).json()["sims"]
    assert [sim["last_device_id"] for sim in sims] == [device]


def test_groups_are_full_names_of_which_one_must_fit(cloud: DeviceCloud) -> None:
    def found(groups: str) -> int:
        return len(ids(get(cloud, f"{FIRST}/devices", groups=groups, per_page=100)))

    assert found("asi") == 0
    assert 0 < found("asia") < found("asia,europe") < 45
    assert found("") == 45


def test_the_default_order_is_last_connection_descending_and_unknown_last(cloud: DeviceCloud) -> None:
    devices = get(cloud, f"{FIRST}/devices", per_page=100).json()["devices"]
    known = [device["last_handshake_at"] for device in devices if device.get("last_handshake_at")]
    assert known == sorted(known, reverse=True)
    assert all(device.get("last_handshake_at") is None for device in devices[len(known) :])
    assert len(known) < len(devices)


@pytest.mark.parametrize("direction", ["asc", "desc"])
@pytest.mark.parametrize(
    ("attribute", "field"), [("deviceId", "id"), ("deviceName", "name"), ("firmwareVersion", "firmware_version")]
)
def test_sorting_by_an_attribute_keeps_empty_values_last(
    cloud: DeviceCloud, attribute: str, field: str, direction: str
) -> None:
    devices = get(cloud, f"{FIRST}/devices", per_page=100, sortAttr=attribute, sortDir=direction).json()["devices"]
    values = [device.get(field) for device in devices]
    known = [int(value) if field == "firmware_version" else value for value in values if value is not None]
    assert known == sorted(known, reverse=direction == "desc")
    assert all(value is None for value in values[len(known) :])


# diagnostics


def vitals(cloud: DeviceCloud, device: str, **query: Any) -> list[datetime]:
    """Return the moments of a device's vitals."""
    found = get(cloud, f"/v1/diagnostics/{device}", **query).json()["diagnostics"]
    moments = [parse_iso(record["updated_at"]) for record in found]
    return [moment for moment in moments if moment is not None]


def test_start_date_is_inclusive_and_end_date_exclusive(cloud: DeviceCloud) -> None:
    device = month_device(cloud)
    served = get(cloud, f"/v1/diagnostics/{device}").json()["diagnostics"]
    start, end = served[9]["updated_at"], served[4]["updated_at"]
    window = get(cloud, f"/v1/diagnostics/{device}", start_date=start, end_date=end).json()["diagnostics"]
    assert window == served[5:10]


def test_vitals_older_than_30_days_are_served_only_without_start_date(cloud: DeviceCloud) -> None:
    device = month_device(cloud)
    edge = datetime.now(timezone.utc) - timedelta(days=30)
    assert min(vitals(cloud, device)) < edge
    assert min(vitals(cloud, device, start_date=iso_ms(edge + timedelta(minutes=1)))) > edge


def test_product_devices_have_the_same_vitals_by_the_product_path(cloud: DeviceCloud) -> None:
    device = list(cloud.fleet.rows("devices", 20_001))[1]
    by_product = get(cloud, f"{FIRST}/diagnostics/{device}").json()
    assert by_product["diagnostics"]
    assert by_product == get(cloud, f"/v1/diagnostics/{device}").json()


def test_a_device_without_vitals_has_an_empty_history_or_by_switch_none() -> None:
    with DeviceCloud() as cloud:
        silent = next(key for key in cloud.fleet.rows("devices", 20_001) if not cloud.fleet.vitals(key))
        assert get(cloud, f"{FIRST}/diagnostics/{silent}").json() == {"diagnostics": []}
        cloud.switches = Switches(vitals_absent=404)
        assert get(cloud, f"{FIRST}/diagnostics/{silent}").status_code == 404


# errors

NO_TOKEN = {"error": "invalid_request", "error_description": "The access token was not found"}
EXPIRED = {"error": "invalid_token", "error_description": "The access token provided has expired."}
INVALID = {"error": "invalid_token", "error_description": "The access token provided is invalid."}
NO_PRODUCT = {"ok": False, "error": "Product not found."}
BAD_DATE = {"error": "bad_request", "description": "start_date and end_date must be ISO8601 formatted"}
TOO_OLD = {"error": "bad_request", "description": "start_date must not be more than than 30 days ago"}
NOT_YOURS = {
    "error": "Permission Denied",
    "info": "I didn't recognize that device name or ID, try opening "
    "https://api.particle.io/v1/devices?access_token=undefined",
}


@pytest.mark.parametrize(
    ("path", "status", "body"),
    [
        ("/v1/products/999999", 404, NO_PRODUCT),
        ("/v1/products/no-such-slug/devices", 404, NO_PRODUCT),
        (f"/v1/diagnostics/{'0' * 24}", 403, NOT_YOURS),
        (f"{FIRST}/diagnostics/{'0' * 24}", 404, {"ok": False, "error": "Device not found"}),
        ("/v1/sims/8900/data_usage", 404, {"ok": False, "error": "SIM not found"}),
        (f"{FIRST}/sims/8900/data_usage", 404, {"ok": False, "error": "SIM not found"}),
        (f"{FIRST}/diagnostics", 404, {"ok": False, "error": "Not found"}),
        ("/v1/fleet_health", 404, {"ok": False, "error": "Not found"}),
        ("/v1/orgs/none/products", 404, {"ok": False, "error": "Organization not found"}),
    ],
)
def test_what_is_not_there_is_refused_as_by_the_api(
    cloud: DeviceCloud, path: str, status: int, body: dict[str, Any]
) -> None:
    response = get(cloud, path)
    assert (response.status_code, response.json()) == (status, body)


def test_tokens_are_refused_in_the_words_of_the_api(cloud: DeviceCloud) -> None:
    for token, status, body in (
        (None, 400, NO_TOKEN),
        (cloud.expired_token, 401, EXPIRED),
        ("garbage", 401, INVALID),
    ):
        response = get(cloud, "/v1/devices", token=token)
        assert (response.status_code, response.json()) == (status, body)
        assert response.headers.get("Cache-Control") == ("no-store" if status == 401 else None)


@pytest.mark.parametrize("text", ["yesterday", "2026-13-01", "2026-1-1", "10/12/2026", "2026-01-01T25:00:00Z"])
@pytest.mark.parametrize("name", ["start_date", "end_date"])
def test_a_date_that_is_not_iso_8601_is_refused(cloud: DeviceCloud, name: str, text: str) -> None:
    response = get(cloud, f"/v1/diagnostics/{month_device(cloud)}", **{name: text})
    assert (response.status_code, response.json()) == (400, BAD_DATE)


def test_a_start_date_older_than_30_days_is_refused_even_with_200_by_switch() -> None:
    with DeviceCloud() as cloud:
        path = f"/v1/diagnostics/{month_device(cloud)}"
        old = iso_ms(datetime.now(timezone.utc) - timedelta(days=30, seconds=5))
        for status in (400, 200):
            response = get(cloud, path, start_date=old)
            assert (response.status_code, response.json()) == (status, TOO_OLD)
            cloud.switches = Switches(diagnostics_error_status=200)


# switches


def test_totals_can_be_left_out() -> None:
    with DeviceCloud(switches=Switches(total_records=False)) as cloud:
        assert get(cloud, f"{FIRST}/devices").json()["meta"] == {"total_pages": 2}
        cloud.switches = Switches(total_records=False, total_pages=False)
        assert get(cloud, f"{FIRST}/devices").json()["meta"] == {}


def test_a_page_past_the_end_is_empty_or_by_switch_not_found() -> None:
    with DeviceCloud() as cloud:
        assert get(cloud, f"{FIRST}/devices", page=9).json()["devices"] == []
        cloud.switches = Switches(page_past_end=404)
        assert get(cloud, f"{FIRST}/devices", page=9).status_code == 404
        assert get(cloud, f"{FIRST}/devices", page=2).status_code == 200


def test_the_list_of_all_products_can_be_an_unknown_route() -> None:
    with DeviceCloud(switches=Switches(products_endpoint=False)) as cloud:
        assert get(cloud, "/v1/products").status_code == 404
        assert get(cloud, "/v1/user/products").status_code == 200
        assert get(cloud, FIRST).status_code == 200


def test_the_servers_clock_can_be_ahead() -> None:
    with DeviceCloud(switches=Switches(clock_skew=3600)) as cloud:
        date = parsedate_to_datetime(get(cloud, "/v1/user").headers["Date"])
        assert timedelta(minutes=59) < date - datetime.now(timezone.utc) < timedelta(minutes=61)


def test_a_switch_reorders_the_default_order_between_requests() -> None:
    with DeviceCloud(switches=Switches(reorder=True)) as cloud:
        orders = {tuple(ids(get(cloud, f"{FIRST}/devices", per_page=100))) for _ in range(4)}
        assert len(orders) == 4
        assert len({frozenset(order) for order in orders}) == 1


def test_the_rate_limit_lets_exactly_its_number_through() -> None:
    with DeviceCloud(switches=Switches(rate_limit=(5, 300.0))) as cloud:
        replies = [get(cloud, "/v1/user") for _ in range(8)]
        assert [reply.status_code for reply in replies] == [200] * 5 + [429] * 3
        assert replies[-1].content == b"{}"
        assert "Retry-After" not in replies[-1].headers
        assert cloud.ledger.rejected() == 3
        cloud.reset()
        assert get(cloud, "/v1/user").status_code == 200


def test_retry_after_can_be_seconds_or_a_date() -> None:
    with DeviceCloud(switches=Switches(rate_limit=(0, 300.0), retry_after=7)) as cloud:
        assert get(cloud, "/v1/user").headers["Retry-After"] == "7"
        cloud.switches = Switches(rate_limit=(0, 300.0), retry_after=7, retry_after_as_date=True)
        wait = parsedate_to_datetime(get(cloud, "/v1/user").headers["Retry-After"]) - datetime.now(timezone.utc)
        assert timedelta(seconds=1) < wait < timedelta(seconds=9)


def test_further_paths_can_be_served() -> None:
    with DeviceCloud() as cloud:
        cloud.serve("/v1/orgs/x/whatever", {"things": [1]})
        cloud.serve("/v1/raw", b"\x00", status=202)
        assert get(cloud, "/v1/orgs/x/whatever").json() == {"things": [1]}
        assert (get(cloud, "/v1/raw").status_code, get(cloud, "/v1/raw").content) == (202, b"\x00")
        assert get(cloud, "/v1/raw", token=None).status_code == 400
        assert cloud.ledger.count("GET /v1/orgs/x/whatever") == 1


def test_names_travel_as_utf_8(cloud: DeviceCloud) -> None:
    body = get(cloud, f"{FIRST}/devices", per_page=100).content
    assert "Kühlraum 🌡️".encode() in body
    assert json.loads(body)["devices"]
