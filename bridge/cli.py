"""Console script `particle-bridge`: the tables, their schemas, what a read costs, and a fleet as Parquet files."""

import json
import os
import signal
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from datetime import date
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml
from rich.console import Console
from rich.status import Status
from rich.table import Table as Grid
from rich.text import Text

from bridge.errors import ConfigurationError, OptionError, ParticleError
from bridge.export.estimate import costs
from bridge.export.sync import TableResult, sync
from bridge.rows.schema import RESCUED_DATA, RESCUED_DATA_COMMENT, type_name
from bridge.tables.catalog import Table, connection_options, credential_names, table, tables

SAMPLE_WIDTH = 120
SEEN_BY_OTHERS = "Better given by the variable: others on this machine can see the command line."
OWN_OPTIONS = {*credential_names(), "base_url"}
OTHERS = [option.name for option in connection_options() if option.is_documented and option.name not in OWN_OPTIONS]

app = typer.Typer(
    help="Read a Particle.io fleet: its tables, their schemas, and all of it as Parquet files.",
    no_args_is_help=True,
    add_completion=False,
    # A traceback with local variables would show passwords.
    pretty_exceptions_enable=False,
)


class Format(str, Enum):
    """How `sync` writes files."""

    PARQUET = "parquet"


def main() -> None:
    """Run `particle-bridge`; what the user has to correct is said in one line, without a traceback."""
    # By default a terminated process leaves without tidying up, and an interrupted one with pages of tracebacks.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda received, _frame: sys.exit(128 + received))
    try:
        app()
    except ParticleError as error:
        Console(stderr=True).print(f"Error: {error}", style="red", markup=False, highlight=False, soft_wrap=True)
        sys.exit(2)


AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("tables")
def show_tables(as_json: AsJson = False) -> None:
    """List the tables, without asking the API."""
    if as_json:
        _print_json([_facts(part) for part in tables().values()])
        return
    grid = Grid("Table", "Ingestion", "Primary key", "Required options", "One row is")
    for part in tables().values():
        keys, required = ", ".join(part.primary_key), ", ".join(part.required_options)
        grid.add_row(part.name, part.ingestion_type, keys, required, part.description)
    Console().print(grid)


@app.command("schema")
def show_schema(name: Annotated[str, typer.Argument(metavar="TABLE")], as_json: AsJson = False) -> None:
    """Show the columns of a table as Spark has them, without asking the API."""
    part = table(name)
    if as_json:
        _print_json({**_facts(part), "columns": _columns(part)})
        return
    grid = Grid("Column", "Type", "Comment")
    for column in _columns(part):
        grid.add_row(column["name"], column["type"], column["comment"])
    Console().print(grid)


Names = Annotated[list[str] | None, typer.Option("--table", help="A table to read; repeat it. Unset: all.")]
Config = Annotated[
    Path | None,
    typer.Option(
        help="YAML or JSON file with the options of the connection and, under tables, those of each table.",
        exists=True,
        dir_okay=False,
    ),
]
GivenOptions = Annotated[
    list[str] | None,
    typer.Option(
        metavar="TABLE.NAME=VALUE",
        help=f"An option of a table, or NAME=VALUE for one of the connection ({', '.join(OTHERS)}); repeat it. "
        "A required option of a table that is not given is *, everything the token can see.",
    ),
]
AccessToken = Annotated[str | None, typer.Option(envvar="PARTICLE_ACCESS_TOKEN", help=SEEN_BY_OTHERS)]
Username = Annotated[str | None, typer.Option(envvar="PARTICLE_USERNAME")]
Password = Annotated[str | None, typer.Option(envvar="PARTICLE_PASSWORD", help=SEEN_BY_OTHERS)]
BaseUrl = Annotated[str | None, typer.Option(envvar="PARTICLE_BASE_URL")]


@app.command("plan")
def show_plan(  # noqa: PLR0913, PLR0917  (one parameter is one option of the command line)
    names: Names = None,
    config: Config = None,
    option: GivenOptions = None,
    access_token: AccessToken = None,
    username: Username = None,
    password: Password = None,
    base_url: BaseUrl = None,
    partitions: Annotated[
        int | None, typer.Option(min=1, help="Into how many a read is split. Unset: this machine's cores, as in sync.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show what a read would cost: requests, partitions, and minutes at the API's limit.

    Asks for the lists of products, devices and SIMs only. Ends with 2 when the options cannot work.
    """
    typed = {"access_token": access_token, "username": username, "password": password, "base_url": base_url}
    connection, table_options = _given(config, option, typed)
    found = list(costs(connection, names or (), table_options, partitions or os.cpu_count() or 1))
    if as_json:
        _print_json([asdict(cost) for cost in found])
        return
    grid = Grid("Table", "Partitions", "Requests", "Minutes at least")
    for cost in found:
        requests = f"{'' if cost.is_counted else 'more than '}{cost.requests}"
        grid.add_row(cost.table, str(cost.partitions), requests, str(cost.minutes_at_least))
    Console().print(grid)


@app.command("sync")
def run_sync(  # noqa: PLR0913, PLR0917  (one parameter is one option of the command line)
    to: Annotated[Path, typer.Option(help="Folder that gets one folder of files per table.", file_okay=False)],
    names: Names = None,
    file_format: Annotated[Format, typer.Option("--format", help="Format of the files.")] = Format.PARQUET,
    config: Config = None,
    option: GivenOptions = None,
    access_token: AccessToken = None,
    username: Username = None,
    password: Password = None,
    base_url: BaseUrl = None,
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Go on with the sync that was begun last: keep the tables that it finished."),
    ] = False,
) -> None:
    """Read tables through Spark and write them as files, replacing those of an earlier sync once new ones are complete.

    Ends with 1 when a table failed (the others are written all the same) and with 2 when the options cannot work.
    """
    assert file_format is Format.PARQUET
    typed = {"access_token": access_token, "username": username, "password": password, "base_url": base_url}
    connection, table_options = _given(config, option, typed)
    console = Console()
    with Status("Starting Spark", console=console) as status:
        on_start, on_end = _progress(console, status)
        results = sync(to, connection, names or (), table_options, resume=resume, on_start=on_start, on_end=on_end)
    _report(console, results)
    if any(result.error for result in results):
        raise typer.Exit(1)


def _given(
    config: Path | None, option: Iterable[str] | None, typed: Mapping[str, str | None]
) -> tuple[dict[str, str], dict[str, dict[str, str]]]:
    """Return the options of the connection and of the tables: those of the file, and over them what was typed."""
    connection, table_options = _read_config(config)
    overriding = {name: value for name, value in typed.items() if value is not None}
    if overriding.keys() & credential_names():
        # Who signs in here does not want half of what the file signs in with.
        connection = {name: value for name, value in connection.items() if name not in credential_names()}
    connection.update(overriding)
    for text in option or ():
        _add_option(text, connection, table_options)
    return connection, table_options


def _progress(console: Console, status: Status) -> tuple[Callable[[str], None], Callable[[TableResult], None]]:
    def on_start(name: str) -> None:
        status.update(f"Reading {name}")

    def on_end(result: TableResult) -> None:
        outcome = "failed" if result.error else f"{'kept, ' if result.is_kept else ''}{result.rows} rows"
        console.print(f"{result.table}: {outcome} in {result.seconds:.1f} s", markup=False, highlight=False)

    return on_start, on_end


def _report(console: Console, results: Iterable[TableResult]) -> None:
    grid = Grid("Table", "Rows", "Seconds", "A row")
    for result in results:
        sample = json.dumps(result.sample, ensure_ascii=False) if result.sample else ""
        shown = sample if len(sample) <= SAMPLE_WIDTH else f"{sample[: SAMPLE_WIDTH - 1]}…"
        grid.add_row(result.table, "failed" if result.error else str(result.rows), f"{result.seconds:.1f}", Text(shown))
    console.print(grid)
    for result in results:
        if result.error:
            console.print(f"{result.table}: {result.error}", style="red", markup=False, highlight=False, soft_wrap=True)


def _add_option(text: str, connection: dict[str, str], table_options: dict[str, dict[str, str]]) -> None:
    name, equals, value = text.partition("=")
    if not equals:
        # What stands there may be a secret whose name was forgotten.
        raise OptionError("An --option has no value; write TABLE.NAME=VALUE, or NAME=VALUE for the connection.")
    part, dot, own = name.partition(".")
    if dot:
        table_options.setdefault(part, {})[own] = value
    else:
        connection[name] = value


def _read_config(path: Path | None) -> tuple[dict[str, str], dict[str, dict[str, str]]]:
    if path is None:
        return {}, {}
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    # A day that no calendar has is a ValueError, brackets without end exhaust the stack.
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        # The parser's own message quotes the line, and with it perhaps a password.
        raise ConfigurationError(f"{path} cannot be read as YAML or JSON ({type(error).__name__}).") from None
    named = document.pop("tables", {}) if isinstance(document, dict) else None
    if not isinstance(named, dict):
        raise ConfigurationError(f"{path} must hold names and values, and under tables those of each table.")
    return _texts(document, path), {name: _texts(values, path) for name, values in named.items()}


def _texts(values: Any, path: Path) -> dict[str, str]:
    """Turn what YAML made of the values back into the texts that options are."""
    if not isinstance(values, dict):
        raise ConfigurationError(f"{path} must hold names and values, and under tables those of each table.")
    for name, value in values.items():
        if not isinstance(value, (str, bool, int, float, date)):
            raise OptionError(f"{path}: the option {name} must have one value; several are separated by commas.")
    return {str(name): value if isinstance(value, str) else _text(value) for name, value in values.items()}


def _text(value: Any) -> str:
    # YAML reads true, 12857 and 2026-01-31 as values of their own; dates are written as the API writes them.
    return value.isoformat() if isinstance(value, date) else json.dumps(value)


def _facts(part: Table) -> dict[str, Any]:
    return {
        "name": part.name,
        "description": part.description,
        "ingestion_type": part.ingestion_type,
        "primary_key": list(part.primary_key),
        "cursor_field": part.cursor_field,
        "endpoints": list(part.endpoints),
        "scope": part.scope,
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


def _print_json(value: Any) -> None:
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
