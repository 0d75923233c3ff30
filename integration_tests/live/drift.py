"""How records differ from their schema: fields it does not know, types it does not list, fields that no record has."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from jsonschema import Draft7Validator

from bridge.tables.catalog import JsonSchema, Table

NAMES = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array", dict: "object"}


class Drift(NamedTuple):
    """One way in which records differ; names and types only, as values may be personal."""

    kind: str
    path: str
    type: str


def drift_of(table: Table, records: Iterable[Mapping[str, Any]]) -> Counter[Drift]:
    """Return what the schema of a table does not say of its records, with the number of times."""
    validator = Draft7Validator(_closed(table.schema))
    return Counter(drift for record in records for error in validator.iter_errors(record) for drift in _drifts(error))


def never_sent(table: Table, records: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the columns that no record has a value for."""
    sent = {name for record in records for name, value in record.items() if value is not None}
    return [name for name in table.columns if name not in sent]


def _closed(schema: JsonSchema) -> dict[str, Any]:
    """Copy a schema so that it refuses fields which it does not name; free keys of a map stay free."""
    closed = dict(schema)
    if "properties" in schema:
        closed["properties"] = {name: _closed(part) for name, part in schema["properties"].items()}
        closed["additionalProperties"] = False
    elif isinstance(schema.get("additionalProperties"), Mapping):
        closed["additionalProperties"] = _closed(schema["additionalProperties"])
    if "items" in schema:
        closed["items"] = _closed(schema["items"])
    return closed


def _drifts(error: Any) -> Iterator[Drift]:
    place = ["[]" if isinstance(part, int) else str(part) for part in error.absolute_path]
    if error.validator != "additionalProperties":
        yield Drift(f"unseen {error.validator}", ".".join(place), _type(error.instance))
        return
    for name in error.instance.keys() - error.schema["properties"].keys():
        yield Drift("unknown field", ".".join([*place, name]), _type(error.instance[name]))


def _type(value: Any) -> str:
    return NAMES.get(type(value), "null")
