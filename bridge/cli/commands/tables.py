"""The commands `tables` and `schema`, which need no network."""

from typing import Any

from bridge.cli.given import AsJson, OneTable
from bridge.cli.output import line_width, print_grid, print_json, print_tree
from bridge.rows.schema import RESCUED_DATA, RESCUED_DATA_COMMENT, type_name
from bridge.tables.catalog import Table, table, tables

WIDE = 140


def show_tables(as_json: AsJson = False) -> None:
    """List the tables. A wide terminal shows keys and options, too. Needs no network."""
    if as_json:
        print_json([_facts(part) for part in tables().values()])
        return
    titles = ["Table", "Ingestion", "Primary key", "Required options", "What it holds"]
    rows = [
        [
            part.name,
            part.ingestion_type,
            ", ".join(part.primary_key),
            ", ".join(part.required_options),
            f"{part.description} On request: {part.on_request}." if part.on_request else part.description,
        ]
        for part in tables().values()
    ]
    if line_width() < WIDE:
        titles, rows = [titles[0], titles[-1]], [[row[0], row[-1]] for row in rows]
    print_grid(titles, rows)


def show_schema(name: OneTable, as_json: AsJson = False) -> None:
    """Show the columns of a table, with nested fields as a tree. Needs no network."""
    part = table(name)
    if as_json:
        print_json({**_facts(part), "columns": _columns(part)})
        return
    print_tree(part)


def _facts(part: Table) -> dict[str, Any]:
    return {
        "name": part.name,
        "description": part.description,
        "ingestion_type": part.ingestion_type,
        "on_request": part.on_request,
        "primary_key": list(part.primary_key),
        "cursor_field": part.cursor_field,
        "endpoints": list(part.endpoints),
        "scope": part.scope,
        "serves_api_users": part.serves_api_users,
        "options": {
            option.name: {"required": option.required, "description": option.description} for option in part.options
        },
    }


def _columns(part: Table) -> list[dict[str, str]]:
    columns = [
        {"name": name, "type": type_name(schema), "comment": schema.get("description", "")}
        for name, schema in part.columns.items()
    ]
    return [*columns, {"name": RESCUED_DATA, "type": "string", "comment": RESCUED_DATA_COMMENT}]
