"""The command `plan`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

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
    Password,
    Tables,
    Username,
)
from bridge.cli.output import complain, print_grid, print_json


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
