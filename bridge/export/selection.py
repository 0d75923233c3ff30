"""Which tables to read, and with which options."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from bridge.errors import ConfigurationError, OptionError, quoted
from bridge.reading import reader
from bridge.tables.catalog import (
    Option,
    Table,
    chosen_tables,
    connection_options,
    credential_names,
    table,
    ways_to_sign_in,
)
from bridge.tables.options import Options
from source_particle.settings import EVERYTHING

Given = Mapping[str, str]


def wanted_tables(
    connection: Given,
    names: Iterable[str] = (),
    table_options: Mapping[str, Given] | None = None,
    exclude: Iterable[str] = (),
    *,
    all_tables: bool = False,
) -> dict[Table, dict[str, str]]:
    """Return all options of each table that is named, or that is read by default or as one of all; less the excluded.

    A required option that is not given is `*`. Raises UnknownTableError and OptionError.
    """
    left_out = {table(name) for name in exclude}
    chosen = [part for part in chosen_tables(names, all_tables=all_tables) if part not in left_out]
    if not chosen:
        raise OptionError("No table is left to read: each one that was named is excluded, too.")
    given = {table(name): values for name, values in (table_options or {}).items()}
    for part, own in given.items():
        # Also of a table that is not read, so that a typing error is noticed at once.
        _check_names(own, part.options, f"table {part.name}")
    return {part: _complete(part, connection, given.get(part, {})) for part in chosen}


@dataclass(frozen=True)
class Access:
    """What the API lets in: a token, and what it says about it."""

    token: str = field(repr=False)
    facts: reader.TokenFacts

    def given(self, options: Given) -> dict[str, str]:
        """Return options that sign in with the token, and with nothing else."""
        others = {name: value for name, value in options.items() if name not in credential_names()}
        return {**others, "access_token": self.token}


def signed_in(options: Options, *, checking: bool = False) -> Access:
    """Sign in once for all tables and ask about the token; soon an error where nothing answers.

    What fails for the moment is tried again as in a read, because other programs may have used up the API's limit; once
    only with `checking`, for a person who waits.

    Raises SignInError where the API refuses, TemporaryError where it does not answer.
    """
    config = options.config()
    token = options.credentials.get("access_token") or reader.sign_in({**config, "plan": {"checking": checking}})
    signing_in = {"auth_type": "access_token", "access_token": token}
    return Access(token, reader.token_facts({**config, "credentials": signing_in}, checking=checking))


def check_named(access: Access, tables: Iterable[Table]) -> None:
    """Raise ConfigurationError for a table that the user named and the token cannot serve."""
    for part in tables:
        if part.name in access.facts.unserved:
            raise ConfigurationError(f"The token cannot read the table {part.name}: {access.facts.unserved[part.name]}")


def fingerprint(options: Options) -> str:
    """Return a hash of what decides which rows a table holds: the API, the account, its options and its columns."""
    account = options.credentials[ways_to_sign_in()[options.credentials["auth_type"]][0]]
    facts = [options.config()["base_url"], account, options.table_options, options.table.schema]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def _complete(part: Table, connection: Given, own: Given) -> dict[str, str]:
    """Join the options of the connection and of a table; here, unlike in Spark, nobody else adds options."""
    _check_names(connection, connection_options(), "the connection")
    return {**connection, **dict.fromkeys(part.required_options, EVERYTHING), **own}


def _check_names(given: Iterable[str], known: Iterable[Option], place: str) -> None:
    names = {option.name: option.is_documented for option in known}
    for name in given:
        if name not in names:
            documented = ", ".join(name for name, is_documented in names.items() if is_documented)
            expected = f"expected one of: {documented}" if documented else "it has no options"
            raise OptionError(f"There is no option {quoted(name)} of {place}; {expected}.")
