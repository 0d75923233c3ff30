"""The models give the same results in DuckDB and in Spark."""

import json
import math
from collections.abc import Iterator
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import Row, SparkSession

from bridge.export.formats.sink import MARK, SYNCED_AT
from bridge.models import models
from bridge.models.lake import Lake, open_lake
from bridge.models.session import create_views
from integration_tests.device_cloud import DeviceCloud, Fleet, FleetSize
from integration_tests.models.lakes import write_lake
from unit_tests.support.paths import ROOT

SIZE = FleetSize(products=3, devices=55, sims=30, days=3, user_devices=5, user_sims=5)
TYPES = {
    "string": str,
    "timestamp": datetime,
    "date": date,
    "bigint": int,
    "int": int,
    "double": float,
    "boolean": bool,
    "array<string>": list,
}


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lake]:
    folder = tmp_path_factory.mktemp("models") / "lake"
    with DeviceCloud(Fleet.seeded(SIZE)) as cloud:
        write_lake(cloud, folder)
    # Silence counts up to when a list was synced.
    mark = folder / "devices" / MARK
    then = datetime.now(timezone.utc) - timedelta(hours=30)
    mark.write_text(json.dumps({**json.loads(mark.read_text()), SYNCED_AT: then.isoformat()}))
    opened = open_lake(folder)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def spark(spark: SparkSession, lake: Lake) -> Iterator[SparkSession]:
    """Yield a session of its own beside the shared one, which has neither its zone nor its views."""
    session = _frugal(spark.newSession())
    session.conf.set("spark.sql.session.timeZone", "UTC")
    for name in lake.synced:
        session.read.parquet(str(lake.path / name)).createOrReplaceTempView(name)
    create_views(session, lake.as_of, lake.synced)
    # Models read each other, and every test would compute them anew.
    for name in (*lake.synced, *models()):
        session.catalog.cacheTable(name)
    yield session
    session.catalog.clearCache()


def _frugal(session: SparkSession) -> SparkSession:
    """Let a session run queries as they are: for a few rows, to compile one or to plan it anew takes longer."""
    session.conf.set("spark.sql.codegen.wholeStage", "false")
    session.conf.set("spark.sql.codegen.factoryMode", "NO_CODEGEN")
    session.conf.set("spark.sql.adaptive.enabled", "false")
    session.conf.set("spark.sql.shuffle.partitions", "1")
    return session


@pytest.mark.parametrize("model", models())
def test_a_model_has_the_same_rows_in_both_engines(model: str, lake: Lake, spark: SparkSession) -> None:
    cursor = lake.connection.execute(f"SELECT * FROM {model}")
    names = [column[0] for column in cursor.description or ()]
    in_duckdb = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    frame = spark.table(model)
    in_spark = [_in_utc(row) for row in frame.collect()]
    assert in_duckdb
    assert frame.columns == names
    assert sorted(map(_comparable, in_spark)) == sorted(map(_comparable, in_duckdb))
    for name, spark_type in frame.dtypes:
        kinds = {type(row[name]) for row in in_duckdb} - {type(None)}
        assert kinds <= {TYPES[spark_type]}, name


def _comparable(row: dict[str, Any]) -> str:
    # Sums of floats depend on the order of the rows.
    return repr([float(f"{value:.9g}") if isinstance(value, float) else value for value in row.values()])


def _in_utc(row: Row) -> dict[str, Any]:
    """Return a row of Spark, which gives times in the zone of this machine."""
    return {
        name: value.astimezone(timezone.utc).replace(tzinfo=None) if isinstance(value, datetime) else value
        for name, value in row.asDict().items()
    }


def _datasets() -> list[tuple[str, str, list[str]]]:
    """Return the datasets of the Databricks dashboard, and what the widgets take from each."""
    board = json.loads((ROOT / "examples" / "databricks" / "fleet.lvdash.json").read_text("utf-8"))
    widgets = [placed["widget"] for page in board["pages"] for placed in page["layout"]]
    queries = [query["query"] for widget in widgets for query in widget.get("queries", ())]
    return [
        (
            dataset["name"],
            "".join(dataset["queryLines"]),
            [
                field["name"]
                for query in queries
                if query["datasetName"] == dataset["name"]
                for field in query["fields"]
            ],
        )
        for dataset in board["datasets"]
    ]


@pytest.mark.parametrize(("name", "query", "fields"), _datasets(), ids=[name for name, *_ in _datasets()])
def test_the_figures_of_the_dashboard_are_those_of_the_report(
    name: str, query: str, fields: list[str], lake: Lake, spark: SparkSession
) -> None:
    in_duckdb = lake.connection.execute(query)
    frame = spark.sql(query)
    assert set(fields) <= set(frame.columns) == {column[0] for column in in_duckdb.description or ()}
    in_spark = sorted(_comparable(_in_utc(row)) for row in frame.collect())
    assert in_spark == sorted(_comparable(dict(zip(frame.columns, row, strict=True))) for row in in_duckdb.fetchall())


def test_every_number_is_finite(lake: Lake) -> None:
    for model in models():
        for row in lake.connection.execute(f"SELECT * FROM {model}").fetchall():
            assert all(math.isfinite(value) for value in row if isinstance(value, float))


@pytest.mark.slow
def test_a_lake_of_one_table_has_all_models(tmp_path: Path, spark: SparkSession) -> None:
    session = _frugal(spark.newSession())
    assert set(create_views(session)) == {"as_of", "loaded_tables", *models()}
    assert session.table("fleet").count() == 0
    assert {row.is_loaded for row in session.table("freshness").collect()} == {False}
