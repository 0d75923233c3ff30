"""CSV and JSON lines, for tools that read nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bridge.export.formats.sink import Rows
from bridge.rows.schema import arrow_schema

if TYPE_CHECKING:
    import pyarrow as pa  # type: ignore[import-untyped]


class Csv:
    """One file per read, RFC 4180 in UTF-8; nested values are JSON, null is empty, and an empty text is quoted."""

    name = "csv"

    def write(self, rows: Rows, file: Path) -> None:
        """Write the column names and all rows to a new file."""
        import pyarrow as pa  # noqa: PLC0415
        from pyarrow.csv import CSVWriter  # type: ignore[import-untyped]  # noqa: PLC0415

        schema = arrow_schema(rows.table)
        flat = pa.schema([(field.name, pa.string() if _is_nested(field) else field.type) for field in schema])
        with CSVWriter(file, flat) as writer:
            for batch in rows.batches():
                columns = [_json_column(column, field) for column, field in zip(batch.columns, schema, strict=True)]
                writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=flat))


class JsonLines:
    """One file per read, with one JSON object per line that has every column of the table."""

    name = "jsonl"

    def write(self, rows: Rows, file: Path) -> None:
        """Write all rows into a new file."""
        with file.open("w", encoding="utf-8") as lines:
            for batch in rows.batches():
                lines.writelines(f"{_json(row)}\n" for row in plain_rows(batch))


def plain_rows(batch: pa.RecordBatch) -> list[dict[str, Any]]:
    """Return the rows of a batch as JSON values."""
    made = [(field.name, _plain(field.type)) for field in batch.schema]
    return [{name: make(row[name]) for name, make in made} for row in batch.to_pylist()]


def _json_column(column: pa.Array, field: pa.Field) -> pa.Array:
    import pyarrow as pa  # noqa: PLC0415

    if not _is_nested(field):
        return column
    make = _plain(field.type)
    return pa.array([None if value is None else _json(make(value)) for value in column.to_pylist()], pa.string())


def _plain(arrow_type: pa.DataType) -> Callable[[Any], Any]:
    """Return a function that makes JSON values of Arrow's values, where a map is a list of pairs."""
    import pyarrow as pa  # noqa: PLC0415

    if pa.types.is_map(arrow_type):
        item = _plain(arrow_type.item_type)
        return lambda value: None if value is None else {name: item(entry) for name, entry in value}
    if pa.types.is_list(arrow_type):
        item = _plain(arrow_type.value_type)
        return lambda value: None if value is None else [item(entry) for entry in value]
    if pa.types.is_struct(arrow_type):
        parts = [(field.name, _plain(field.type)) for field in arrow_type]
        return lambda value: None if value is None else {name: make(value[name]) for name, make in parts}
    return lambda value: value


def _is_nested(field: pa.Field) -> bool:
    import pyarrow as pa  # noqa: PLC0415

    nested: bool = pa.types.is_nested(field.type)
    return nested


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
