"""Snapshots of product_devices → a Delta table with the period in which each state of a device was valid.

    python -m examples.snapshot_history.history FOLDER

adds a snapshot to the table in FOLDER, a slowly changing dimension of type 2. When a device changes, its row is closed
and a new one opened; when it is removed, its row is closed.
"""

import os
import sys
from datetime import datetime, timezone
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]
from deltalake import DeltaTable, QueryBuilder, write_deltalake
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as f

import bridge
from bridge.tables.catalog import table

KEY = list(table("product_devices").primary_key)
# These change with every message of a device; comparing them would open a row for every device in every run.
VOLATILE = ("last_heard", "last_handshake_at", "last_ip_address", "online", "connected", "_rescued_data")


def main(folder: str) -> None:
    """Add a snapshot of all products that the token can see."""
    spark = SparkSession.builder.appName("snapshot-history").getOrCreate()
    bridge.register(spark)
    connection = {
        "access_token": os.environ["PARTICLE_ACCESS_TOKEN"],
        "base_url": os.environ.get("PARTICLE_BASE_URL", "https://api.particle.io"),
    }
    particle = spark.read.format("particle").options(**connection)
    at = datetime.now(timezone.utc)
    opened, closed = update(particle.option("product_id_or_slug", "*").load("product_devices"), folder, at)
    print(f"{opened} rows opened, {closed} closed.")
    spark.stop()


def update(snapshot: DataFrame, folder: str, at: datetime) -> tuple[int, int]:
    """Update the history in `folder` with a snapshot; return how many rows it opened and how many it closed.

    The columns of the snapshot are followed by `content`, a digest of the compared columns, and by `valid_from` and
    `valid_to`: the `at` of the first snapshot with the row and of the first one without it (null: still valid). All
    changes are one transaction, so an interrupted run leaves the history unchanged. `at` must be later than in the last
    run.
    """
    rows = _rows(snapshot, at)
    if not DeltaTable.is_deltatable(folder):
        write_deltalake(folder, rows)
        return rows.num_rows, 0
    history = DeltaTable(folder)
    before, now = _digests(_valid(history)), _digests(rows)
    closed = [key for key, content in before.items() if now.get(key) != content]
    opened = rows.filter(pa.array([before.get(key) != content for key, content in now.items()], pa.bool_()))
    if closed or opened.num_rows:
        _apply(history, pa.concat_tables([_marked(_keys(closed, rows.schema, at), False), _marked(opened, True)]))
    return opened.num_rows, len(closed)


def _rows(snapshot: DataFrame, at: datetime) -> pa.Table:
    """Return the rows that the snapshot would open in the history."""
    compared = f.to_json(f.struct(*(name for name in snapshot.columns if name not in VOLATILE)))
    rows = snapshot.withColumn("content", f.sha2(compared, 256)).toArrow()
    moment = pa.timestamp("us", "UTC")
    rows = rows.append_column("valid_from", pa.array([at] * rows.num_rows, moment))
    return rows.append_column("valid_to", pa.nulls(rows.num_rows, moment))


def _valid(history: DeltaTable) -> pa.Table:
    # Not with to_pyarrow_dataset: its threads call Python, and abort the process if they still do when it ends.
    query = f"SELECT {', '.join(KEY)}, content FROM history WHERE valid_to IS NULL"  # noqa: S608  (names of columns)
    return pa.table(QueryBuilder().register("history", history).execute(query))


def _digests(rows: pa.Table) -> dict[tuple[Any, ...], str]:
    columns = [rows.column(name).to_pylist() for name in (*KEY, "content")]
    return {tuple(key): content for *key, content in zip(*columns, strict=True)}


def _keys(keys: list[tuple[Any, ...]], schema: pa.Schema, at: datetime) -> pa.Table:
    """Return rows with only a key and the time of the change."""
    rows = [{**dict(zip(KEY, key, strict=True)), "valid_from": at} for key in keys]
    return pa.Table.from_pylist(rows, schema)


def _marked(rows: pa.Table, opens: bool) -> pa.Table:
    return rows.append_column("opens", pa.array([opens] * rows.num_rows, pa.bool_()))


def _apply(history: DeltaTable, changes: pa.Table) -> None:
    same = [*(f"row.{name} = change.{name}" for name in KEY), "row.valid_to IS NULL", "NOT change.opens"]
    names = [name for name in changes.column_names if name != "opens"]
    (
        history.merge(changes, " AND ".join(same), source_alias="change", target_alias="row")
        .when_matched_update({"valid_to": "change.valid_from"})
        .when_not_matched_insert({name: f"change.{name}" for name in names}, predicate="change.opens")
        .execute()
    )


if __name__ == "__main__":
    main(sys.argv[1])
