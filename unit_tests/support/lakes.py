"""A lake as a sync writes it, from records as the API sends them."""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]

from bridge.models.lake import Lake
from bridge.rows.batches import record_batches
from bridge.rows.schema import arrow_schema
from bridge.tables.catalog import table

Records = list[dict[str, Any]]
Opener = Callable[..., Lake]
"""Writes tables, each named with its records, and opens them as a lake."""
NOW = datetime(2026, 11, 27, 12, 0, tzinfo=timezone.utc)


def write_table(lake: Path, name: str, records: Iterable[Mapping[str, Any]]) -> None:
    """Write a table of a lake, one Parquet file in a folder of the table's name."""
    part = table(name)
    folder = lake / name
    folder.mkdir(parents=True, exist_ok=True)
    rows = pa.Table.from_batches(list(record_batches(records, part)), arrow_schema(part))
    pq.write_table(rows, folder / "part-0.parquet")


def ago(**age: float) -> str:
    """Return the moment that is so long before NOW."""
    return (NOW - timedelta(**age)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def member(device: str, **more: Any) -> dict[str, Any]:
    """Return a device of product 7."""
    return {"product_id_or_slug": "7", "id": device, "product_id": 7, "platform_id": 13, **more}


def vitals(device_id: str, updated_at: str, **device: Any) -> dict[str, Any]:
    """Return a report of a device."""
    return {"device_id": device_id, "updated_at": updated_at, "payload": {"device": device}}


def ask(lake: Lake, sql: str) -> list[tuple[Any, ...]]:
    """Return the rows of a query."""
    return lake.connection.execute(sql).fetchall()
