"""The commands of `particle-bridge`, and those that need no network."""

from typing import Annotated, Any

import typer

from bridge.cli.given import AsJson, OneTable
from bridge.cli.output import line_width, print_grid, print_json, print_tree
from bridge.cli.reading import show_check, show_head, show_plan
from bridge.cli.reporting import run_report
from bridge.cli.syncing import run_sync
from bridge.rows.schema import RESCUED_DATA, RESCUED_DATA_COMMENT, type_name
from bridge.tables.catalog import Table, table, tables

WIDE = 140
EXIT_CODES = """
Exit codes: 0 success · 1 some tables failed, the others were written · 2 correct the command line or the
configuration · 3 the API refused the account or the token · 4 try again later: the API, the network or another sync ·
5 please report the message · 6 a condition of report --fail-if is met · 129, 130 and 143 interrupted.
"""

app = typer.Typer(
    help="Read a Particle.io fleet: show its tables, or save them as files or in a database.",
    epilog=EXIT_CODES,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode=None,
    # A traceback with local variables would show passwords.
    pretty_exceptions_enable=False,
)


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version  # noqa: PLC0415  (so that the other commands start fast)

        typer.echo(f"particle-bridge {version('source-particle')}")
        raise typer.Exit


@app.callback()
def _options(
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    pass


@app.command("tables")
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


@app.command("schema")
def show_schema(name: OneTable, as_json: AsJson = False) -> None:
    """Show the columns of a table, with nested fields as a tree. Needs no network."""
    part = table(name)
    if as_json:
        print_json({**_facts(part), "columns": _columns(part)})
        return
    print_tree(part)


app.command("check")(show_check)
app.command("head")(show_head)
app.command("plan")(show_plan)
app.command("sync")(run_sync)
app.command("report")(run_report)


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
