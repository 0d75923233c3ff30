"""The manifest as records: which tables there are and which options they and the connection take.

Pure and offline: it reads one YAML file and needs neither the network nor the Airbyte CDK. Options are described here,
too, because they come from the same file; `options` checks values against these descriptions.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import Any

from bridge.errors import OptionError, UnknownTableError
from source_particle import manifest, specification
from source_particle.settings import serves_api_users

JsonSchema = Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class Option:
    """One option: its name, the JSON schema of its value, and where it belongs."""

    name: str
    schema: JsonSchema
    required: bool = False

    @property
    def is_secret(self) -> bool:
        """Whether its value must never be shown."""
        return bool(self.schema.get("airbyte_secret", False))

    @property
    def is_documented(self) -> bool:
        """Whether it is documented; the others serve tests and the connector itself."""
        # Some are hidden in Airbyte's form alone, where few need them.
        return bool(self.schema.get("x-documented") or not self.schema.get("airbyte_hidden", False))

    @property
    def description(self) -> str:
        """What it does."""
        return str(self.schema.get("description", ""))


@dataclass(frozen=True, eq=False)
class Table:
    """One table: what it holds, its key and its options."""

    name: str
    schema: JsonSchema
    primary_key: tuple[str, ...]
    cursor_field: str | None
    ingestion_type: str
    kept: timedelta | None
    """How long the API keeps rows of a table with a cursor; None if that is not known."""
    changes_for: str | int
    """How many seconds a row can still change after its cursor, or the option that says so."""
    on_request: str | None
    """Why it is read only if somebody asks for it: what it holds or costs. None if it is read by default."""
    options: tuple[Option, ...]
    spark_options: tuple[Option, ...]
    """How Spark splits a read and advances a stream; unknown to the Airbyte source."""

    def __reduce__(self) -> tuple[Callable[[str], "Table"], tuple[str]]:
        """Pickle the name only: there is one object per table and process."""
        return table, (self.name,)

    @property
    def required_options(self) -> tuple[str, ...]:
        """The names of the options without which the table cannot be read."""
        return tuple(option.name for option in self.options if option.required)

    @property
    def fans_out(self) -> bool:
        """Whether it is read once for each of several products, devices or SIMs."""
        # The user has to name what the table is read for.
        return bool(self.required_options)

    @property
    def is_one_list(self) -> bool:
        """Whether it is read from one list, and not once for each product, device, SIM or owner."""
        return not self.fans_out and "owner_type" not in {option.name for option in self.options}

    @property
    def columns(self) -> Mapping[str, JsonSchema]:
        """The JSON schema of each column, in order."""
        properties: Mapping[str, JsonSchema] = self.schema["properties"]
        return properties

    @property
    def description(self) -> str:
        """What one row is."""
        return str(self.schema["description"])

    @property
    def endpoints(self) -> tuple[str, ...]:
        """The API paths that it is read from."""
        return tuple(self.schema["x-endpoint"])

    @property
    def scope(self) -> str | None:
        """The scope that an API user needs, None if the API documents none or if API users cannot read the table."""
        return self.schema.get("x-scope") if self.serves_api_users else None

    @property
    def serves_api_users(self) -> bool:
        """Whether an API user's token can read it."""
        return serves_api_users(self.schema)


@cache
def tables() -> Mapping[str, Table]:
    """Return every table by name, in the order of the manifest."""
    # Conditional streams serve the connection check; they hold no rows of a fleet.
    streams = [stream for stream in manifest()["streams"] if stream["type"] == "DeclarativeStream"]
    return {stream["name"]: _table(stream) for stream in streams}


def table(name: str) -> Table:
    """Return the table of that name, in upper or lower case; raise UnknownTableError if there is none."""
    known = tables()
    if name.lower() not in known:
        raise UnknownTableError.of(name, known)
    return known[name.lower()]


def chosen_tables(names: Iterable[str] = (), *, all_tables: bool = False) -> list[Table]:
    """Return the tables that are named; without names, those that are read by default, or with `all_tables` all.

    Raises UnknownTableError, and OptionError where tables are named and all are wanted.
    """
    named = [table(name) for name in names]
    if named and all_tables:
        raise OptionError("Received names of tables, and that all tables are wanted; expected one of the two.")
    return named or [part for part in tables().values() if all_tables or not part.on_request]


@cache
def connection_options() -> tuple[Option, ...]:
    """Return the options of the connection, credentials first."""
    properties = specification()["properties"]
    credentials = [branch["properties"] for branch in properties["credentials"]["oneOf"]]
    signing_in = {name: schema for branch in credentials for name, schema in branch.items() if "const" not in schema}
    others = {name: schema for name, schema in properties.items() if schema["type"] != "object"}
    return tuple(Option(name, schema) for name, schema in {**signing_in, **others}.items())


@cache
def ways_to_sign_in() -> Mapping[str, tuple[str, ...]]:
    """Return the options that each way to sign in needs, by its name in the configuration (`auth_type`)."""
    branches = [branch["properties"] for branch in specification()["properties"]["credentials"]["oneOf"]]
    return {branch["auth_type"]["const"]: tuple(name for name in branch if name != "auth_type") for branch in branches}


@cache
def credential_names() -> frozenset[str]:
    """Return the names of all credentials."""
    return frozenset(name for needed in ways_to_sign_in().values() for name in needed)


def _table(stream: Mapping[str, Any]) -> Table:
    name = stream["name"]
    schema = _resolve(stream["schema_loader"]["schema"])
    keys = stream["primary_key"]
    required = schema.get("x-required-options", ())
    cursor = _resolve(stream.get("incremental_sync", {})).get("cursor_field")
    options = specification()["properties"].get(name, {}).get("properties", {})
    spark_options = tuple(_spark_options(fan_out=bool(required), windows=bool(cursor)))
    kept_days = _resolve(_resolve(stream["retriever"]).get("requester", {})).get("kept_days")
    # An incremental sync of Airbyte has some options that a stream has in its own way.
    in_spark = {option.name for option in spark_options}
    return Table(
        name=name,
        schema=schema,
        primary_key=(keys,) if isinstance(keys, str) else tuple(keys),
        cursor_field=cursor,
        ingestion_type=schema["x-ingestion-type"],
        kept=timedelta(days=kept_days) if kept_days else None,
        changes_for=schema.get("x-changes-for", 0),
        on_request=schema.get("x-on-request"),
        options=tuple(Option(key, value, key in required) for key, value in options.items() if key not in in_spark),
        spark_options=spark_options,
    )


def _spark_options(**groups: bool) -> Iterator[Option]:
    for group, applies in groups.items():
        options = manifest()["definitions"]["spark_options"][group] if applies else {}
        yield from (Option(name, schema) for name, schema in options.items())


def _resolve(part: Mapping[str, Any]) -> JsonSchema:
    """Return a part of the manifest with what it refers to, which its own entries complete or replace."""
    if "$ref" not in part:
        return part
    found: Any = manifest()
    for step in part["$ref"].removeprefix("#/").split("/"):
        found = found[step]
    own = {name: value for name, value in part.items() if name != "$ref"}
    return {**_resolve(found), **own} if own else _resolve(found)
