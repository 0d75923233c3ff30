"""The first rows of a table that arrive, to look at."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping
from contextlib import closing
from typing import Any, cast

from bridge.errors import OptionError, quoted
from bridge.export.selection import wanted_tables
from bridge.reading import reader
from bridge.reading.tasks import descriptors
from bridge.rows.batches import clean_records
from bridge.rows.schema import RESCUED_DATA, kind_of
from bridge.tables.catalog import JsonSchema, Table, table
from bridge.tables.options import Options


def head(
    connection: Mapping[str, str], name: str, count: int, table_options: Mapping[str, Mapping[str, str]] | None = None
) -> list[dict[str, Any]]:
    """Return some rows of a table as JSON values, in no order; stops reading once it has them.

    Raises ConfigurationError, SignInError, TemporaryError or UnexpectedError.
    """
    part = table(name)
    options = Options.parse(wanted_tables(connection, [name], table_options)[part], part)
    token = reader.planner_token(options)
    [task] = descriptors(options, 1)
    read = cast("Generator[Mapping[str, Any]]", reader.read_task(part, options.config(), task, token))
    with closing(read) as records:
        rows = clean_records(records, part)
        return [row for row, _ in zip(rows, range(count), strict=False)]


def picked(rows: Iterable[Mapping[str, Any]], part: Table, columns: Iterable[str]) -> list[dict[str, Any]]:
    """Return the named columns of rows; a dot selects a field of a struct or a key of a map.

    Raises OptionError for a column that the table does not have.
    """
    paths = [path for path in columns if path]
    for path in paths:
        _check_path(part, path)
    return [{path: _at(row, path.split(".")) for path in paths} for row in rows]


def _check_path(part: Table, path: str) -> None:
    first, *names = path.split(".")
    columns: Mapping[str, JsonSchema] = {**part.columns, RESCUED_DATA: {"type": "string"}}
    if first not in columns:
        raise OptionError(f"{part.name} has no column {quoted(first)}; expected one of {', '.join(columns)}.")
    schema, place = columns[first], first
    for name in names:
        kind = kind_of(schema)
        # A map may have any key.
        fields = (
            schema["properties"]
            if kind == "struct"
            else {name: schema["additionalProperties"]}
            if kind == "map"
            else {}
        )
        if name not in fields:
            known = f"expected one of {', '.join(fields)}" if fields else "it has no fields"
            raise OptionError(f"{place} of {part.name} has no field {quoted(name)}; {known}.")
        schema, place = fields[name], f"{place}.{name}"


def _at(value: Any, path: list[str]) -> Any:
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value
