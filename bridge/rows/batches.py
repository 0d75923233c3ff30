"""Records → Arrow record batches with the columns of their table, without losing anything.

A column whose values all have its type goes to Arrow as a whole, at a fraction of the cost of checking each value. Any
other column is converted value by value; see `values`. What does not fit, and every field that the schema does not
know, goes into the column `_rescued_data`, a JSON object keyed by path.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

from bridge.rows.schema import RESCUED_DATA, arrow_schema
from bridge.rows.values import Entries, Rescued, coercer, json_text, quoted_name
from bridge.tables.catalog import Table

if TYPE_CHECKING:
    import pyarrow as pa  # type: ignore[import-untyped]

Record = Mapping[str, Any]

MAX_ROWS = 10_000
MAX_BYTES = 8 * 1024 * 1024
# A query for a few rows stops after the first batch; each further one may hold twice as many rows.
FIRST_ROWS = 10
# Rows in Python's memory at once; fewer if they are large.
ROWS_AT_ONCE = 1_000
# Few, because each of them may be large.
WEIGHED_AT_ONCE = 4


def record_batches(records: Iterable[Record], table: Table, max_rows: int = MAX_ROWS) -> Iterator[pa.RecordBatch]:
    """Yield the records of a table in record batches of at most `max_rows` rows or about 8 MB, whichever is first.

    The first ones are small. Pulls no more records than the requested batch holds; an empty table yields no batch.
    """
    convert, rest, wanted = batch_converter(table), iter(records), FIRST_ROWS
    while parts := list(_parts(rest, convert, min(wanted, max_rows))):
        yield _joined(parts)
        wanted *= 2


def _parts(
    records: Iterator[Record], convert: Callable[[Sequence[Record]], pa.RecordBatch], max_rows: int
) -> Iterator[pa.RecordBatch]:
    """Yield the parts of one batch, only one of which is in Python's memory at a time."""
    count = size = 0
    while at_once := _up_to(records, min(ROWS_AT_ONCE, max_rows - count), MAX_BYTES - size):
        part = convert(at_once)
        count, size = count + part.num_rows, size + part.nbytes
        yield part


def _up_to(records: Iterator[Record], max_rows: int, max_bytes: int) -> list[Record]:
    """Return up to `max_rows` records of about `max_bytes` in total; their JSON is about as large as Arrow's form."""
    taken: list[Record] = []
    weight = 0
    while weight < max_bytes and (some := list(islice(records, min(WEIGHED_AT_ONCE, max_rows - len(taken))))):
        taken += some
        weight += len(json_text(some))
    return taken


def clean_records(records: Iterable[Record], table: Table) -> Iterator[dict[str, Any]]:
    """Yield the records of a table as rows: dictionaries whose values have the types of their columns.

    For code that converts dictionaries itself, but less carefully.
    """
    names, convert = [*table.columns, RESCUED_DATA], row_converter(table)
    for record in records:
        yield {name: _plain(value) for name, value in zip(names, convert(record), strict=True)}


def batch_converter(table: Table) -> Callable[[Sequence[Record]], pa.RecordBatch]:
    """Return a function that converts records into one record batch, `_rescued_data` last."""
    import pyarrow as pa  # noqa: PLC0415  (so that the catalog and the CLI's help start fast)

    from bridge.rows.arrow_arrays import MisfitError, column_of  # noqa: PLC0415  (imports pyarrow)

    schema, known, empty = arrow_schema(table), frozenset(table.columns), dict.fromkeys(table.columns)
    columns = [(schema.field(name).type, coercer(part), quoted_name(name)) for name, part in table.columns.items()]

    def convert(records: Sequence[Record]) -> pa.RecordBatch:
        # Known fields come first and in order, so that a column is what all records have at one place.
        filled = [{**empty, **record} for record in records]
        rescued: list[Rescued] = [_unknown(record, known) if len(record) > len(empty) else {} for record in filled]
        arrays = []
        by_place = zip(*map(dict.values, filled), strict=False)
        for (arrow_type, coerce, path), values in zip(columns, by_place, strict=False):
            try:
                arrays.append(column_of(values, arrow_type))
            except MisfitError:
                fitted = (
                    None if value is None else coerce(value, path, misfits)
                    for value, misfits in zip(values, rescued, strict=True)
                )
                arrays.append(pa.array(list(fitted), arrow_type))
        texts = [json_text(misfits) if misfits else None for misfits in rescued]
        return pa.RecordBatch.from_arrays([*arrays, pa.array(texts, pa.string())], schema=schema)

    return convert


def row_converter(table: Table) -> Callable[[Record], tuple[Any, ...]]:
    """Return a function that converts one record into the values of its row, `_rescued_data` last."""
    columns = [(name, coercer(schema), quoted_name(name)) for name, schema in table.columns.items()]
    known = frozenset(table.columns)

    def convert(record: Record) -> tuple[Any, ...]:
        rescued = _unknown(record, known)
        get = record.get
        row = [None if (value := get(name)) is None else coerce(value, path, rescued) for name, coerce, path in columns]
        row.append(json_text(rescued) if rescued else None)
        return tuple(row)

    return convert


def _unknown(record: Record, known: frozenset[str]) -> Rescued:
    if record.keys() <= known:
        return {}
    # In the order of the record: that of a set differs between processes, and so would the text of an unchanged row.
    return {quoted_name(name): value for name, value in record.items() if name not in known}


def _plain(value: Any) -> Any:
    if isinstance(value, Entries):
        return {key: _plain(entry) for key, entry in value}
    if isinstance(value, dict):
        return {key: _plain(entry) for key, entry in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list) else value


def _joined(parts: list[pa.RecordBatch]) -> pa.RecordBatch:
    import pyarrow as pa  # noqa: PLC0415

    return pa.Table.from_batches(parts).combine_chunks().to_batches()[0]
