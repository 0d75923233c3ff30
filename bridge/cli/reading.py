"""The commands that send requests and write nothing."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from bridge.cli.given import (
    AccessToken,
    AllTables,
    AsJson,
    BaseUrl,
    Config,
    Exclude,
    Given,
    GivenOptions,
    MoreTables,
    OneTable,
    Password,
    Tables,
    Username,
)
from bridge.cli.output import complain, print_columns, print_csv, print_grid, print_json, print_rows, say
from bridge.errors import OptionError
from bridge.rows.schema import RESCUED_DATA
from bridge.tables.catalog import table

if TYPE_CHECKING:
    from bridge.export.check import Check


def show_check(  # noqa: PLR0913, PLR0917  (one parameter is one option of the command line)
    config: Config = None,
    option: GivenOptions = None,
    access_token: AccessToken = None,
    username: Username = None,
    password: Password = None,
    base_url: BaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Show the account of the token, the tables it can read, the size of the fleet, and the cost of a full read.

    Sends at most 15 requests. Exits with 3 if the API refuses the account or the token, and with 4 if it does not
    answer.
    """
    from bridge.cli.logs import kept_logs  # noqa: PLC0415  (so that other commands start fast)
    from bridge.export.check import check  # noqa: PLC0415

    given = Given.of(config, option, access_token=access_token, username=username, password=password, base_url=base_url)
    with kept_logs(None):
        found = check(given.connection, given.tables)
    if as_json:
        print_json(asdict(found))
        return
    unknown = "not known"
    whose = found.username or ("an API user" if found.scopes else unknown)
    lines = {
        "Address": found.base_url,
        "Account": whose,
        "Token valid until": found.expires_at or "unknown",
        "Scopes": ", ".join(found.scopes) or "all (a user's own token)",
        "Products": unknown if found.products is None else f"{found.products:,}",
        "Devices": unknown if found.devices is None else f"about {found.devices:,}",
        "SIMs of products": unknown if found.sims is None else f"at most {found.sims:,}",
        "A full read": unknown if found.requests is None else _cost(found),
        "Tables": ", ".join(name for name in found.served if not table(name).on_request),
        "Tables on request": ", ".join(name for name in found.served if table(name).on_request) or "none",
    }
    for name, value in lines.items():
        say(f"{name + ':':<20}{value}")
    for name, reason in found.unserved.items():
        say(f"{'Not ' + name + ':':<20}{reason}")


def _cost(found: Check) -> str:
    requests = f"about {found.requests:,} requests and one for each SIM"
    if found.sims is not None:
        requests = f"about {found.requests:,} requests"
    minutes = "within what the API allows in 5 minutes"
    if found.minutes_at_least:
        minutes = f"{found.minutes_at_least} minutes at least"
    return f"{requests}, {minutes}; plan counts them"


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


def show_plan(  # noqa: PLR0913, PLR0917  (one parameter is one option of the command line)
    names: Tables = None,
    more_names: MoreTables = None,
    exclude: Exclude = None,
    all_tables: AllTables = False,
    config: Config = None,
    option: GivenOptions = None,
    access_token: AccessToken = None,
    username: Username = None,
    password: Password = None,
    base_url: BaseUrl = None,
    partitions: Annotated[int, typer.Option(min=1, help="Number of tasks that Spark would split a read into.")] = 1,
    as_json: AsJson = False,
) -> None:
    """Show what a read would cost: requests, and minutes at the API's limit.

    Requests only lists, such as those of products and devices. A table that the token may not read is listed with the
    reason; if you named it, the command exits with 2.
    """
    from bridge.cli.logs import kept_logs  # noqa: PLC0415  (so that other commands start fast)
    from bridge.export.estimate import Cost, costs, total  # noqa: PLC0415

    given = Given.of(config, option, access_token=access_token, username=username, password=password, base_url=base_url)
    chosen = [*(names or ()), *(more_names or ())]
    with kept_logs(None):
        found = list(costs(given.connection, chosen, given.tables, partitions, exclude or (), all_tables=all_tables))
    everything = total(found, given.connection)
    if as_json:
        print_json({"tables": [asdict(cost) for cost in found], "total": asdict(everything)})
        return

    def row(cost: Cost) -> tuple[str, ...]:
        requests = f"{'' if cost.is_counted else 'more than '}{cost.requests:,}"
        return cost.table, str(cost.partitions), requests, str(cost.minutes_at_least)

    readable = [cost for cost in found if cost.refused is None]
    print_grid(("Table", "Partitions", "Requests", "Minutes at least"), map(row, [*readable, everything]))
    for cost in found:
        if cost.refused:
            complain(f"{cost.table} cannot be read: {cost.refused}", style="yellow")
