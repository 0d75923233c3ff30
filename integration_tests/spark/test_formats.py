"""The format `lakeflow_connect`, how reads are split, and filters that narrow requests."""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pyspark.sql.datasource
import pytest
from pyspark.errors import AnalysisException, PySparkException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.functions import col

import bridge
from bridge.reading.times import iso_ms
from bridge.tables.catalog import table, tables
from integration_tests.device_cloud import DeviceCloud, FleetSize
from integration_tests.spark.sessions import assert_same, load, options_for, truth_of

pytestmark = pytest.mark.fleet(FleetSize(products=2, devices=6, user_devices=6, sims=3, samples=False))

DIAGNOSTICS = table("diagnostics")
VITALS = "GET /v1/diagnostics/:id"
PRODUCT_VITALS = "GET /v1/products/:p/diagnostics/:id"
PUSH_DOWN = "spark.sql.python.filterPushdown.enabled"


# Versions of Spark before 4.1 have no filters to offer.
@pytest.fixture(params=[False, *([True] if hasattr(pyspark.sql.datasource, "Filter") else [])])
def pushed(spark: SparkSession, request: pytest.FixtureRequest) -> Iterator[bool]:
    """Whether the session offers filters, which may change after the formats were registered."""
    spark.conf.set(PUSH_DOWN, str(not request.param).lower())
    bridge.register(spark)
    spark.conf.set(PUSH_DOWN, str(request.param).lower())
    yield request.param
    spark.conf.unset(PUSH_DOWN)


def connect(spark: SparkSession, cloud: DeviceCloud, name: str, **options: str) -> DataFrame:
    part = tables().get(name)
    connection = options_for(cloud, part) if part else {"access_token": cloud.token, "base_url": cloud.url}
    given = {"databricks.connection": "c", "tableName": name, **connection, **options}
    return spark.read.format("lakeflow_connect").options(**given).load()


# ---- the framework's format ----


def test_a_table_is_read_by_the_frameworks_option_names(spark: SparkSession, cloud: DeviceCloud) -> None:
    part = table("product_devices")
    assert_same(part, connect(spark, cloud, part.name).collect(), truth_of(cloud, part))


def test_the_metadata_table_tells_keys_cursors_and_ingestion_types(spark: SparkSession, cloud: DeviceCloud) -> None:
    names = ["diagnostics", "devices"]
    configs = json.dumps({"diagnostics": {"device_id": "*"}})
    frame = connect(spark, cloud, "_community_table_metadata", tableNameList=json.dumps(names), tableConfigs=configs)
    assert [row.asDict() for row in frame.collect()] == [
        {
            "tableName": "diagnostics",
            "primary_keys": ["device_id", "updated_at"],
            "cursor_field": "updated_at",
            "ingestion_type": "append",
        },
        {"tableName": "devices", "primary_keys": ["id"], "cursor_field": None, "ingestion_type": "snapshot"},
    ]
    assert cloud.ledger.count() == 0


def test_the_other_virtual_tables(spark: SparkSession, cloud: DeviceCloud) -> None:
    found = connect(spark, cloud, "_community_tables").collect()
    assert [(row.namespace, row.tableName) for row in found] == [([], name) for name in sorted(tables())]
    assert connect(spark, cloud, "_community_namespaces").collect() == []


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("_community_table", {}, "There is no table '_community_table'; expected one of _community_table_metadata, "),
        ("devices", {"isDeleteFlow": "true"}, "isDeleteFlow asks for deleted rows"),
    ],
)
def test_what_cannot_be_read_is_refused_at_load(
    spark: SparkSession, cloud: DeviceCloud, name: str, options: dict[str, str], message: str
) -> None:
    with pytest.raises(AnalysisException, match=message):
        connect(spark, cloud, name, **options)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("_community_table_metadata", {"tableNameList": "devices"}, "for option tableNameList; expected JSON like"),
        ("_community_table_metadata", {"tableNameList": '["device"]'}, "There is no table 'device'"),
        ("_community_tables", {"namespace": "[]"}, "have no namespaces"),
    ],
)
def test_a_virtual_table_with_options_that_cannot_work_is_an_error(
    spark: SparkSession, cloud: DeviceCloud, name: str, options: dict[str, str], message: str
) -> None:
    with pytest.raises(PySparkException, match=message):
        connect(spark, cloud, name, **options).collect()


def test_the_frameworks_format_streams_too(spark: SparkSession, cloud: DeviceCloud, tmp_path: Path) -> None:
    given = {**options_for(cloud, DIAGNOSTICS), "tableName": "diagnostics"}
    frame = spark.readStream.format("lakeflow_connect").options(**given).load()
    writer = frame.writeStream.format("parquet").option("path", str(tmp_path / "files"))
    query = writer.option("checkpointLocation", str(tmp_path / "checkpoint")).trigger(availableNow=True).start()
    query.awaitTermination()
    assert_same(DIAGNOSTICS, spark.read.parquet(str(tmp_path / "files")).collect(), truth_of(cloud, DIAGNOSTICS))


# ---- how reads are split ----


@pytest.mark.parametrize(
    ("name", "options", "count"),
    [
        ("diagnostics", {}, 2),
        ("diagnostics", {"numPartitions": "5"}, 5),
        ("devices", {}, 1),
        ("devices", {"numPartitions": "5"}, 1),
    ],
)
def test_a_read_has_as_many_tasks_as_the_session_runs_at_once_or_as_the_option_says(
    spark: SparkSession, cloud: DeviceCloud, name: str, options: dict[str, str], count: int
) -> None:
    assert load(spark, cloud, name, **options).rdd.getNumPartitions() == count


# ---- filters ----


def test_a_device_is_asked_for_alone_where_a_filter_names_it(
    spark: SparkSession, cloud: DeviceCloud, pushed: bool
) -> None:
    truth = truth_of(cloud, DIAGNOSTICS)
    device = truth[0]["device_id"]
    rows = load(spark, cloud, "diagnostics").where(col("device_id").isin(device, "nobody's")).collect()
    assert_same(DIAGNOSTICS, rows, [record for record in truth if record["device_id"] == device])
    asked = {
        entry.path.rpartition("/")[2] for route in (VITALS, PRODUCT_VITALS) for entry in cloud.ledger.requests(route)
    }
    assert (asked == {device}) == pushed


def test_a_time_filter_narrows_the_request_and_spark_still_checks_each_row(
    spark: SparkSession, cloud: DeviceCloud, pushed: bool
) -> None:
    since = iso_ms(cloud.fleet.clock.now() - timedelta(hours=24))
    rows = load(spark, cloud, "diagnostics").where(col("updated_at") >= since).collect()
    assert_same(DIAGNOSTICS, rows, [row for row in truth_of(cloud, DIAGNOSTICS) if row["updated_at"] >= since])
    starts = {entry.query["start_date"] for entry in cloud.ledger.requests(VITALS)}
    assert (min(starts) > iso_ms(cloud.fleet.clock.now() - timedelta(days=3))) == pushed


def test_filters_never_replace_an_option(spark: SparkSession, cloud: DeviceCloud, pushed: bool) -> None:
    read = spark.read.format("particle").options(access_token=cloud.token, base_url=cloud.url)
    with pytest.raises(AnalysisException, match="needs the option product_id_or_slug"):
        read.load("product_devices").where("product_id_or_slug = '1'")
    part = table("product_devices")
    one, other = map(str, cloud.fleet.product_ids)
    frame = load(spark, cloud, part.name, product_id_or_slug=one)
    assert frame.where(col("product_id_or_slug") == other).collect() == []
    rows = load(spark, cloud, part.name).where(col("product_id_or_slug") == other).collect()
    assert_same(part, rows, [row for row in truth_of(cloud, part) if row["product_id_or_slug"] == other])


def test_a_device_in_two_products_stays_with_the_one_it_was_found_in_first(
    spark: SparkSession, cloud: DeviceCloud, pushed: bool
) -> None:
    frame = load(spark, cloud, "diagnostics", product_id_or_slug="*")
    other = str(cloud.fleet.product_ids[1])
    rows = frame.where(col("product_id_or_slug") == other).collect()
    truth = truth_of(cloud, DIAGNOSTICS, product_id_or_slug="*")
    assert_same(DIAGNOSTICS, rows, [row for row in truth if row["product_id_or_slug"] == other])
    paths = {entry.path.split("/")[3] for entry in cloud.ledger.requests(PRODUCT_VITALS)}
    assert (paths == {other}) == pushed
