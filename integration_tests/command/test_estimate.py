"""The requests that `particle-bridge plan` estimates are those that the server receives."""

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict

import pytest

import bridge
import docs.costs
from bridge import cli
from bridge.errors import ConfigurationError
from bridge.export.estimate import Cost, costs
from bridge.reading import reader
from bridge.tables.catalog import Table, table
from integration_tests.device_cloud import DeviceCloud, Fleet, FleetSize, Switches
from integration_tests.spark.sessions import options_for
from unit_tests.support.kinds import table_parameters

PARTITIONS = 3
# The API does not say how many pages these have.
UNCOUNTED = {"location_history", "ledger_versions"}
# What a plan, as a sync, asks before everything else.
TOKEN = "/v1/access_tokens/current"
# Without the samples, some of whose devices are in two lists and count twice.
SIZE = FleetSize(products=2, devices=250, sims=120, user_devices=5, user_sims=3, days=1, samples=False)


@pytest.fixture(scope="module")
def fleet() -> Iterator[DeviceCloud]:
    """Two products whose lists have several pages."""
    with DeviceCloud(Fleet.seeded(SIZE)) as cloud:
        yield cloud


def cost_of(cloud: DeviceCloud, part: Table, **options: str) -> Cost:
    cloud.reset()
    given = {"access_token": cloud.token, "base_url": cloud.url}
    [found] = costs(given, [part.name], {part.name: options}, PARTITIONS)
    return found


def sent_by_a_read(cloud: DeviceCloud, part: Table, **options: str) -> int:
    cloud.reset()
    given = options_for(cloud, part, numPartitions=str(PARTITIONS), **options)
    connector = bridge.ParticleLakeflowConnect(given)
    for task in connector.get_partitions(part.name, {}):
        list(connector.read_partition(part.name, task, {}))
    return cloud.ledger.count()


@pytest.mark.parametrize("part", table_parameters())
def test_the_requests_are_those_of_the_read(fleet: DeviceCloud, part: Table) -> None:
    found = cost_of(fleet, part)
    lists = (
        "products",
        "devices",
        "sims",
        "customers",
        "locations",
        "orgs",
        "ledgers",
        "instances",
        "agreements",
        "functions",
    )
    asked = {entry.route.removeprefix("GET ") for entry in fleet.ledger.requests()}
    assert not [path for path in asked - {TOKEN} if not path.endswith(lists)]
    # A task whose products are all refused asks for one of the others, to tell that from a missing scope.
    refused = len(fleet.ledger.skipped(part.name, dict.fromkeys(part.required_options, "*")))
    sent = sent_by_a_read(fleet, part)
    assert found.requests <= sent
    assert sent <= found.requests + refused or not found.is_counted
    assert found.partitions == (PARTITIONS if part.fans_out else 1)
    assert found.is_counted == (part.name not in UNCOUNTED)


@pytest.mark.parametrize("options", [{"per_page": "50"}, {"max_pages": "1"}, {"product_id_or_slug": "20001"}], ids=str)
def test_options_of_the_table_count(fleet: DeviceCloud, options: dict[str, str]) -> None:
    part = table("product_devices")
    assert cost_of(fleet, part, **options).requests == sent_by_a_read(fleet, part, **options)


def test_the_first_page_of_each_list_is_enough(fleet: DeviceCloud) -> None:
    cost_of(fleet, table("product_devices"))
    assert fleet.ledger.count() - fleet.ledger.count(f"GET {TOKEN}") == 1 + SIZE.products


def test_uncounted_pages_are_reported_as_more(fleet: DeviceCloud) -> None:
    fleet.switches = Switches(total_pages=False)
    try:
        found = cost_of(fleet, table("product_devices"))
    finally:
        fleet.switches = Switches()
    assert not found.is_counted
    assert found.requests == PARTITIONS + SIZE.products


@pytest.mark.parametrize(("requests", "minutes"), [(1, 0), (10_000, 0), (10_001, 5), (101_000, 50)])
def test_beyond_the_limit_it_takes_minutes(
    fleet: DeviceCloud, monkeypatch: pytest.MonkeyPatch, requests: int, minutes: int
) -> None:
    monkeypatch.setattr(reader, "count_requests", lambda _table, _config: (0, [requests]))
    assert cost_of(fleet, table("product_devices")).minutes_at_least == minutes


def test_the_command_shows_it(
    fleet: DeviceCloud, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["--base-url", fleet.url, "--access-token", fleet.token, "--partitions", "2", "--table", "diagnostics"]
    for more in ([], ["--json"]):
        monkeypatch.setattr(sys, "argv", ["particle-bridge", "plan", *given, *more])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        assert not ended.value.code
    table_shown, _, as_json = capsys.readouterr().out.partition("{")
    planned = json.loads("{" + as_json)
    [cost], total = planned["tables"], planned["total"]
    assert total == {**cost, "table": "total"}
    connection = {"access_token": fleet.token, "base_url": fleet.url}
    assert [cost] == [asdict(found) for found in costs(connection, ["diagnostics"], partitions=2)]
    assert "diagnostics" in table_shown
    assert f"{cost['requests']:,}" in table_shown


def test_a_table_that_the_token_may_not_read_is_listed_unless_it_was_named(fleet: DeviceCloud) -> None:
    fleet.reset()
    given = {"access_token": fleet.api_user_token, "base_url": fleet.url}
    found = {cost.table: cost.refused for cost in costs(given)}
    assert found["product_devices"] is None
    assert "API user" in str(found["user"])
    with pytest.raises(ConfigurationError, match="cannot read the table user"):
        list(costs(given, ["user"]))


def test_the_costs_in_the_documentation_are_those_of_a_plan() -> None:
    documented = {cost.table: cost.counts[0] for cost in docs.costs.costs() if cost.counts}
    assert documented["diagnostics"] > documented["product_devices"] > documented["fleet_data_usage"]
    size = FleetSize(products=1, devices=1_000, sims=1_000, user_devices=0, user_sims=0, days=1, samples=False)
    with DeviceCloud(Fleet.seeded(size)) as cloud:
        given = {"access_token": cloud.token, "base_url": cloud.url}
        assert {cost.table: cost.requests for cost in costs(given, documented)} == documented
