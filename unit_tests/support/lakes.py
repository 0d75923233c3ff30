"""A lake as a sync writes it, from records as the API sends them."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]

from bridge.rows.batches import record_batches
from bridge.rows.schema import arrow_schema
from bridge.tables.catalog import table


def write_table(lake: Path, name: str, records: Iterable[Mapping[str, Any]]) -> None:
    """Write a table of a lake, one Parquet file in a folder of the table's name."""
    part = table(name)
    folder = lake / name
    folder.mkdir(parents=True, exist_ok=True)
    rows = pa.Table.from_batches(list(record_batches(records, part)), arrow_schema(part))
    pq.write_table(rows, folder / "part-0.parquet")
