"""`--engine spark` writes what the other engine writes, and adds to it what is new."""

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq  # type: ignore[import-untyped]
from pyspark.sql import SparkSession

from bridge.export.sync import Engine, TableResult, sync
from bridge.tables.catalog import Table, tables
from integration_tests.command.lakes import keys_of
from integration_tests.device_cloud import DeviceCloud
from integration_tests.spark.sessions import truth_of
from unit_tests.support.kinds import one_of_each_shape

# Between the two syncs, a further bucket of time may end.
TABLES = [part for part in one_of_each_shape() if not part.changes_for]


def test_it_writes_the_same_rows_as_the_other_engine(spark: SparkSession, cloud: DeviceCloud, tmp_path: Path) -> None:
    engines: tuple[Engine, ...] = ("arrow", "spark")
    for engine in engines:
        results = _sync(cloud, tmp_path / engine, engine, *(part.name for part in TABLES))
        assert [(result.table, result.error) for result in results if result.error] == []
    for part in TABLES:
        written, expected = (_rows(tmp_path / engine, part) for engine in ("spark", "arrow"))
        assert expected
        assert written == expected, part.name


def test_a_second_run_adds_new_vitals_and_repeats_none(spark: SparkSession, cloud: DeviceCloud, tmp_path: Path) -> None:
    _sync(cloud, tmp_path, "spark", "diagnostics")
    device = truth_of(cloud, tables()["diagnostics"])[0]["device_id"]
    new = cloud.fleet.add_vitals(device)
    cloud.fleet.clock.skew += 3600
    [result] = _sync(cloud, tmp_path, "spark", "diagnostics")
    assert (result.error, result.rows) == (None, 1)
    assert keys_of(tmp_path, "parquet", "diagnostics")[device, new["updated_at"]] == 1


def _sync(cloud: DeviceCloud, folder: Path, engine: Engine, *names: str) -> list[TableResult]:
    connection = {"access_token": cloud.token, "base_url": cloud.url}
    return sync(folder, connection, names, engine=engine)


def _rows(folder: Path, part: Table) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.read_table(folder / part.name).to_pylist()
    return sorted(rows, key=lambda row: [str(row[name]) for name in part.primary_key])
