"""Records → Arrow record batches: each value into the type of its column, and nothing lost on the way.

A value of another type is converted where that loses nothing (`"5"` → 5, 5.0 → 5, true → `"true"`, an object in a
string column → its JSON text). What still does not fit, and every field that the schema does not know, goes into the
column `_rescued_data`: a JSON object by path, such as `{"payload.device.power.battery.charge":{"err":-210}}`. A path is
written as Spark writes it: parts joined by dots, an index for an item of an array, backticks around a name that holds
a dot.

The schema is compiled into nested functions once, because a fleet has millions of values and one schema.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal
from itertools import islice
from typing import TYPE_CHECKING, Any

from bridge.catalog import JsonSchema, Table
from bridge.schema import RESCUED_DATA, arrow_schema, kind_of

if TYPE_CHECKING:
    import pyarrow as pa  # type: ignore[import-untyped]

Record = Mapping[str, Any]
Rescued = dict[str, Any]
# Gives the value for the column; what did not fit is put under the path and the column gets null there.
Coercer = Callable[[Any, str, Rescued], Any]

MAX_ROWS = 10_000
MAX_BYTES = 8 * 1024 * 1024
# So many rows are in Python's memory at once; only what is already Arrow can be weighed.
ROWS_AT_ONCE = 250

LONG_MIN, LONG_MAX = -(2**63), 2**63 - 1
EXACT_IN_DOUBLE = 2**53
# A number as JSON writes it, so that "007", "+7" and "" stay the texts they are; longer ones would lose digits anyway.
JSON_NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,40})(\.[0-9]{1,40})?([eE][+-]?[0-9]{1,3})?")
JSON_INTEGER = re.compile(r"-?[1-9][0-9]{0,18}|0")


def record_batches(records: Iterable[Record], table: Table, max_rows: int = MAX_ROWS) -> Iterator[pa.RecordBatch]:
    """Turn the records of a table into record batches of at most `max_rows` rows or about 8 MB, whichever is first.

    Pulls no more records than the batch it is asked for holds; an empty table gives no batch.
    """
    import pyarrow as pa  # noqa: PLC0415  (so that the catalog and the CLI's help start fast)

    schema, convert = arrow_schema(table), row_converter(table)
    rows = (convert(record) for record in records)
    parts: list[pa.RecordBatch] = []
    count = size = 0
    while at_once := list(islice(rows, min(ROWS_AT_ONCE, max_rows - count))):
        columns = zip(*at_once, strict=True)
        part = pa.RecordBatch.from_arrays(
            [pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)], schema=schema
        )
        parts.append(part)
        count, size = count + part.num_rows, size + part.nbytes
        if count >= max_rows or size >= MAX_BYTES:
            yield _joined(parts)
            parts, count, size = [], 0, 0
    if parts:
        yield _joined(parts)


def clean_records(records: Iterable[Record], table: Table) -> Iterator[dict[str, Any]]:
    """Turn the records of a table into dictionaries that are rows already: each value of its column's type.

    For readers that convert values themselves and lose some on the way: no empty object stands for a struct, what is in
    a string column is a string, and nothing is left that needs a guess.
    """
    names, convert = [*table.columns, RESCUED_DATA], row_converter(table)
    for record in records:
        yield {name: _plain(value) for name, value in zip(names, convert(record), strict=True)}


def row_converter(table: Table) -> Callable[[Record], tuple[Any, ...]]:
    """Compile the function that turns one record into the values of its row, `_rescued_data` last."""
    columns = [(name, _coercer(schema), _quoted(name)) for name, schema in table.columns.items()]
    known = frozenset(table.columns)

    def convert(record: Record) -> tuple[Any, ...]:
        rescued: Rescued = {}
        get = record.get
        row = [None if (value := get(name)) is None else coerce(value, path, rescued) for name, coerce, path in columns]
        if not record.keys() <= known:
            rescued.update((_quoted(name), record[name]) for name in record.keys() - known)
        row.append(_json(rescued) if rescued else None)
        return tuple(row)

    return convert


class _Entries(list[tuple[str, Any]]):
    """A map as Arrow takes it, told apart from an array."""


def _plain(value: Any) -> Any:
    if isinstance(value, _Entries):
        return {key: _plain(entry) for key, entry in value}
    if isinstance(value, dict):
        return {key: _plain(entry) for key, entry in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list) else value


def _joined(parts: list[pa.RecordBatch]) -> pa.RecordBatch:
    import pyarrow as pa  # noqa: PLC0415

    return pa.Table.from_batches(parts).combine_chunks().to_batches()[0]


def _coercer(schema: JsonSchema) -> Coercer:
    match kind_of(schema):
        case "struct":
            return _struct(schema["properties"])
        case "map":
            return _map(_coercer(schema["additionalProperties"]))
        case "array":
            return _array(_coercer(schema["items"]))
        case scalar:
            return _SCALARS[scalar]


def _long(value: Any, path: str, rescued: Rescued) -> int | None:
    number: int | None = None
    if type(value) is int:
        number = value
    elif (isinstance(value, float) and value.is_integer()) or (
        isinstance(value, str) and JSON_INTEGER.fullmatch(value)
    ):
        number = int(value)
    if number is not None and LONG_MIN <= number <= LONG_MAX:
        return number
    rescued[path] = value
    return None


def _double(value: Any, path: str, rescued: Rescued) -> float | None:
    if isinstance(value, float):
        return value
    if type(value) is int and -EXACT_IN_DOUBLE <= value <= EXACT_IN_DOUBLE:
        return float(value)
    if isinstance(value, str) and JSON_NUMBER.fullmatch(value):
        number = float(value)
        if Decimal(repr(number)) == Decimal(value):
            return number
    rescued[path] = value
    return None


def _boolean(value: Any, path: str, rescued: Rescued) -> bool | None:
    if isinstance(value, bool):
        return value
    rescued[path] = value
    return None


def _string(value: Any, path: str, rescued: Rescued) -> str | None:
    if type(value) is str and value.isascii():
        return value
    if not isinstance(value, str):
        return _json(value)
    if _is_unicode(value):
        return value
    rescued[path] = value
    return None


_SCALARS: dict[str, Coercer] = {"integer": _long, "number": _double, "boolean": _boolean, "string": _string}


def _struct(properties: Mapping[str, JsonSchema]) -> Coercer:
    fields = [(name, _coercer(schema), f".{_quoted(name)}") for name, schema in properties.items()]
    known = frozenset(properties)

    def coerce(value: Any, path: str, rescued: Rescued) -> dict[str, Any] | None:
        if not isinstance(value, dict):
            rescued[path] = value
            return None
        if not value:
            return None
        if not value.keys() <= known:
            rescued.update((f"{path}.{_quoted(name)}", value[name]) for name in value.keys() - known)
        get = value.get
        return {
            name: None if (field := get(name)) is None else coerce_field(field, path + suffix, rescued)
            for name, coerce_field, suffix in fields
        }

    return coerce


def _map(coerce_value: Coercer) -> Coercer:
    def coerce(value: Any, path: str, rescued: Rescued) -> _Entries | None:
        if not isinstance(value, dict):
            rescued[path] = value
            return None
        entries = _Entries()
        for key, entry in value.items():
            entry_path = f"{path}.{_quoted(key)}"
            if _is_unicode(key):
                entries.append((key, None if entry is None else coerce_value(entry, entry_path, rescued)))
            else:
                rescued[entry_path] = entry
        return entries

    return coerce


def _array(coerce_item: Coercer) -> Coercer:
    def coerce(value: Any, path: str, rescued: Rescued) -> list[Any] | None:
        if not isinstance(value, list):
            rescued[path] = value
            return None
        return [
            None if item is None else coerce_item(item, f"{path}.{index}", rescued) for index, item in enumerate(value)
        ]

    return coerce


def _quoted(name: str) -> str:
    return name if name and "." not in name and "`" not in name else f"`{name.replace('`', '``')}`"


def _json(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    # Half a surrogate pair is legal in JSON and nowhere else: it can only be passed on escaped.
    return text if _is_unicode(text) else json.dumps(value, separators=(",", ":"))


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
