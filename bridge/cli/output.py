"""What the commands print: tables, trees and JSON to standard output, errors to standard error."""

import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bridge.cli.streams import is_unicode
from bridge.rows.schema import RESCUED_DATA, RESCUED_DATA_COMMENT, kind_of, type_name
from bridge.tables.catalog import JsonSchema, Table

if TYPE_CHECKING:
    from rich.console import Console

LONGEST_CELL = 40
CELL_BORDER = 3
ANY_WIDTH = 10_000


def _console(**options: Any) -> "Console":
    from rich.console import Console  # noqa: PLC0415  (slow to import, and not every command needs it)

    return Console(**options)


def complain(text: str, style: str = "red") -> None:
    """Print a message to standard error, unwrapped, and in colour if possible."""
    _console(stderr=True).print(visible(text), style=style, markup=False, highlight=False, soft_wrap=True)


def say(text: str) -> None:
    """Print a line of text without wrapping it."""
    _console().print(visible(text), markup=False, highlight=False, soft_wrap=True)


def print_json(value: Any) -> None:
    """Print a value as JSON; characters that a terminal might obey are escaped, which leaves the data the same."""
    text = json.dumps(value, indent=2, ensure_ascii=not is_unicode(sys.stdout))
    lines = (line if line.isprintable() else _escaped(line) for line in text.split("\n"))
    sys.stdout.write("\n".join(lines) + "\n")


def line_width() -> int:
    """Return how many characters a line of standard output holds; a file or a pipe holds any line."""
    console = _console()
    # A shell without a terminal may set COLUMNS to 0.
    return (console.width if console.is_terminal or os.environ.get("COLUMNS") else 0) or ANY_WIDTH


def print_grid(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table."""
    from rich.table import Table as Grid  # noqa: PLC0415  (not every command prints one)
    from rich.text import Text  # noqa: PLC0415

    grid = Grid(*titles)
    # What a row is about can be copied whole; the other columns share the rest of the line.
    grid.columns[0].no_wrap = True
    for row in rows:
        grid.add_row(*(Text(visible(value)) for value in row))
    _console(width=line_width()).print(grid)


def print_rows(rows: Sequence[Mapping[str, Any]], key: Sequence[str]) -> None:
    """Print rows as a table with as many columns as fit a line: the key first, without empty ones."""
    filled = [name for name in rows[0] if any(row[name] is not None for row in rows)]
    columns = sorted(filled, key=lambda name: name not in key)
    longest = {name: max(map(len, [name, *(_cell(row[name]) for row in rows)])) for name in columns}
    widths = {name: min(LONGEST_CELL, length) + CELL_BORDER for name, length in longest.items()}
    shown: list[str] = []
    left = line_width() - 1
    for name in columns:
        left -= widths[name]
        if shown and left < 0:
            break
        shown.append(name)
    print_columns(rows, shown)
    if rest := columns[len(shown) :]:
        columns_left = "more column" if len(rest) == 1 else "more columns"
        complain(f"{len(rest)} {columns_left}, shown with --columns: {', '.join(rest)}", style="dim")
    if empty := len(rows[0]) - len(filled):
        are_empty = "column is empty" if empty == 1 else "columns are empty"
        complain(f"{empty} {are_empty} in {'this row' if len(rows) == 1 else 'these rows'}.", style="dim")


def print_columns(rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> None:
    """Print the named columns of rows as a table, also empty ones."""
    print_grid(names, ([_cell(row[name]) for name in names] for row in rows))


def print_csv(rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> None:
    """Print rows as CSV; nested values are JSON.

    A file or a pipe gets the data unchanged. A terminal might obey control characters, so they are spelled out there.
    """
    import csv  # noqa: PLC0415

    shown = visible if sys.stdout.isatty() else str
    lines = csv.writer(sys.stdout)
    lines.writerow(columns)
    lines.writerows([shown(_text(row[name])) for name in columns] for row in rows)


def print_tree(table: Table) -> None:
    """Print the columns of a table, one line per column and field; lines are cut to the width of a terminal."""
    console = _console()
    properties = {**table.columns, RESCUED_DATA: {"type": "string", "description": RESCUED_DATA_COMMENT}}
    lines = list(_branches(properties, ""))
    names, types = (max(len(line[part]) for line in lines) for part in (0, 1))
    key = ", ".join(table.primary_key)
    for line in (f"{table.name}: {table.description}", f"Key: {key}", *(_line(*line, names, types) for line in lines)):
        shown = line if not console.is_terminal else _cut(line, console.width)
        console.print(shown, markup=False, highlight=False, soft_wrap=True)


def visible(text: str) -> str:
    """Return text with control characters spelled out, because names of devices are foreign text."""
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)


def _escaped(text: str) -> str:
    return "".join(letter if letter.isprintable() else json.dumps(letter)[1:-1] for letter in text)


def _cell(value: Any) -> str:
    text = visible(_text(value))
    return text if len(text) <= LONGEST_CELL else f"{text[: LONGEST_CELL - 1]}…"


def _text(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _branches(properties: Mapping[str, JsonSchema], indent: str) -> Iterator[tuple[str, str, str]]:
    for number, (name, schema) in enumerate(properties.items(), 1):
        is_last = number == len(properties)
        inner, brackets = schema, ""
        while kind_of(inner) == "array":
            inner, brackets = inner["items"], f"{brackets}[]"
        is_struct = kind_of(inner) == "struct"
        shown = f"struct{brackets}" if is_struct else type_name(schema)
        yield f"{indent}{'└─' if is_last else '├─'} {name}", shown, str(schema.get("description", ""))
        if is_struct:
            yield from _branches(inner["properties"], f"{indent}{'   ' if is_last else '│  '}")


def _line(name: str, type_shown: str, comment: str, names: int, types: int) -> str:
    return f"{name:<{names}}  {type_shown:<{types}}  {comment}".rstrip()


def _cut(line: str, width: int) -> str:
    return line if len(line) <= width else f"{line[: width - 1]}…"
