"""`read` returns exactly the ledger's records, for every table and every possible behaviour of the API."""

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft7Validator

from bridge.tables import catalog
from integration_tests.airbyte.syncs import sync, with_password, with_token
from integration_tests.device_cloud import DeviceCloud, Fault, Fleet, FleetSize, Switches
from unit_tests.support.kinds import one_of_each_kind

TABLES = tuple(catalog.tables())
OF_EACH_KIND = tuple(part.name for part in one_of_each_kind())
# What differs between clouds: lists of pages, sorted and not, and what is read for each of their items.
LISTS = ("products", "product_devices", "product_sims", "diagnostics", "sim_data_usage")
SECRETS = ("mobile_secret", "secret", "client_secret")

# What a cloud may be like; each is read in full and must give the same records.
CLOUDS = {
    "as is likely": Switches(),
    "caps pages at 25": Switches(per_page_cap=25),
    "serves 25 whatever is asked for": Switches(fixed_page_size=25),
    "moves the default order": Switches(reorder=True),
    "sorts nothing": Switches(heeds_order=False, per_page_cap=10),
    "sorts SIMs too": Switches(sims_order="as asked", per_page_cap=10),
    "refuses to sort SIMs": Switches(sims_order="refused", per_page_cap=10),
    "counts no records": Switches(total_records=False),
    "counts no pages": Switches(total_pages=False),
    "counts nothing": Switches(total_records=False, total_pages=False),
    "counts nothing and knows no page past the end": Switches(
        total_records=False, total_pages=False, page_past_end=404
    ),
    "lists products in two places": Switches(products_endpoint=False),
    "answers 404 for devices without vitals": Switches(vitals_absent=404),
    "is ten minutes ahead": Switches(clock_skew=600),
    "is ten minutes behind": Switches(clock_skew=-600),
}

# Options that narrow a table, besides none at all; `{product}` and so on stand for what the fleet holds.
NARROWED: dict[str, list[dict[str, str]]] = {
    "product_devices": [
        {"product_id_or_slug": "{product}"},
        {"product_id_or_slug": "{slug}, {other_product}"},
        {"groups": "{group}"},
        {"device_name": "a", "device_id": "0", "serial_number": "1"},
        {"sort_attr": "deviceName", "sort_dir": "desc"},
        {"sort_attr": "deviceName", "max_pages": "1"},
        {"sort_dir": "desc", "max_pages": "1"},
    ],
    "product_sims": [
        {"product_id_or_slug": "{product}"},
        {"iccid": "89", "device_id": "0", "device_name": "a"},
    ],
    "diagnostics": [
        {"product_id_or_slug": "*"},
        {"product_id_or_slug": "{product}"},
        {"device_id": "{device}"},
        {"device_id": "{product_device}", "product_id_or_slug": "{product}"},
        {"device_id": "{product_device},{device}", "product_id_or_slug": "*"},
        {"start_date": "{yesterday}"},
        {"end_date": "{yesterday}"},
    ],
    "sim_data_usage": [
        {"product_id_or_slug": "*"},
        {"iccid": "{sim}"},
        {"iccid": "{product_sim}", "product_id_or_slug": "{slug}"},
    ],
    "fleet_data_usage": [{"product_id_or_slug": "{slug},{other_cellular}"}],
}


def _names(fleet: Fleet) -> dict[str, Any]:
    first, second = fleet.product_ids[:2]
    devices = fleet.rows("devices", first)
    product = fleet.product(str(first))
    assert product is not None
    groups = [group for device in devices.values() for group in device.get("groups") or ()]
    return {
        "product": first,
        "other_product": second,
        "other_cellular": next(key for key in fleet.product_ids[1:] if fleet.rows("sims", key)),
        "slug": product["slug"],
        "group": groups[0],
        "product_device": next(iter(devices)),
        "device": next(key for key in fleet.rows("devices") if fleet.vitals(key)),
        "sim": next(iter(fleet.rows("sims"))),
        "product_sim": next(iter(fleet.rows("sims", first))),
        "yesterday": f"{fleet.now:%Y-%m-%dT00:00:00Z}",
    }


def _cases() -> Iterator[Any]:
    for table in TABLES:
        for options in [{}, *NARROWED.get(table, [])]:
            yield pytest.param(
                table, options, id=f"{table}-{'-'.join(f'{k}={v}' for k, v in options.items()) or 'all'}"
            )


@pytest.mark.parametrize(("table", "options"), tuple(_cases()))
def test_every_table_is_exactly_the_ledger(cloud: DeviceCloud, table: str, options: dict[str, str]) -> None:
    names = _names(cloud.fleet)
    filled = {name: value.format(**names) for name, value in options.items()}

    typed = {name: int(value) if name == "max_pages" else value for name, value in filled.items()}

    result = sync(with_token(cloud, **{table: typed}), table)
    paths = {entry.path for entry in cloud.ledger.requests()}

    assert not result.errors
    assert not cloud.ledger.compare(table, filled, result.records[table])
    # `x-endpoint` is prose for people; this keeps it true.
    assert any(_matches(pattern, path) for pattern in catalog.table(table).endpoints for path in paths), paths


def _matches(pattern: str, path: str) -> bool:
    expected, found = pattern.split("/"), path.split("/")
    return len(expected) == len(found) and all(
        part.startswith(":") or part == segment for part, segment in zip(expected, found, strict=True)
    )


@pytest.mark.parametrize(
    "tables",
    [pytest.param(LISTS, id="lists"), pytest.param(TABLES, id="all", marks=pytest.mark.slow)],
)
@pytest.mark.parametrize("behaviour", CLOUDS)
def test_every_table_is_whole_whatever_the_cloud_is_like(
    cloud: DeviceCloud, behaviour: str, tables: tuple[str, ...]
) -> None:
    cloud.switches = CLOUDS[behaviour]
    options = {"diagnostics": {"product_id_or_slug": "*"}, "sim_data_usage": {"product_id_or_slug": "*"}}
    mark = cloud.ledger.mark()

    result = sync(with_token(cloud, **options), *tables)

    assert not result.errors
    differences = [
        cloud.ledger.compare(table, options.get(table), result.records[table], since=mark) for table in tables
    ]
    assert not any(differences), [str(difference) for difference in differences if difference]


@pytest.mark.parametrize("per_page", [1, 7, 99])
@pytest.mark.parametrize("table", ["product_devices", "product_sims"])
def test_the_size_of_pages_changes_nothing(cloud: DeviceCloud, table: str, per_page: int) -> None:
    result = sync(with_token(cloud, **{table: {"per_page": per_page}}), table)

    assert not result.errors
    assert not cloud.ledger.compare(table, {}, result.records[table])


@pytest.mark.parametrize(
    ("workers", "bundled"),
    [(2, False), (32, True), *(pytest.param(*more, marks=pytest.mark.slow) for more in ((2, True), (32, False)))],
)
def test_the_number_of_workers_changes_nothing(cloud: DeviceCloud, workers: int, bundled: bool) -> None:
    result = sync(with_token(cloud, num_workers=workers, plan={"bundled": bundled}), *OF_EACH_KIND)

    assert not result.errors
    assert not any(cloud.ledger.compare(table, {}, result.records[table]) for table in OF_EACH_KIND)


@pytest.mark.parametrize("table", TABLES)
def test_every_record_fits_the_schema_and_has_no_secret(cloud: DeviceCloud, table: str) -> None:
    validator = Draft7Validator(catalog.table(table).schema)

    records = sync(with_token(cloud), table).records[table]

    assert records
    assert not [record for record in records if any(secret in record for secret in SECRETS)]
    # The records of a history are many, and alike.
    assert not [error.message for record in records[:500] for error in validator.iter_errors(record)]


@pytest.mark.parametrize("cap", [pytest.param(25, marks=pytest.mark.slow), 100])
def test_ten_thousand_three_hundred_devices_of_one_product_all_arrive(cap: int) -> None:
    size = FleetSize(products=1, devices=10_300, sims=0, days=0, user_devices=0, user_sims=0, samples=False)
    with DeviceCloud(Fleet.seeded(size), Switches(per_page_cap=cap)) as cloud:
        result = sync(with_token(cloud), "product_devices")

        assert not result.errors
        assert not cloud.ledger.compare("product_devices", {}, result.records["product_devices"])
        assert len(result.records["product_devices"]) == 10_300


def test_max_pages_keeps_the_first_pages_in_the_users_order_and_warns_of_what_it_left_out(cloud: DeviceCloud) -> None:
    product = str(cloud.fleet.product_ids[0])
    count = len(cloud.fleet.rows("devices", int(product)))
    options = {"product_id_or_slug": product, "per_page": 10, "max_pages": 2, "sort_attr": "deviceName"}

    result = sync(with_token(cloud, product_devices=options), "product_devices")

    asked = cloud.ledger.requests("GET /v1/products/:p/devices")
    assert [entry.query["sortAttr"] for entry in asked] == ["deviceName"] * 2
    assert len(result.records["product_devices"]) == 20
    assert f"left out {count - 20} records" in result.warnings


def test_without_max_pages_a_sort_order_is_not_sent(cloud: DeviceCloud) -> None:
    sync(with_token(cloud, product_devices={"sort_attr": "lastConnection", "sort_dir": "desc"}), "product_devices")

    asked = cloud.ledger.requests("GET /v1/products/:p/devices")
    assert {(entry.query["sortAttr"], entry.query["sortDir"]) for entry in asked} == {("deviceId", "asc")}


def test_parents_are_read_once_per_stream_and_once_more_for_what_moves_between_them(cloud: DeviceCloud) -> None:
    sync(with_token(cloud, diagnostics={"product_id_or_slug": "*"}), "diagnostics")

    assert cloud.ledger.count("GET /v1/products") == 1
    assert cloud.ledger.count("GET /v1/devices") == 1
    listed = [
        (entry.path, entry.query["page"], entry.query["per_page"])
        for entry in cloud.ledger.requests("GET /v1/products/:p/devices")
    ]
    assert max(Counter(listed).values()) == 2


@pytest.mark.parametrize(("order", "requests"), [("as asked", 8), ("joined", 11), ("refused", 11)])
def test_sims_are_read_once_where_the_api_sorts_them(order: Any, requests: int) -> None:
    size = FleetSize(products=1, devices=1, sims=50, days=0, user_devices=0, user_sims=0, samples=False)
    with DeviceCloud(Fleet.seeded(size), Switches(sims_order=order)) as cloud:
        result = sync(with_token(cloud, product_sims={"per_page": 10}), "product_sims")

        assert not result.errors
        assert not cloud.ledger.compare("product_sims", {}, result.records["product_sims"])
        served = [entry for entry in cloud.ledger.requests("GET /v1/products/:p/sims") if entry.status == 200]
        assert len(served) == requests


@pytest.mark.parametrize(("status", "is_read"), [(400, True), (422, True), (409, False), (418, False)])
def test_only_refused_parameters_are_left_out(cloud: DeviceCloud, status: int, is_read: bool) -> None:
    cloud.faults.add(Fault("GET /v1/products/:p/sims", query={"sortAttr": "iccid"}, times=None, status=status))
    result = sync(with_token(cloud), "product_sims")
    assert bool(result.errors) is not is_read
    assert not is_read or not cloud.ledger.compare("product_sims", {}, result.records["product_sims"])


@pytest.mark.parametrize("table", ["devices", "sims", "oauth_clients", "products", "diagnostics"])
def test_a_record_that_one_reply_holds_twice_arrives_once(cloud: DeviceCloud, table: str) -> None:
    def twice(body: bytes) -> bytes:
        reply = json.loads(body)
        double = {name: value * 2 if isinstance(value, list) else value for name, value in dict(reply).items()}
        return json.dumps(double).encode()

    def bare_twice(body: bytes) -> bytes:
        return json.dumps(json.loads(body) * 2).encode()

    routes = {"sims": "GET /v1/sims", "oauth_clients": "GET /v1/clients", "products": "GET /v1/products"}
    cloud.faults.add(Fault("GET /v1/devices", times=None, change=bare_twice))
    for route in (*routes.values(), "GET /v1/diagnostics/:id", "GET /v1/products/:p/diagnostics/:id"):
        cloud.faults.add(Fault(route, times=None, change=twice))

    result = sync(with_token(cloud), table)

    assert not result.errors
    assert not cloud.ledger.compare(table, {}, result.records[table])


@pytest.mark.parametrize(
    ("table", "options"),
    [
        ("product_devices", {"product_id_or_slug": "{product},{slug}"}),
        ("diagnostics", {"device_id": "{device},{DEVICE}"}),
        ("diagnostics", {"device_id": "{DEVICE}"}),
        ("diagnostics", {"device_id": "{device},{device_name}"}),
        ("diagnostics", {"device_id": "{PRODUCT_DEVICE},{product_device}", "product_id_or_slug": "{product},{slug}"}),
    ],
)
def test_two_spellings_of_one_thing_are_read_once(cloud: DeviceCloud, table: str, options: dict[str, str]) -> None:
    names = _names(cloud.fleet)
    names |= {"DEVICE": names["device"].upper(), "PRODUCT_DEVICE": names["product_device"].upper()}
    names["device_name"] = cloud.fleet.rows("devices")[names["device"]]["name"]
    filled = {name: value.format(**names) for name, value in options.items()}

    result = sync(with_token(cloud, **{table: filled}), table)

    assert not result.errors
    assert not cloud.ledger.compare(table, filled, result.records[table])
    keys = [tuple(record[name] for name in catalog.table(table).primary_key) for record in result.records[table]]
    assert keys
    assert len(keys) == len(set(keys))


def test_both_spellings_of_the_page_size_are_sent(cloud: DeviceCloud) -> None:
    sync(with_token(cloud), "product_sims")

    for entry in cloud.ledger.requests("GET /v1/products/:p/sims"):
        assert entry.query["per_page"] == entry.query["perPage"] == "100"


def test_a_password_reads_the_same_as_a_token(cloud: DeviceCloud) -> None:
    result = sync(with_password(cloud), *LISTS)

    assert not result.errors
    assert not any(cloud.ledger.compare(table, {}, result.records[table]) for table in LISTS)
    assert cloud.ledger.logins() == 1


def test_a_comparison_with_a_lost_record_would_be_seen(cloud: DeviceCloud) -> None:
    """The comparison that all these tests rest on can fail."""
    records = sync(with_token(cloud), "product_devices").records["product_devices"]

    assert cloud.ledger.compare("product_devices", {}, records[1:])
    assert cloud.ledger.compare("product_devices", {}, [*records, records[0]])
    assert cloud.ledger.compare("product_devices", {}, [{**records[0], "name": "another"}, *records[1:]])
