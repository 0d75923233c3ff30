"""The user's options: from the command line, environment variables and a file."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import typer

from bridge.errors import ConfigurationError, OptionError
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
        connection, table_options = _read_config(config)
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


def _read_config(path: Path | None) -> tuple[dict[str, str], dict[str, dict[str, str]]]:
    if path is None:
        return {}, {}
    import yaml  # noqa: PLC0415  (most runs read no file)

    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8-sig")) or {}
    # A date that does not exist is a ValueError, endless brackets exhaust the stack.
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        # The parser's message quotes the line, which may contain a password.
        mark = getattr(error, "problem_mark", None)
        where = f" in line {mark.line + 1}" if mark else ""
        raise ConfigurationError(f"{path} cannot be read as YAML or JSON ({type(error).__name__}{where}).") from None
    named = document.pop("tables", None) or {} if isinstance(document, dict) else None
    if not isinstance(named, dict):
        raise ConfigurationError(f"{path} must contain names and values, and those of each table under tables.")
    return _texts(document, path), {name: _texts(values or {}, path) for name, values in named.items()}


def _texts(values: Any, path: Path) -> dict[str, str]:
    """Return YAML values as the texts that options are; null means unset."""
    if not isinstance(values, Mapping):
        raise ConfigurationError(f"{path} must contain names and values, and those of each table under tables.")
    given = {str(name): value for name, value in values.items() if value is not None}
    for name, value in given.items():
        if isinstance(value, Mapping) and name in tables():
            raise OptionError(f"{path}: {name} is a table; its options belong under tables.")
        if not isinstance(value, (str, bool, int, float, date)):
            raise OptionError(f"{path}: the option {name} must have one value; several are separated by commas.")
    return {name: value if isinstance(value, str) else _text(value) for name, value in given.items()}


def _text(value: Any) -> str:
    # YAML reads true, 12857 and 2026-01-31 as typed values; dates are written as the API writes them.
    return value.isoformat() if isinstance(value, date) else json.dumps(value)
