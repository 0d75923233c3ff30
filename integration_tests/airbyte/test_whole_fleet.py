"""`*` means everything that the token can reach, each once; only the API's own refusals leave something out."""

import json
import logging

import pytest

from bridge.tables.catalog import tables
from integration_tests.airbyte.syncs import Config, sync, with_token
from integration_tests.device_cloud import DeviceCloud, Fault
from integration_tests.device_cloud.faults import HTML
from source_particle.source import SourceParticle
from unit_tests.support.kinds import one_of_each_kind

BY_ENTITY = {"diagnostics": "device_id", "sim_data_usage": "iccid"}
NO = json.dumps({"ok": False, "error": "No."})


def as_api_user(cloud: DeviceCloud, token: str) -> Config:
    """A configuration with the token of an API user."""
    return {**with_token(cloud), "credentials": {"auth_type": "access_token", "access_token": token}}


@pytest.mark.parametrize("table", BY_ENTITY)
@pytest.mark.parametrize("given", [None, "*"])
def test_a_plain_sync_reads_the_devices_and_sims_of_every_product(
    cloud: DeviceCloud, table: str, given: str | None
) -> None:
    result = sync(with_token(cloud, **({table: {BY_ENTITY[table]: given}} if given else {})), table)

    assert not result.errors
    everything = {"product_id_or_slug": "*"}
    assert not cloud.ledger.compare(table, everything, result.records[table])
    assert any(record["product_id_or_slug"] for record in result.records[table])
    assert any(not record.get("product_id_or_slug") for record in result.records[table])


@pytest.mark.parametrize("table", BY_ENTITY)
def test_an_api_user_reads_the_devices_and_sims_of_products_without_an_option(cloud: DeviceCloud, table: str) -> None:
    result = sync(as_api_user(cloud, cloud.api_user_token), table)

    assert not result.errors
    assert "the user's own list (400)" in result.warnings
    assert result.records[table]
    assert not cloud.ledger.compare(table, {}, result.records[table], access="api_user")


@pytest.mark.parametrize(("status", "body"), [(403, HTML), (404, "")])
def test_a_firewalls_page_is_no_refusal(cloud: DeviceCloud, status: int, body: str) -> None:
    route = "GET /v1/products/:p/diagnostics/:id"
    cloud.faults.add(Fault(route, at=6, times=None, status=status, body=body, content_type="text/html"))

    result = sync(with_token(cloud), "diagnostics")

    assert f"The reply (status {status}) is not what this endpoint promises" in result.errors


@pytest.mark.parametrize("status", [403, 404])
def test_a_firewalls_page_that_passes_costs_no_record(cloud: DeviceCloud, status: int) -> None:
    cloud.faults.add(Fault("GET /v1/products/:p/devices", at=2, times=3, status=status, body=HTML))

    result = sync(with_token(cloud), "product_devices")

    assert not result.errors
    assert not cloud.ledger.compare("product_devices", {}, result.records["product_devices"])


LISTS = [
    ("diagnostics", "GET /v1/devices"),
    ("sim_data_usage", "GET /v1/sims"),
    ("products", "GET /v1/user/products"),
    ("products", "GET /v1/orgs"),
    ("products", "GET /v1/orgs/:o/products"),
]


@pytest.mark.parametrize("status", [400, 409, 418])
@pytest.mark.parametrize(("table", "route"), LISTS)
def test_only_403_and_404_leave_a_list_out(cloud: DeviceCloud, table: str, route: str, status: int) -> None:
    cloud.faults.add(Fault("GET /v1/products", times=None, status=404, body=NO))
    cloud.faults.add(Fault(route, times=None, status=status, body=NO))
    everything = {table: {"product_id_or_slug": "*"}} if table in BY_ENTITY else {}

    assert "No." in sync(with_token(cloud, **everything), table).errors


@pytest.mark.parametrize("headers", [{"Location": "http://127.0.0.1:9/"}, {}], ids=["elsewhere", "nowhere"])
@pytest.mark.parametrize(("table", "route"), LISTS)
def test_a_list_that_redirects_is_not_left_out(
    cloud: DeviceCloud, table: str, route: str, headers: dict[str, str]
) -> None:
    cloud.faults.add(Fault("GET /v1/products", times=None, status=404, body=NO))
    empty = '{"sims": [], "products": [], "organizations": []}' if table != "diagnostics" else "[]"
    cloud.faults.add(Fault(route, times=None, status=302, body=empty, headers=headers))
    everything = {table: {"product_id_or_slug": "*"}} if table in BY_ENTITY else {}

    assert sync(with_token(cloud, **everything), table).errors


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, '{"ok": false, "error": "Timed out.", "sims": []}'),
        (200, '{"error": "Timed out.", "sims": []}'),
        (202, '{"sims": []}'),
        (206, '{"sims": []}'),
        (302, '{"sims": []}'),
    ],
)
def test_an_empty_list_beside_an_error_is_no_answer(cloud: DeviceCloud, status: int, body: str) -> None:
    cloud.faults.add(Fault("GET /v1/sims", times=None, status=status, body=body))

    assert "is not what this endpoint promises" in sync(with_token(cloud), "sims").errors


@pytest.mark.parametrize(
    ("table", "more"),
    [
        ("product_devices", set()),
        ("fleet_data_usage", set()),
        ("diagnostics", {"devices:list"}),
        ("ledger_instances", set()),
        ("ledger_instances", {"ledgers:list"}),
        ("ledger_versions", {"ledgers:list"}),
        ("logic_runs", set()),
        ("service_agreement_notifications", set()),
    ],
)
def test_a_table_that_is_refused_everywhere_is_not_empty(cloud: DeviceCloud, table: str, more: set[str]) -> None:
    # The API user has what it takes to list the fleet and lacks the table's own scope.
    token = cloud.issue_token(scopes={"products:list", *more}, api_user=True)

    result = sync(as_api_user(cloud, token), table)

    assert not result.records.get(table)
    assert f"{table}: the API refused everything that * found" in result.errors
    assert "scope" in result.errors


def test_a_refusal_fails_where_the_user_says_so(cloud: DeviceCloud) -> None:
    cloud.faults.add(Fault("GET /v1/products/:p/devices", at=2, times=None, status=403, body=NO))

    skipped = sync(with_token(cloud), "product_devices")
    failed = sync(with_token(cloud, on_refused="fail"), "product_devices")

    assert not skipped.errors
    assert "skipped" in skipped.warnings
    assert "because on_refused is fail" in failed.errors


@pytest.mark.parametrize("table", ["product_sims", "sim_data_usage", "fleet_data_usage"])
def test_a_product_without_sims_fails_nothing(cloud: DeviceCloud, table: str) -> None:
    result = sync(with_token(cloud, on_refused="fail"), table)

    assert not result.errors
    assert result.records[table]


@pytest.mark.parametrize(
    ("route", "status"), [("GET /v1/products/:p/diagnostics/:id", 403), ("GET /v1/products/:p/devices", 404)]
)
def test_a_gateways_json_is_no_refusal(cloud: DeviceCloud, route: str, status: int) -> None:
    body = json.dumps({"message": "Forbidden"})
    cloud.faults.add(Fault(route, at=3, times=None, status=status, body=body))

    result = sync(with_token(cloud), "diagnostics")

    assert "is not one of the API's errors" in result.errors


def test_every_device_that_was_skipped_is_named(cloud: DeviceCloud) -> None:
    cloud.faults.add(Fault("GET /v1/products/:p/diagnostics/:id", at=2, times=None, status=403, body=NO))

    result = sync(with_token(cloud), "diagnostics")

    paths = [entry.path for entry in cloud.ledger.requests() if entry.status == 403]
    assert len(paths) > 50
    assert [path for path in paths if path.rpartition("/")[2] not in result.warnings] == []


def discovered(config: Config) -> list[str]:
    """The streams that discover offers."""
    source = SourceParticle(config)
    return [stream.name for stream in source.discover(logging.getLogger("airbyte"), config).streams]


def test_discover_offers_what_the_token_can_read_and_says_what_it_cannot(
    cloud: DeviceCloud, caplog: pytest.LogCaptureFixture
) -> None:
    assert discovered(with_token(cloud)) == list(tables())

    offered = discovered(as_api_user(cloud, cloud.api_user_token))

    assert offered == [name for name, table in tables().items() if table.serves_api_users]
    assert (
        "The stream devices is not offered, because the token cannot read it: the token belongs to an API user"
        in caplog.text
    )
    some = [part.name for part in one_of_each_kind() if part.name in offered]
    result = sync(as_api_user(cloud, cloud.api_user_token), *some)
    assert not result.errors
    for name in some:
        assert not cloud.ledger.compare(name, {}, result.records[name], access="api_user")


def test_discover_tells_of_the_scope_that_is_missing(cloud: DeviceCloud, caplog: pytest.LogCaptureFixture) -> None:
    token = cloud.issue_token(scopes={"products:list", "devices:list"}, api_user=True)

    assert "diagnostics" not in discovered(as_api_user(cloud, token))
    assert "the token lacks the scope devices.diagnostics:get" in caplog.text


def test_discover_offers_everything_where_the_api_cannot_be_asked(
    cloud: DeviceCloud, caplog: pytest.LogCaptureFixture
) -> None:
    assert discovered(as_api_user(cloud, "mistyped")) == list(tables())
    assert "All streams are offered" in caplog.text
