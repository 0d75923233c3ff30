"""A refused item is an error if the user named it, and skipped and reported if `*` found it."""

from datetime import datetime, timedelta, timezone

import pytest

from bridge.tables.catalog import tables
from integration_tests.airbyte.syncs import sync, with_token
from integration_tests.device_cloud import DeviceCloud, Fault, Fleet, FleetSize, Switches

WHOLE_FLEET = {"product_id_or_slug": "*"}
OF_OWNERS = [part.name for part in tables().values() if "owner_type" in {option.name for option in part.options}]


@pytest.mark.parametrize("table", ["product_devices", "product_sims", "fleet_data_usage"])
def test_a_product_that_is_named_and_unknown_is_an_error_and_the_others_arrive(cloud: DeviceCloud, table: str) -> None:
    product = str(cloud.fleet.product_ids[0])

    result = sync(with_token(cloud, **{table: {"product_id_or_slug": f"no-such-product,{product}"}}), table)

    assert "/v1/products/no-such-product/" in result.errors
    assert "Not found (404)" in result.errors
    expected = cloud.ledger.records(table, {"product_id_or_slug": product})
    assert len(result.records[table]) == len(expected) > 0


def test_an_unknown_device_is_refused_with_403_and_named(cloud: DeviceCloud) -> None:
    result = sync(with_token(cloud, diagnostics={"device_id": "0" * 24}), "diagnostics")

    assert f"/v1/diagnostics/{'0' * 24}" in result.errors
    assert "or the device does not exist" in result.errors


def test_an_unknown_sim_is_an_error(cloud: DeviceCloud) -> None:
    result = sync(with_token(cloud, sim_data_usage={"iccid": "8900000000000000000"}), "sim_data_usage")

    assert "/v1/sims/8900000000000000000/data_usage" in result.errors


def test_a_token_that_only_sees_products_reads_the_fleet_by_them(cloud: DeviceCloud) -> None:
    config = with_token(cloud, diagnostics=WHOLE_FLEET)
    config["credentials"]["access_token"] = cloud.api_user_token

    result = sync(config, "diagnostics")

    assert not result.errors
    assert "the user's own list" in result.warnings
    assert not cloud.ledger.compare("diagnostics", WHOLE_FLEET, result.records["diagnostics"], access="api_user")


def test_a_table_of_a_user_tells_an_api_user_why_it_cannot_be_read(cloud: DeviceCloud) -> None:
    config = with_token(cloud)
    config["credentials"]["access_token"] = cloud.api_user_token

    result = sync(config, "devices")

    assert "An API user cannot read it: it belongs to a user" in result.errors
    assert "API users are not allowed to call this endpoint" in result.errors


@pytest.mark.parametrize("name", ["..", "20001/../..", "20001/sims?x=", "20001%2Fsims", "a\nb"])
def test_a_name_never_reaches_another_endpoint(cloud: DeviceCloud, name: str) -> None:
    result = sync(with_token(cloud, product_devices={"product_id_or_slug": name}), "product_devices")

    assert result.errors
    assert {entry.route for entry in cloud.ledger.requests()} <= {"GET /v1/products/:p/devices"}


def test_an_error_quotes_at_most_256_characters_of_a_reply(cloud: DeviceCloud) -> None:
    cloud.faults.add(Fault("GET /v1/devices", status=400, body='{"error": "%s"}' % ("x" * 10_000), times=None))

    result = sync(with_token(cloud), "devices")

    assert "x" * 256 in result.errors
    assert "x" * 257 not in result.errors


@pytest.mark.parametrize("table", ["products", "product_devices"])
def test_an_api_user_finds_the_products_of_organizations_where_there_is_no_list_of_all(table: str) -> None:
    with DeviceCloud(Fleet.seeded(FleetSize(products=3)), Switches(products_endpoint=False)) as cloud:
        config = with_token(cloud)
        config["credentials"]["access_token"] = cloud.api_user_token

        result = sync(config, table)

        assert not result.errors
        assert result.records[table]
        assert not cloud.ledger.compare(table, {}, result.records[table], access="api_user")
        assert "products: skipped 1 that this token may not read" in result.warnings
        assert "the user's own list (400)" in result.warnings


@pytest.mark.parametrize("date", ["2026-02-30", "2026-13-01T00:00:00Z", "2026-01-01T25:00:00Z"])
@pytest.mark.parametrize("option", ["start_date", "end_date"])
def test_a_date_that_does_not_exist_is_refused_by_name(cloud: DeviceCloud, option: str, date: str) -> None:
    result = sync(with_token(cloud, diagnostics={option: date}), "diagnostics")

    assert f"'{date}' is not a date that exists" in result.errors
    assert cloud.ledger.count("GET /v1/diagnostics/:id") == 0


def _in(**distance: float) -> str:
    return (datetime.now(timezone.utc) + timedelta(**distance)).strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.mark.parametrize("table", [part.name for part in tables().values() if part.cursor_field])
@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"start_date": _in(days=1)}, "is in the future"),
        ({"start_date": "2099-01-01"}, "is in the future"),
        ({"start_date": _in(days=-3), "end_date": _in(days=-4)}, "is not after start_date"),
        ({"start_date": "2026-01-31T00:00:00Z", "end_date": "2026-01-31T01:00:00+01:00"}, "is not after start_date"),
    ],
    ids=["tomorrow", "2099", "ends before it starts", "ends when it starts"],
)
def test_dates_between_which_nothing_can_be_are_refused(
    cloud: DeviceCloud, table: str, options: dict[str, str], reason: str
) -> None:
    result = sync(with_token(cloud, **{table: options}), table, incremental=True)

    assert reason in result.errors
    assert not result.state
    assert cloud.ledger.count() == 0


def test_every_owner_that_was_skipped_is_named(cloud: DeviceCloud) -> None:
    cloud.faults.add(Fault("GET /v1/products/:p/ledgers", status=403, body='{"ok": false, "error": "no"}', times=None))

    result = sync(with_token(cloud), "ledgers")

    assert not result.errors
    names = ", ".join(f"product/{product} (403)" for product in sorted(map(str, cloud.fleet.product_ids)))
    assert names in result.warnings


# Without organizations, nothing is left of their teams: that is an error, as for everything that is refused.
@pytest.mark.parametrize("table", [name for name in OF_OWNERS if name != "organization_team"])
def test_a_refused_list_of_owners_is_skipped_and_named(cloud: DeviceCloud, table: str) -> None:
    cloud.faults.add(Fault("GET /v1/orgs", status=403, body='{"ok": false, "error": "no"}', times=None))

    result = sync(with_token(cloud), table)

    assert not result.errors
    assert result.records[table]
    assert f"{table}: skipped 1 that this token may not read" in result.warnings
    assert "the list of organizations (403)" in result.warnings
