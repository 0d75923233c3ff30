"""The command `head`."""

from __future__ import annotations

from typing import Annotated

import typer

from bridge.cli.given import AccessToken, AsJson, BaseUrl, Config, Given, GivenOptions, OneTable, Password, Username
from bridge.cli.output import complain, print_columns, print_csv, print_json, print_rows
from bridge.errors import OptionError
from bridge.rows.schema import RESCUED_DATA
from bridge.tables.catalog import table


def show_head(  # noqa: PLR0913, PLR0917  (one parameter is one option of the command line)
    name: OneTable,
    count: Annotated[int, typer.Option("-n", "--rows", min=1, help="Number of rows.")] = 10,
    columns: Annotated[
        str | None,
        typer.Option(help="Columns, separated by commas; a dot selects a field, such as payload.device.power."),
    ] = None,
    config: Config = None,
    option: GivenOptions = None,
    access_token: AccessToken = None,
    username: Username = None,
    password: Password = None,
    base_url: BaseUrl = None,
    as_json: AsJson = False,
    as_csv: Annotated[
        bool, typer.Option("--csv", help="Print CSV; a terminal shows control characters as \\x1b.")
    ] = False,
) -> None:
    """Show some rows of a table. Stops reading once it has them."""
    from bridge.cli.logs import kept_logs  # noqa: PLC0415  (so that other commands start fast)
    from bridge.export.head import head, picked  # noqa: PLC0415

    given = Given.of(config, option, access_token=access_token, username=username, password=password, base_url=base_url)
    if as_json and as_csv:
        raise OptionError("Received --json and --csv; expected one of them.")
    part, paths = table(name), [path for text in (columns or "").split(",") if (path := text.strip())]
    picked([], part, paths)
    with kept_logs(None):
        rows = head(given.connection, name, count, given.tables)
    chosen = picked(rows, part, paths) if paths else rows
    if as_json:
        print_json(chosen)
    elif as_csv:
        print_csv(chosen, list(dict.fromkeys(paths)) if paths else [*part.columns, RESCUED_DATA])
    elif not rows:
        complain(f"{part.name} has no rows.", style="dim")
    elif paths:
        print_columns(chosen, list(dict.fromkeys(paths)))
    else:
        print_rows(chosen, part.primary_key)
