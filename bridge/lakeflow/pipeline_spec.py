"""A pipeline's specification as people write it → the forms that the Lakeflow framework and its command line take.

The framework rejects what it does not know, but continues where it misunderstands: a table that is listed twice is read
twice with the options of its first entry, and null becomes the text `None`. So everything is checked here, and each
error begins with the place in the document. The manifest alone says which values are allowed.
"""

import difflib
import json
from collections.abc import Callable, Mapping
from typing import Any

from bridge.errors import ConfigurationError, OptionError, ParticleError, quoted
from bridge.tables.catalog import Option, Table, connection_options, table, ways_to_sign_in
from bridge.tables.options import NEAR_MISS, Options
from source_particle.settings import EVERYTHING

WRAPPER = "pipeline_spec"
OBJECTS = ("objects", "object")
DESTINATIONS = ("destination_catalog", "destination_schema", "destination_table")
CONFIGURATION = "table_configuration"
# Where a managed pipeline has the options of the source, and the schema that it gives to sources without schemas.
CONNECTOR_OPTIONS = ("connector_options", "community_connector_options", "options")
NO_SCHEMA = "default"
NOT_OPTIONS = ("source_schema", "source_table", *DESTINATIONS, CONFIGURATION, CONNECTOR_OPTIONS[0])
SCD_TYPES = ("SCD_TYPE_1", "SCD_TYPE_2", "APPEND_ONLY")


def pipeline_spec(document: Mapping[str, Any] | str, *, managed: bool = False) -> dict[str, Any]:
    """Return a pipeline's specification in the form that the Lakeflow framework's parser takes.

    `document` is a dictionary or JSON text with `connection_name` and `objects`, a list of
    `{"table": {"source_table": …}}`. The options of a table may stand beside `source_table`, under
    `table_configuration` or, as in a managed pipeline, under `connector_options`; `object` for `objects` and a wrapper
    `pipeline_spec` around it all are accepted too. Returns
    `{"connection_name": …, "objects": [{"table": {"source_table": …, "table_configuration": {…}}}]}` with every option
    as text. With `managed` it is the ingestion definition of a managed pipeline, for `community-connector
    create_pipeline`: the options of the source are then under
    `connector_options.community_connector_options.options`. Raises OptionError, UnknownTableError or
    ConfigurationError, each naming the place in the document.
    """
    spec = _mapping(_unwrapped(_read(document)), "the document")
    _refuse_unknown(spec, ("connection_name", "source_type", *OBJECTS), "the document")
    name, objects = _only_one(spec)
    tables = [_table(entry, f"{name}[{index}]") for index, entry in enumerate(objects)]
    _refuse_repeated([entry["source_table"] for entry in tables], name)
    return {
        "connection_name": _text(spec.get("connection_name"), "connection_name"),
        "objects": [
            {"table": _managed(entry, f"{name}[{index}].table") if managed else entry}
            for index, entry in enumerate(tables)
        ],
    }


def _managed(entry: Mapping[str, Any], place: str) -> dict[str, Any]:
    """Return a table in the form of a managed pipeline, from that of the framework's parser."""
    configuration = entry[CONFIGURATION]
    controls = {name: value for name, value in configuration.items() if name in FRAMEWORK_OPTIONS}
    if "cluster_by" in controls:
        raise OptionError(f"{place}: a managed pipeline has no cluster_by; set it on the table that it writes.")
    found = {"source_schema": NO_SCHEMA, **{name: value for name, value in entry.items() if name != CONFIGURATION}}
    if options := _of_the_source(configuration):
        outer, inner, innermost = CONNECTOR_OPTIONS
        found[outer] = {inner: {innermost: options}}
    return {**found, CONFIGURATION: controls} if controls else found


# ---- the document ----


def _read(document: Any) -> Any:
    if not isinstance(document, str):
        return document
    try:
        return json.loads(document)
    # Brackets without end exhaust the stack of the JSON parser.
    except (ValueError, RecursionError) as error:
        raise ConfigurationError(f"the document: is not JSON ({error}).") from None


def _unwrapped(document: Any) -> Any:
    if isinstance(document, Mapping) and WRAPPER in document:
        _refuse_unknown(document, (WRAPPER,), "the document")
        return document[WRAPPER]
    return document


def _only_one(spec: Mapping[str, Any]) -> tuple[str, list[Any]]:
    given = [name for name in OBJECTS if name in spec]
    if len(given) != 1:
        raise ConfigurationError(f"the document: expected one list, objects; received {' and '.join(given) or 'none'}.")
    objects = spec[given[0]]
    if not isinstance(objects, list) or not objects:
        raise ConfigurationError(
            f"{given[0]}: expected a list with one entry for each table, received {_kind(objects)}."
        )
    return given[0], objects


def _refuse_repeated(names: list[str], place: str) -> None:
    for index, name in enumerate(names):
        first = names.index(name)
        if first < index:
            remedy = (
                f"name several values in one entry, with commas or as {EVERYTHING}"
                if table(name).required_options
                else "list it once"
            )
            raise ConfigurationError(
                f"{place}[{index}].table.source_table: {name} is in {place}[{first}] already, and the framework would "
                f"read both with the options of the first; {remedy}."
            )


# ---- a table ----


def _table(entry: Any, place: str) -> dict[str, Any]:
    wrapper = _mapping(entry, place)
    _refuse_unknown(wrapper, ("table",), place)
    place = f"{place}.table"
    given = _mapping(wrapper.get("table"), place)
    part = _at(f"{place}.source_table", table, _text(given.get("source_table"), f"{place}.source_table"))
    if given.get("source_schema", NO_SCHEMA) != NO_SCHEMA:
        raise ConfigurationError(f"{place}.source_schema: expected {NO_SCHEMA}; the tables of a fleet have no schemas.")
    destinations = {name: _text(given[name], f"{place}.{name}") for name in DESTINATIONS if name in given}
    if len(destinations.keys() & set(DESTINATIONS[:2])) == 1:
        raise ConfigurationError(
            f"{place}: destination_catalog and destination_schema only work together; set both or neither."
        )
    return {"source_table": part.name, **destinations, CONFIGURATION: _configuration(given, part, place)}


def _configuration(given: Mapping[Any, Any], part: Table, place: str) -> dict[str, Any]:
    beside = {name: value for name, value in given.items() if name not in NOT_OPTIONS}
    under = _mapping(given.get(CONFIGURATION, {}), f"{place}.{CONFIGURATION}")
    configuration: dict[str, Any] = {}
    for values, where in ((beside, place), (under, f"{place}.{CONFIGURATION}"), _connector_options(given, place)):
        for key, value in values.items():
            name = _known(key, part, where)
            if name in configuration:
                raise OptionError(f"{where}.{name}: is given twice; give it once.")
            configuration[name] = _value(name, value, part, f"{where}.{name}")
    _at(place, Options.parse, _with_sign_in(_of_the_source(configuration)), part)
    return configuration


def _connector_options(given: Mapping[Any, Any], place: str) -> tuple[Mapping[Any, Any], str]:
    """Return the options of the source as a managed pipeline has them, and where they are."""
    for name in CONNECTOR_OPTIONS:
        if name != CONNECTOR_OPTIONS[0]:
            _refuse_unknown(given, (name,), place)
        if name not in given:
            return {}, place
        place = f"{place}.{name}"
        given = _mapping(given[name], place)
    return given, place


def _known(key: object, part: Table, place: str) -> str:
    """Return an option's name in its own spelling; raise OptionError if the table does not take it."""
    names = [*FRAMEWORK_OPTIONS, *(option.name for option in _options(part))]
    spelt = {name.lower(): name for name in names}
    if not isinstance(key, str):
        raise OptionError(f"{place}: {quoted(key)} is not the name of an option.")
    if key.lower() in spelt:
        return spelt[key.lower()]
    if key.lower() in {option.name.lower() for option in connection_options()}:
        raise OptionError(f"{place}.{key}: is an option of the connection; set it there.")
    meant = difflib.get_close_matches(key.lower(), sorted(spelt), n=1, cutoff=NEAR_MISS)
    hint = f"did you mean {spelt[meant[0]]}?" if meant else f"expected one of {', '.join(names)}."
    raise OptionError(f"{place}: the table {part.name} has no option {quoted(key)}; {hint}")


def _options(part: Table) -> tuple[Option, ...]:
    return tuple(option for option in (*part.options, *part.spark_options) if option.is_documented)


# ---- values ----


def _value(name: str, value: Any, part: Table, place: str) -> Any:
    if name in FRAMEWORK_OPTIONS:
        return FRAMEWORK_OPTIONS[name](value, part, place)
    kinds = {option.name: option.schema["type"] for option in _options(part)}
    # YAML reads an id like 12e3 as a number and a name like `on` as true; such a value is no longer what was written.
    if not isinstance(value, str | int) or (isinstance(value, bool) and kinds[name] != "boolean"):
        raise OptionError(
            f"{place}: expected a text in quotes, with commas between several values; received {_kind(value)}."
        )
    text = str(value).lower() if isinstance(value, bool) else str(value)
    # The others that are required are given as well, so that an error is about this one.
    required = dict.fromkeys(part.required_options, EVERYTHING)
    _at(place, Options.parse, _with_sign_in({**required, name: text}), part)
    return text


def _scd_type(value: Any, _part: Table, place: str) -> str:
    text = _text(value, place).upper()
    if text not in SCD_TYPES:
        raise OptionError(f"{place}: received {quoted(value)}; expected one of {', '.join(SCD_TYPES)}.")
    return text


def _column(value: Any, part: Table, place: str) -> str:
    name = _text(value, place)
    if name.split(".")[0] not in part.columns:
        raise OptionError(f"{place}: the table {part.name} has no column {quoted(name)}.")
    return name


def _columns(value: Any, part: Table, place: str) -> list[str]:
    if isinstance(value, str):
        return [_column(value, part, place)]
    if not isinstance(value, list) or not value:
        raise OptionError(f"{place}: expected a list of columns, received {_kind(value)}.")
    return [_column(name, part, f"{place}[{index}]") for index, name in enumerate(value)]


FRAMEWORK_OPTIONS: Mapping[str, Callable[[Any, Table, str], Any]] = {
    "scd_type": _scd_type,
    "primary_keys": _columns,
    "sequence_by": _column,
    "cluster_by": _columns,
}
"""Options that the framework keeps for itself, and how each is checked."""


def _of_the_source(configuration: Mapping[str, Any]) -> dict[str, str]:
    return {name: value for name, value in configuration.items() if name not in FRAMEWORK_OPTIONS}


def _with_sign_in(options: Mapping[str, str]) -> dict[str, str]:
    """Add credentials, which the connection will: the check of a table's options requires them."""
    way = next(iter(ways_to_sign_in().values()))
    return {**dict.fromkeys(way, "from-the-connection"), **options}


# ---- errors ----


def _at(place: str, checked: Callable[..., Any], *arguments: Any) -> Any:
    """Return the result of a check, with the place in front of any error it raises."""
    try:
        return checked(*arguments)
    except ParticleError as error:
        raise type(error)(f"{place}: {error}") from None


def _mapping(value: Any, place: str) -> Mapping[Any, Any]:
    if not isinstance(value, Mapping):
        raise ConfigurationError(f"{place}: expected an object, received {_kind(value)}.")
    return value


def _text(value: Any, place: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ConfigurationError(f"{place}: expected a non-empty text, received {_kind(value)}.")
    return value


def _refuse_unknown(given: Mapping[Any, Any], known: tuple[str, ...], place: str) -> None:
    for name in given:
        if name not in known:
            raise ConfigurationError(f"{place}: unknown key {quoted(name)}; expected {', '.join(known)}.")


def _kind(value: object) -> str:
    if value is None:
        return "nothing or null"
    if isinstance(value, str):
        return "a text" if value.strip() else "an empty text"
    return f"{'an empty' if value in ([], {}) else 'a'} value of type {type(value).__name__}"
