"""The command `check`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from bridge.cli.given import AccessToken, AsJson, BaseUrl, Config, Given, GivenOptions, Password, Username
from bridge.cli.output import print_json, say
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
