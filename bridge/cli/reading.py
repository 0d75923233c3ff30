"""The commands that ask the API and write nothing."""

from dataclasses import asdict

from bridge.cli.given import (
    AccessToken,
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
from bridge.cli.output import print_grid, print_json


def show_plan(  # noqa: PLR0913, PLR0917  (one parameter is one option of the command line)
    names: Tables = None,
    more_names: MoreTables = None,
    exclude: Exclude = None,
    config: Config = None,
    option: GivenOptions = None,
    access_token: AccessToken = None,
    username: Username = None,
    password: Password = None,
    base_url: BaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Show what a read would cost: requests, and minutes at the API's limit.

    Asks for the lists of products, devices and SIMs only. A table that the token may not read is listed with the
    reason; one that is named and refused makes the command end with 2.
    """
    from bridge.export.estimate import costs  # noqa: PLC0415  (so that the other commands start fast)

    given = Given.of(config, option, access_token=access_token, username=username, password=password, base_url=base_url)
    found = list(costs(given.connection, [*(names or ()), *(more_names or ())], given.tables))
    if as_json:
        print_json([asdict(cost) for cost in found])
        return
    print_grid(
        ("Table", "Requests", "Minutes at least"),
        (
            (cost.table, f"{'' if cost.is_counted else 'more than '}{cost.requests}", str(cost.minutes_at_least))
            for cost in found
        ),
    )
