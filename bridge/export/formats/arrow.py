"""Shared by the formats written with Arrow: columns with comments, and batches of a good size."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from bridge.rows.schema import RESCUED_DATA, RESCUED_DATA_COMMENT, arrow_schema
from bridge.tables.catalog import Table

if TYPE_CHECKING:
    import pyarrow as pa  # type: ignore[import-untyped]

# The unit that readers of Parquet skip or read; smaller groups compress badly, larger ones take memory.
GROUP_BYTES = 32 * 1024 * 1024
GROUP_ROWS = 122_880


def comments(table: Table) -> dict[str, str]:
    """Return the comment of each column."""
    described = {name: str(schema.get("description", "")) for name, schema in table.columns.items()}
    return {**described, RESCUED_DATA: RESCUED_DATA_COMMENT}


def described_schema(table: Table) -> pa.Schema:
    """Return the Arrow schema of a table with comments, and its key in the metadata."""
    texts = comments(table)
    columns = [field.with_metadata({"comment": texts[field.name]}) for field in arrow_schema(table)]
    facts = {"comment": table.description, "primary_key": ",".join(table.primary_key)}
    import pyarrow as pa  # noqa: PLC0415  (so that the command line starts fast)

    return pa.schema(columns, metadata=facts)


def row_groups(batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> Iterator[pa.Table]:
    """Yield batches joined to the size of a row group."""
    import pyarrow as pa  # noqa: PLC0415

    waiting: list[pa.RecordBatch] = []
    rows = size = 0
    for batch in batches:
        waiting.append(batch)
        rows, size = rows + batch.num_rows, size + batch.nbytes
        if rows >= GROUP_ROWS or size >= GROUP_BYTES:
            yield pa.Table.from_batches(waiting).cast(schema)
            waiting, rows, size = [], 0, 0
    if waiting:
        yield pa.Table.from_batches(waiting).cast(schema)
