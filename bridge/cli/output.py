"""What the commands print: tables, trees and JSON to standard output, complaints to standard error."""

import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from rich.console import Console

from bridge.rows.schema import RESCUED_DATA, RESCUED_DATA_COMMENT, kind_of, type_name
from bridge.tables.catalog import JsonSchema, Table


def complain(text: str, style: str = "red") -> None:
    """Print an error, whole and in red where there are colours."""
    Console(stderr=True).print(visible(text), style=style, markup=False, highlight=False, soft_wrap=True)


def print_json(value: Any) -> None:
    """Print a value as JSON."""
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def print_grid(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table."""
    from rich.table import Table as Grid  # noqa: PLC0415  (not every command prints one)
    from rich.text import Text  # noqa: PLC0415

    grid = Grid(*titles)
    for row in rows:
        grid.add_row(*(Text(visible(value)) for value in row))
    Console().print(grid)


def print_tree(table: Table) -> None:
    """Print the columns of a table, a line for each column and field; a pipe gets whole lines, a terminal its width."""
    console = Console()
    properties = {**table.columns, RESCUED_DATA: {"type": "string", "description": RESCUED_DATA_COMMENT}}
    lines = list(_branches(properties, ""))
    names, types = (max(len(line[part]) for line in lines) for part in (0, 1))
    key = ", ".join(table.primary_key)
    for line in (f"{table.name}: {table.description}", f"Key: {key}", *(_line(*line, names, types) for line in lines)):
        shown = line if not console.is_terminal else _cut(line, console.width)
        console.print(shown, markup=False, highlight=False, soft_wrap=True)


def visible(text: str) -> str:
    """Show what a terminal would obey; names of devices are texts of others."""
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)


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
