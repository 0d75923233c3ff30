"""The history of product_devices: devices that change, leave, join and return."""

from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pyarrow  # type: ignore[import-untyped]
from deltalake import DeltaTable, QueryBuilder
from pyspark.sql import SparkSession

from examples.snapshot_history.history import update
from integration_tests.device_cloud import DeviceCloud, Fleet, FleetSize
from integration_tests.spark.sessions import load

START = datetime(2026, 1, 1, tzinfo=timezone.utc)
DAYS = [START + timedelta(days=day) for day in range(4)]
Span = tuple[datetime, datetime | None]


def test_rows_are_valid_from_the_snapshot_that_had_them_first_to_the_one_that_lacked_them(
    spark: SparkSession, tmp_path: Path
) -> None:
    folder = str(tmp_path / "history")
    with DeviceCloud(Fleet.seeded(FleetSize(products=1, devices=6, sims=0, samples=False))) as cloud:
        fleet = cloud.fleet
        [product] = fleet.product_ids
        changed, removed, restless, *others = fleet.rows("devices", product)

        def read(at: datetime) -> tuple[int, int]:
            return update(load(spark, cloud, "product_devices"), folder, at)

        assert read(DAYS[0]) == (6, 0)
        record = fleet.rows("devices", product)[changed]
        old_name, gone = record["name"], fleet.rows("devices", product)[removed]
        fleet.put("devices", changed, {**record, "name": "renamed"}, product)
        fleet.remove_device(removed, product)
        fleet.touch(restless, product)
        added = fleet.add_device(product)
        assert read(DAYS[1]) == (2, 2)
        assert read(DAYS[2]) == (0, 0)
        fleet.put("devices", removed, gone, product)
        assert read(DAYS[3]) == (1, 0)

    assert _spans(folder, changed) == [(DAYS[0], DAYS[1]), (DAYS[1], None)]
    assert _names(folder, changed) == [old_name, "renamed"]
    assert _spans(folder, removed) == [(DAYS[0], DAYS[1]), (DAYS[3], None)]
    assert _spans(folder, added) == [(DAYS[1], None)]
    assert {span for device in (restless, *others) for span in _spans(folder, device)} == {(DAYS[0], None)}
    # A snapshot without changes leaves no transaction.
    assert DeltaTable(folder).version() == 2


def _spans(folder: str, device: str) -> list[Span]:
    return [(row["valid_from"], row["valid_to"]) for row in _rows(folder, device)]


def _names(folder: str, device: str) -> list[str]:
    return [row["name"] for row in _rows(folder, device)]


def _rows(folder: str, device: str) -> list[dict[str, Any]]:
    history = QueryBuilder().register("history", DeltaTable(folder))
    query = f"SELECT id, name, valid_from, valid_to FROM history WHERE id = '{device}' ORDER BY valid_from"
    rows: list[dict[str, Any]] = pyarrow.table(history.execute(query)).to_pylist()
    return rows
