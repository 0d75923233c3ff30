"""The user's options: from the command line, environment variables and a file."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from bridge.cli.config_file import read_options
from bridge.errors import OptionError
from bridge.tables.catalog import connection_options, credential_names, tables

SEEN_BY_OTHERS = "Prefer the environment variable: other users of this machine can see the command line."
_OWN = {*credential_names(), "base_url"}
_OTHERS = [option.name for option in connection_options() if option.is_documented and option.name not in _OWN]


def _complete_table(incomplete: str) -> list[str]:
    return [name for name in tables() if name.startswith(incomplete.lower())]


OneTable = Annotated[str, typer.Argument(metavar="TABLE", autocompletion=_complete_table)]
Tables = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[TABLE]...",
        help="The tables; by default all that the token can read, apart from those on request: see `tables`.",
        autocompletion=_complete_table,
    ),
]
MoreTables = Annotated[list[str] | None, typer.Option("--table", hidden=True, autocompletion=_complete_table)]
Exclude = Annotated[
    list[str] | None,
    typer.Option(metavar="TABLE", help="A table to leave out; can be repeated.", autocompletion=_complete_table),
]
AllTables = Annotated[
    bool,
    typer.Option(
        "--all-tables", help="Also read the tables on request: they hold personal data or cost a request per device."
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Config = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        help="YAML or JSON file with the options of the connection and, under tables, those of each table.",
        exists=True,
        dir_okay=False,
    ),
]
GivenOptions = Annotated[
    list[str] | None,
    typer.Option(
        "--option",
        "-o",
        metavar="TABLE.NAME=VALUE",
        help=f"An option of a table, or NAME=VALUE for one of the connection ({', '.join(_OTHERS)}); can be "
        "repeated. Required options default to *, everything the token can see.",
    ),
]
AccessToken = Annotated[str | None, typer.Option(envvar="PARTICLE_ACCESS_TOKEN", help=SEEN_BY_OTHERS)]
Username = Annotated[str | None, typer.Option(envvar="PARTICLE_USERNAME")]
Password = Annotated[str | None, typer.Option(envvar="PARTICLE_PASSWORD", help=SEEN_BY_OTHERS)]
BaseUrl = Annotated[str | None, typer.Option(envvar="PARTICLE_BASE_URL")]


@dataclass(frozen=True, repr=False)
class Given:
    """The options of the connection, and those of each table."""

    connection: dict[str, str]
    tables: dict[str, dict[str, str]]

    @classmethod
    def of(cls, config: Path | None, option: Iterable[str] | None, **typed: str | None) -> "Given":
        """Return the options of a file, overridden by typed ones, with which a command can sign in.

        Raises ConfigurationError or OptionError, the latter also where there is nothing to sign in with.
        """
        given = cls.read(config, option, **typed)
        if not credential_names() & {name.lower() for name in given.connection}:
            raise OptionError(
                "Received nothing to sign in with; expected the environment variable PARTICLE_ACCESS_TOKEN, or "
                "PARTICLE_USERNAME and PARTICLE_PASSWORD."
            )
        return given

    @classmethod
    def read(cls, config: Path | None, option: Iterable[str] | None, **typed: str | None) -> "Given":
        """Return the options of a file, overridden by typed ones; raises ConfigurationError or OptionError."""
        connection, table_options = read_options(config) if config else ({}, {})
        overriding = {name: value for name, value in typed.items() if value is not None}
        if overriding.keys() & credential_names():
            # Credentials on the command line replace all credentials in the file.
            connection = {name: value for name, value in connection.items() if name not in credential_names()}
        connection.update(overriding)
        for text in option or ():
            _add_option(text, connection, table_options)
        return cls(connection, table_options)


def _add_option(text: str, connection: dict[str, str], table_options: dict[str, dict[str, str]]) -> None:
    name, equals, value = text.partition("=")
    if not equals:
        # The text may be a secret whose name was forgotten.
        raise OptionError("An --option has no value; write TABLE.NAME=VALUE, or NAME=VALUE for the connection.")
    part, dot, own = name.partition(".")
    if dot:
        table_options.setdefault(part, {})[own] = value
    else:
        connection[name] = value
