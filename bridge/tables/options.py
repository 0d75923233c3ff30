"""Options as Spark and Lakeflow give them (strings, in any case) → one checked object → the Airbyte configuration.

The manifest alone says which values are allowed; no line here knows a table or an option of one. Unknown options are
ignored, because the frameworks add their own; likely typos are worth a warning.
"""

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from bridge.errors import OptionError, quoted
from bridge.tables.catalog import Option, Table, connection_options, credential_names, tables, ways_to_sign_in
from source_particle.config import UNSET, expected, fits, shown, trimmed, unsendable
from source_particle.redaction import REDACTED

# From 0.8 on, two names of this length differ by a typo, not by meaning.
NEAR_MISS = 0.8


class Redacted(str):
    """A secret that may have to be shown: JSON and pickles hold it, its repr does not."""

    __slots__ = ()

    def __repr__(self) -> str:
        return repr(REDACTED)


@dataclass(frozen=True, repr=False)
class Options:
    """The checked options of one read: how to sign in, how to read, and what narrows the table."""

    table: Table
    credentials: Mapping[str, Any]
    connection: Mapping[str, Any]
    table_options: Mapping[str, Any]
    spark_options: Mapping[str, Any]
    """How the read is split and how a stream moves on; not part of the configuration."""

    @classmethod
    def parse(cls, given: Mapping[str, str], table: Table) -> "Options":
        """Check options of any origin, connection and table options together, for one table.

        Raises OptionError when a value is malformed or out of range, a required option is missing, the ways to sign in
        are mixed, or one option is given twice in different cases.
        """
        values = _any_case(given)
        connection = {option.name: option for option in connection_options()}
        credentials = _credentials(values, connection)
        return cls(
            table=table,
            credentials=credentials,
            connection={
                name: _typed(values[name], option, "the connection")
                for name, option in connection.items()
                if name in values and name not in credential_names()
            },
            table_options=_table_options(values, table),
            spark_options=_spark_options(values, table),
        )

    def without_password(self) -> "Options":
        """Return the options as tasks get them, which are given a token where these name a user and password."""
        signs_in = self.credentials["auth_type"] != "access_token"
        return replace(self, credentials={"auth_type": self.credentials["auth_type"]}) if signs_in else self

    def config(self) -> dict[str, Any]:
        """Return the configuration of the Airbyte source, as its specification describes it."""
        defaults = {option.name: option.schema["default"] for option in _defaulted()}
        config = {"credentials": dict(self.credentials), **defaults, **self.connection}
        # Signing in happens before the source exists, which would take the slash off.
        config["base_url"] = config["base_url"].rstrip("/")
        if self.table_options:
            config[self.table.name] = dict(self.table_options)
        return config

    def __repr__(self) -> str:
        """Show everything but what signs in."""
        credentials = {key: value if key == "auth_type" else REDACTED for key, value in self.credentials.items()}
        shown = {**credentials, **self.connection, **self.table_options}
        return f"Options({self.table.name}, {', '.join(f'{key}={value!r}' for key, value in shown.items())})"


def doubtful_options(given: Mapping[str, str], table: Table) -> list[str]:
    """Return a warning for each option that has no effect on this table but was probably meant to."""
    names = [option.name for option in (*connection_options(), *table.options, *table.spark_options)]
    mine = {name.lower(): name for name in names}
    elsewhere = {option.name for other in tables().values() for option in other.options} - mine.keys()
    doubts = []
    for name in map(str.lower, given):
        meant = difflib.get_close_matches(name, sorted(mine), n=1, cutoff=NEAR_MISS)
        if name in mine:
            continue
        if name in elsewhere:
            doubts.append(f"The option {name} has no effect: the table {table.name} does not take it.")
        elif meant:
            doubts.append(f"The option {quoted(name)} is not known and has no effect; did you mean {mine[meant[0]]}?")
    return doubts


def _any_case(given: Mapping[str, str]) -> dict[str, str]:
    values: dict[str, str] = {}
    for name, given_value in given.items():
        value = trimmed(name.lower(), given_value)
        if value not in UNSET and values.setdefault(name.lower(), value) != value:
            raise OptionError(f"The option {name.lower()} is given twice with different values; give it once.")
    return values


def _credentials(values: Mapping[str, str], connection: Mapping[str, Option]) -> dict[str, Any]:
    ways = ways_to_sign_in()
    given = values.keys() & credential_names()
    chosen = [way for way, needed in ways.items() if given == set(needed)]
    if not chosen:
        needed = ", or ".join(" and ".join(names) for names in ways.values())
        raise OptionError(f"Received {' and '.join(sorted(given)) or 'nothing'} to sign in with; expected {needed}.")
    for name in given:
        if problem := unsendable(name, values[name]):
            raise OptionError(f"The option {name} of the connection cannot be used: {problem}")
    typed = {name: _typed(values[name], connection[name], "the connection") for name in ways[chosen[0]]}
    return {"auth_type": chosen[0], **typed}


def _table_options(values: Mapping[str, str], table: Table) -> dict[str, Any]:
    missing = [option for option in table.options if option.required and option.name not in values]
    if missing:
        option = missing[0]
        raise OptionError(f"The table {table.name} needs the option {option.name}; expected {expected(option.schema)}")
    return {
        option.name: _typed(values[option.name], option, f"table {table.name}")
        for option in table.options
        if option.name in values
    }


def _spark_options(values: Mapping[str, str], table: Table) -> dict[str, Any]:
    return {
        option.name: _typed(values[option.name.lower()], option, f"table {table.name}")
        if option.name.lower() in values
        else option.schema["default"]
        for option in table.spark_options
        if option.name.lower() in values or "default" in option.schema
    }


def _defaulted() -> list[Option]:
    return [option for option in connection_options() if "default" in option.schema and option.is_documented]


def _typed(text: str, option: Option, place: str) -> Any:
    value = _read(text, option.schema["type"])
    if value is None or not fits(value, option.schema):
        received = "a malformed value" if option.name in credential_names() else shown(text, option.name)
        raise OptionError(
            f"Received {received} for option {option.name} of {place}; expected {expected(option.schema)}"
        )
    return value


def _read(text: str, json_type: str) -> Any:
    """Read a string as a JSON type; None when it is none."""
    if json_type == "string":
        return text
    if json_type == "boolean":
        return {"true": True, "false": False}.get(text.lower())
    # What surrounds a number is taken away here, because `float` takes less for white space.
    number = text.strip()
    if json_type == "integer":
        return int(float(number)) if re.fullmatch(r"-?[0-9]{1,15}(\.0+)?", number) else None
    return float(number) if re.fullmatch(r"-?[0-9]{1,15}(\.[0-9]{1,15})?", number) else None
