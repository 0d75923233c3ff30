"""The connector of a Lakeflow pipeline against a Device Cloud: what its framework checks, and what it does not."""

import json
import pickle
import pickletools
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import pytest
from pyspark.sql.types import ArrayType, DataType, LongType, MapType, StringType, StructType

from bridge import ParticleLakeflowConnect
from bridge.errors import ConfigurationError, SignInError, TemporaryError
from bridge.reading import reader
from bridge.reading.times import moment_of
from bridge.rows.schema import kind_of
from bridge.tables.catalog import Table, table, tables
from bridge.tables.options import Options
from integration_tests.device_cloud import DeviceCloud, Fault, Fleet, FleetSize, Switches
from integration_tests.device_cloud.estate import org_scope
from unit_tests.support.kinds import few_table_parameters, table_parameters
from unit_tests.support.restoring import alike, restored

ALL = list(tables().values())
# The list that suits an API user, as the bundle for Databricks names it.
FOR_API_USERS = ("products", "product_devices", "product_sims", "diagnostics", "sim_data_usage", "fleet_data_usage")
OWNERS = ("product_id_or_slug", "owner_type", "owner")


@pytest.fixture
def fleet() -> Fleet:
    """Return a fleet that fills every column: some have never been seen with a value, and get one here."""
    fleet = Fleet.seeded(FleetSize(products=2, devices=6, sims=4, user_devices=6, user_sims=4))
    product, organization = fleet.product_ids[0], next(iter(fleet.rows("orgs").values()))
    function = next(iter(fleet.rows("functions")))
    for name, collection, scope in (
        ("devices", "devices", None),
        ("product_devices", "devices", product),
        ("products", "products", None),
        ("sims", "sims", None),
        ("product_sims", "sims", product),
        ("oauth_clients", "clients", None),
        ("product_oauth_clients", "clients", product),
        ("product_firmware", "firmware", product),
        ("product_groups", "groups", product),
        ("organization_team", "team", org_scope(organization["slug"])),
        ("integrations", "integrations", None),
        ("product_integrations", "integrations", product),
        ("ledgers", "ledgers", None),
        ("logic_functions", "functions", None),
        ("logic_runs", "runs", f"function:{function}"),
    ):
        part = table(name)
        key, row = next(iter(fleet.rows(collection, scope).items()))
        names = [name for name in part.columns if row.get(name) is None and name not in (*part.primary_key, *OWNERS)]
        fleet.put(collection, key, {**row, **{name: _sample(part.columns[name]) for name in names}}, scope)
    iccid = next(iter(fleet.rows("sims")))
    fleet.put("usage", iccid, {"iccid": iccid, "usage_by_day": [], "quota": 3, "used": 1})
    return fleet


def given(cloud: DeviceCloud, part: Table, **options: str) -> dict[str, str]:
    signing_in = {} if "username" in options else {"access_token": cloud.token}
    connection = {"base_url": cloud.url, "retry_wait_factor": "0", **signing_in}
    return {**connection, **dict.fromkeys(part.required_options, "*"), "numPartitions": "2", **options}


def rows_of(cloud: DeviceCloud, part: Table, **options: str) -> list[dict[str, Any]]:
    """A whole read, each task with a connector of its own, as on executors, from descriptors that were JSON."""
    merged = given(cloud, part, **options)
    tasks = json.loads(json.dumps(ParticleLakeflowConnect(merged).get_partitions(part.name, merged)))
    return [row for task in tasks for row in ParticleLakeflowConnect(merged).read_partition(part.name, task, merged)]


def key_of(part: Table, record: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(str(record[name]) for name in part.primary_key)


@pytest.mark.parametrize("part", ALL, ids=lambda part: part.name)
def test_partitions_together_are_the_table_each_key_once_and_every_value_as_sent(
    cloud: DeviceCloud, part: Table
) -> None:
    truth = {key_of(part, record): record for record in cloud.ledger.records(part.name, _everything(part))}
    rows = rows_of(cloud, part)
    assert sorted(key_of(part, row) for row in rows) == sorted(truth)
    for row in rows:
        assert alike(truth[key_of(part, row)], restored(row))


@pytest.mark.parametrize("name", FOR_API_USERS)
def test_an_api_user_gets_its_tables_whole_where_a_refusal_is_an_error(cloud: DeviceCloud, name: str) -> None:
    part = table(name)
    truth = cloud.ledger.records(name, _everything(part), access="api_user")
    rows = rows_of(cloud, part, access_token=cloud.api_user_token, on_refused="fail")
    assert rows
    assert sorted(key_of(part, row) for row in rows) == sorted(key_of(part, record) for record in truth)


@pytest.mark.parametrize("part", ALL, ids=lambda part: part.name)
def test_rows_need_no_conversion_that_could_lose_something(cloud: DeviceCloud, part: Table) -> None:
    schema = ParticleLakeflowConnect({}).get_table_schema(part.name, {})
    for row in rows_of(cloud, part):
        assert list(row) == schema.names
        assert fits(row, schema)
        assert json.loads(json.dumps(row)) == row


@pytest.mark.parametrize("part", ALL, ids=lambda part: part.name)
def test_every_column_is_filled_by_some_record(cloud: DeviceCloud, part: Table) -> None:
    # Vitals and usage name a product only where they are read as a product's.
    products = {option.name: "*" for option in part.options if option.name == "product_id_or_slug"}
    rows = rows_of(cloud, part, **products)
    filled = {name for row in rows for name, value in row.items() if value is not None}
    assert set(part.columns) - filled == set()


@pytest.mark.parametrize("part", table_parameters())
def test_reading_from_offset_to_offset_converges_on_the_whole_table(
    cloud: DeviceCloud, part: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    merged = given(cloud, part)
    # No window ends between two calls.
    now = reader.server_time(Options.parse(merged, part).config())
    monkeypatch.setattr(reader, "server_time", lambda _config: now)
    made = ParticleLakeflowConnect(merged)
    starts: list[dict[str, Any] | None] = [None, {}]
    for start in starts:
        records, offset = made.read_table(part.name, start, merged)
        keys = sorted(key_of(part, row) for row in records)
        there = cloud.ledger.records(part.name, _everything(part))
        # A stream leaves for later what can still change.
        if part.changes_for and part.cursor_field:
            until = moment_of(offset["until"])
            there = [record for record in there if moment_of(record[part.cursor_field]) < until]
        assert keys == sorted(key_of(part, record) for record in there)
        assert json.loads(json.dumps(offset)) == offset
        rest, end = made.read_table(part.name, offset, merged)
        assert (list(rest), end) == ([], offset)


def test_who_reads_alone_lists_the_fleet_once(cloud: DeviceCloud) -> None:
    part = table("diagnostics")
    records, _ = ParticleLakeflowConnect(given(cloud, part, numPartitions="8")).read_table(part.name, None, {})
    assert list(records)
    assert cloud.ledger.count("GET /v1/devices") == 1


@pytest.mark.parametrize("part", few_table_parameters())
def test_it_is_pickled_small_before_and_after_each_reading(cloud: DeviceCloud, part: Table) -> None:
    merged = given(cloud, part)
    made = ParticleLakeflowConnect(merged)
    calls: list[Callable[[], object]] = [
        lambda: None,
        lambda: made.read_table_metadata(part.name, merged),
        lambda: list(made.read_table(part.name, None, merged)[0]),
        lambda: [list(made.read_partition(part.name, task, merged)) for task in made.get_partitions(part.name, merged)],
        lambda: next(made.read_partition(part.name, {"part": 0, "parts": 1}, merged)),
    ]
    for call in calls:
        call()
        pickled = pickle.dumps(made)
        assert len(pickled) <= len(pickle.dumps(merged)) + 2_000
        texts = [argument for _, argument, _ in pickletools.genops(pickled) if isinstance(argument, str)]
        # Where a class comes from is among the texts of a pickle.
        assert "bridge.lakeflow.connector" in texts
        assert [text for text in texts if text.startswith(("airbyte_cdk", "source_particle"))] == []


@pytest.mark.parametrize("part", ALL, ids=lambda part: part.name)
def test_nothing_is_asked_before_a_table_is_read(cloud: DeviceCloud, part: Table) -> None:
    before = cloud.ledger.count()
    merged = given(cloud, part)
    made = ParticleLakeflowConnect(merged)
    made.get_table_schema(part.name, merged)
    made.read_table_metadata(part.name, {})
    made.get_partitions(part.name, merged)
    made.read_partition(part.name, {"part": 0, "parts": 1}, merged)
    assert cloud.ledger.count() == before


@pytest.mark.parametrize("part", table_parameters())
def test_the_planner_signs_in_and_no_task_does(cloud: DeviceCloud, part: Table) -> None:
    merged = given(cloud, part, username=cloud.username, password=cloud.password)
    before = cloud.ledger.logins()
    tasks = ParticleLakeflowConnect(merged).get_partitions(part.name, merged)
    assert cloud.ledger.logins() == before + 1
    _forget_logins()
    for task in tasks:
        list(ParticleLakeflowConnect(merged).read_partition(part.name, task, merged))
    assert cloud.ledger.logins() == before + 1


def test_no_task_signs_in_where_tokens_are_revoked_and_the_password_is_changed() -> None:
    with DeviceCloud(Fleet.seeded(FleetSize(products=12, devices=1, sims=0, days=1, samples=False))) as cloud:
        part = table("product_devices")
        merged = given(cloud, part, username=cloud.username, password=cloud.password, numPartitions="12")
        tasks = ParticleLakeflowConnect(merged).get_partitions(part.name, merged)
        cloud.auth.password += "changed"
        cloud.faults.add(Fault("GET /v1/products/:p/devices", times=None, status=401))
        refused = []
        for task in tasks:
            _forget_logins()
            try:
                list(ParticleLakeflowConnect(merged).read_partition(part.name, task, merged))
            except SignInError as error:
                refused.append(str(error))
        assert len(refused) > 5
        assert all("Start the read again" in error for error in refused)
        assert cloud.ledger.logins() == 1


@pytest.mark.parametrize("part", table_parameters(part for part in ALL if part.fans_out))
def test_the_number_of_partitions_changes_nothing(cloud: DeviceCloud, part: Table) -> None:
    one, five = (rows_of(cloud, part, numPartitions=count) for count in ("1", "5"))
    assert sorted(map(json.dumps, one)) == sorted(map(json.dumps, five))


def test_what_was_named_and_is_refused_is_an_error(cloud: DeviceCloud) -> None:
    with pytest.raises(ConfigurationError, match="404"):
        rows_of(cloud, tables()["product_devices"], product_id_or_slug="no-such-product")


def test_a_failure_that_lasts_is_an_error_and_no_row_less(cloud: DeviceCloud) -> None:
    cloud.faults.add(Fault("GET /v1/products/:p/sims", at=2, times=None, status=503))
    try:
        with pytest.raises(TemporaryError, match="table product_sims: "):
            rows_of(cloud, tables()["product_sims"])
    finally:
        cloud.faults.clear()


def _sample(schema: Mapping[str, Any]) -> Any:
    samples = {"integer": 7, "number": 0.5, "boolean": True, "string": "text", "array": [], "map": {}}
    kind = kind_of(schema)
    if kind == "struct":
        return {name: _sample(field) for name, field in schema["properties"].items()}
    return samples[kind]


def fits(value: Any, kind: DataType) -> bool:
    """Return whether a value is one of a Spark type as it is, nothing converted."""
    if value is None:
        return True
    if isinstance(kind, StructType):
        return value != {} and all(fits(value[field.name], field.dataType) for field in kind)
    if isinstance(kind, ArrayType):
        return isinstance(value, list) and all(fits(item, kind.elementType) for item in value)
    if isinstance(kind, MapType):
        return isinstance(value, dict) and all(fits(item, kind.valueType) for item in value.values())
    if isinstance(kind, StringType):
        return isinstance(value, str)
    return isinstance(value, int | float) if kind != LongType() else type(value) is int


def _everything(part: Table) -> dict[str, str]:
    return dict.fromkeys(part.required_options, "*")


def _forget_logins() -> None:
    """Be another process, as a task is."""
    from source_particle.login import forget_accounts  # noqa: PLC0415

    forget_accounts()


@pytest.mark.parametrize("part", few_table_parameters())
def test_the_first_row_costs_only_what_may_be_under_way_at_once(part: Table) -> None:
    """A reader of one row is not made to wait for a fleet, nor the API to serve it."""
    size = FleetSize(products=12, devices=30, sims=8, days=1, samples=False)
    with DeviceCloud(Fleet.seeded(size), Switches(latency=0.05, per_page_cap=1)) as cloud:
        merged = given(cloud, part, num_workers="2", numPartitions="1", product_id_or_slug="*")
        connector = ParticleLakeflowConnect(merged)
        (task,) = connector.get_partitions(part.name, merged)

        rows = connector.read_partition(part.name, task, merged)
        next(rows)
        asked = cloud.ledger.count()
        rows.close()  # type: ignore[attr-defined]

        # The lists of parents with their first page, and two readings at once with two pages ahead of each. What has
        # nothing to show costs more.
        assert asked - sum(entry.status == 404 for entry in cloud.ledger.requests()) <= 12


def test_a_device_that_joins_later_brings_its_past_by_a_batch_read_of_its_own() -> None:
    """A stream reads a new device from its next batch on; what lies before is one read by device_id and start_date."""
    with DeviceCloud(Fleet.seeded(FleetSize(products=1, devices=3, samples=False))) as cloud:
        product = cloud.fleet.product_ids[0]
        late = cloud.fleet.add_device(product)
        past = [cloud.fleet.add_vitals(late, at=cloud.fleet.now - timedelta(days=days)) for days in (20, 10, 2)]
        start = (cloud.fleet.now - timedelta(days=25)).strftime("%Y-%m-%dT%H:%M:%SZ")

        rows = rows_of(cloud, table("diagnostics"), device_id=late, product_id_or_slug=str(product), start_date=start)

        assert {record["updated_at"] for record in past} <= {row["updated_at"] for row in rows}
        assert {row["device_id"] for row in rows} == {late}


def test_vitals_that_become_visible_within_the_time_to_settle_are_read() -> None:
    with DeviceCloud(Fleet.seeded(FleetSize(products=0, user_devices=1, samples=False))) as cloud:
        merged = given(cloud, table("diagnostics"), settle_seconds="60", min_window_seconds="1")
        [device] = cloud.fleet.rows("devices")
        rows, offset = ParticleLakeflowConnect(merged).read_table("diagnostics", None, merged)
        before = [row["updated_at"] for row in rows]
        late = cloud.fleet.add_vitals(device, at=cloud.fleet.clock.now() - timedelta(seconds=30))["updated_at"]
        cloud.fleet.clock.skew += 120

        rows, _ = ParticleLakeflowConnect(merged).read_table("diagnostics", offset, merged)

        after = [row["updated_at"] for row in rows]
        assert late in after
        assert sorted(before + after) == sorted(
            record["updated_at"] for record in cloud.ledger.records("diagnostics", {"device_id": device})
        )
