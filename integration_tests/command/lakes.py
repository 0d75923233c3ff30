"""What a sync has written, read back as JSON values by other tools, and the truth to compare it with."""

import csv
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.dataset as ds  # type: ignore[import-untyped]
import pytest
from deltalake import DeltaTable

from bridge.export.formats.text import plain_rows
from bridge.export.sync import Observer, sync
from bridge.reading.times import iso_ms, moment_of
from bridge.rows.schema import arrow_schema
from bridge.tables.catalog import Table, table
from bridge.tables.options import Options
from integration_tests.device_cloud import DeviceCloud

Record = dict[str, Any]


def target(folder: Path, file_format: str) -> Path:
    """Return where a sync of a format writes to."""
    return folder / ("fleet.duckdb" if file_format == "duckdb" else "lake")


class InterruptingAt(Observer):
    """Stops a sync where it comes to a table, as Ctrl-C would."""

    def __init__(self, table: str) -> None:
        self._table = table

    def on_start(self, options: Options) -> None:
        if options.table.name == self._table:
            raise KeyboardInterrupt


def interrupted_sync(to: Path, connection: Mapping[str, str], names: list[str], **given: Any) -> None:
    """Sync tables, and stop before the last of them."""
    with pytest.raises(KeyboardInterrupt):
        sync(to, connection, names, observer=InterruptingAt(names[-1]), **given)


def rows_of(to: Path, file_format: str, name: str) -> list[Record]:
    """Return all rows of a table."""
    return _READ[file_format](to, table(name))


def keys_of(to: Path, file_format: str, name: str) -> Counter[tuple[str, ...]]:
    """Return how often each key is there."""
    return counted(table(name), rows_of(to, file_format, name))


def counted(part: Table, records: Iterable[Mapping[str, Any]]) -> Counter[tuple[str, ...]]:
    """Return how often each key of a table occurs."""
    return Counter(tuple(str(record[name]) for name in part.primary_key) for record in records)


def truth_of(cloud: DeviceCloud, name: str, until: str | None = None, **options: str) -> list[Record]:
    """Return what a table holds, of one that grows what is before a moment."""
    part = table(name)
    records = cloud.ledger.records(name, {**dict.fromkeys(part.required_options, "*"), **options})
    if until is None:
        return records
    return [record for record in records if moment_of(record[part.cursor_field or ""]) < moment_of(until)]


def days_ago(cloud: DeviceCloud, days: float) -> str:
    """Return a moment by the API's clock."""
    return iso_ms(cloud.fleet.clock.now() - timedelta(days=days))


def _parquet(to: Path, part: Table) -> list[Record]:
    files = ds.dataset(to / part.name, format="parquet", partitioning="hive", exclude_invalid_files=False)
    return plain_rows(files.to_table())


def _delta(to: Path, part: Table) -> list[Record]:
    return plain_rows(DeltaTable(to / part.name).to_pyarrow_table())


def _duckdb(to: Path, part: Table) -> list[Record]:
    with duckdb.connect(str(to), read_only=True) as database:
        return plain_rows(database.table(part.name).to_arrow_table())


def _jsonl(to: Path, part: Table) -> list[Record]:
    lines = [line for path in _files(to, part, "jsonl") for line in path.read_text(encoding="utf-8").split("\n")]
    return [json.loads(line) for line in lines if line]


def _csv(to: Path, part: Table) -> list[Record]:
    """Read what a spreadsheet would, with each text as the JSON value of its column."""
    types = {field.name: field.type for field in arrow_schema(part)}
    rows = []
    for path in _files(to, part, "csv"):
        with path.open(encoding="utf-8", newline="") as lines:
            rows += [{name: _cell(text, types[name]) for name, text in row.items()} for row in csv.DictReader(lines)]
    return rows


def _cell(text: str, arrow_type: pa.DataType) -> Any:
    if text == "":
        return None
    return text if pa.types.is_string(arrow_type) else json.loads(text)


def _files(to: Path, part: Table, ending: str) -> list[Path]:
    return sorted((to / part.name).rglob(f"*.{ending}"))


_READ = {"parquet": _parquet, "delta": _delta, "duckdb": _duckdb, "csv": _csv, "jsonl": _jsonl}
