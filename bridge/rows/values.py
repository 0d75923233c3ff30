"""Converts one value to the type of its column, without losing anything.

A value of another type is converted if that loses nothing (`"5"` → 5, 5.0 → 5, true → `"true"`, an object in a string
column → its JSON text). What still does not fit, and every field that the schema does not know, is rescued: put into a
dictionary keyed by path, such as `{"payload.device.power.battery.charge": {"err": -210}}`. Paths look as in Spark:
parts joined by dots, an index for an array item, backticks around a name that contains a dot.

A schema is compiled into nested functions once, because a fleet has millions of values and one schema.
"""

import json
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import orjson

from bridge.rows.schema import kind_of
from bridge.tables.catalog import JsonSchema
from source_particle.values import JSON_INTEGER, JSON_NUMBER

Rescued = dict[str, Any]
# Returns the value for the column; a value that does not fit is rescued under its path, and the column gets null.
Coercer = Callable[[Any, str, Rescued], Any]

LONG_MIN, LONG_MAX = -(2**63), 2**63 - 1
EXACT_IN_DOUBLE = 2**53


class Entries(list[tuple[str, Any]]):
    """A map in the form that Arrow takes; the class tells it from an array."""


def coercer(schema: JsonSchema) -> Coercer:
    """Return a function that converts one value for the column of a property."""
    match kind_of(schema):
        case "struct":
            return _struct(schema["properties"])
        case "map":
            return _map(coercer(schema["additionalProperties"]))
        case "array":
            return _array(coercer(schema["items"]))
        case scalar:
            return _SCALARS[scalar]


def _long(value: Any, path: str, rescued: Rescued) -> int | None:
    number: int | None = None
    if type(value) is int:
        number = value
    elif (isinstance(value, float) and value.is_integer()) or (
        isinstance(value, str) and JSON_INTEGER.fullmatch(value)
    ):
        number = int(value)
    if number is not None and LONG_MIN <= number <= LONG_MAX:
        return number
    rescued[path] = value
    return None


def _double(value: Any, path: str, rescued: Rescued) -> float | None:
    if isinstance(value, float):
        return value
    if type(value) is int and -EXACT_IN_DOUBLE <= value <= EXACT_IN_DOUBLE:
        return float(value)
    if isinstance(value, str) and JSON_NUMBER.fullmatch(value):
        number = float(value)
        if Decimal(repr(number)) == Decimal(value):
            return number
    rescued[path] = value
    return None


def _boolean(value: Any, path: str, rescued: Rescued) -> bool | None:
    if isinstance(value, bool):
        return value
    rescued[path] = value
    return None


def _string(value: Any, path: str, rescued: Rescued) -> str | None:
    if type(value) is str and value.isascii():
        return value
    if not isinstance(value, str):
        return json_text(value)
    if _is_unicode(value):
        return value
    rescued[path] = value
    return None


_SCALARS: dict[str, Coercer] = {"integer": _long, "number": _double, "boolean": _boolean, "string": _string}


def _struct(properties: Mapping[str, JsonSchema]) -> Coercer:
    fields = [(name, coercer(schema), f".{quoted_name(name)}") for name, schema in properties.items()]
    known = frozenset(properties)

    def coerce(value: Any, path: str, rescued: Rescued) -> dict[str, Any] | None:
        if not isinstance(value, dict):
            rescued[path] = value
            return None
        if not value:
            return None
        if not value.keys() <= known:
            # In the order of the object, as the order of a set differs between processes.
            rescued.update((f"{path}.{quoted_name(name)}", part) for name, part in value.items() if name not in known)
        get = value.get
        return {
            name: None if (field := get(name)) is None else coerce_field(field, path + suffix, rescued)
            for name, coerce_field, suffix in fields
        }

    return coerce


def _map(coerce_value: Coercer) -> Coercer:
    def coerce(value: Any, path: str, rescued: Rescued) -> Entries | None:
        if not isinstance(value, dict):
            rescued[path] = value
            return None
        entries = Entries()
        for key, entry in value.items():
            entry_path = f"{path}.{quoted_name(key)}"
            if _is_unicode(key):
                entries.append((key, None if entry is None else coerce_value(entry, entry_path, rescued)))
            else:
                rescued[entry_path] = entry
        return entries

    return coerce


def _array(coerce_item: Coercer) -> Coercer:
    def coerce(value: Any, path: str, rescued: Rescued) -> list[Any] | None:
        if not isinstance(value, list):
            rescued[path] = value
            return None
        return [
            None if item is None else coerce_item(item, f"{path}.{index}", rescued) for index, item in enumerate(value)
        ]

    return coerce


def quoted_name(name: str) -> str:
    """Return a name as part of a path."""
    return name if name and "." not in name and "`" not in name else f"`{name.replace('`', '``')}`"


def json_text(value: Any) -> str:
    """Return a value as compact JSON that any text column can hold."""
    try:
        return orjson.dumps(value).decode()
    # Half a surrogate pair, an integer beyond 64 bits, or nested too deeply for orjson.
    except orjson.JSONEncodeError:
        return _json_text_of_anything(value)


def _json_text_of_anything(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    # JSON allows half a surrogate pair, nothing else does: it can only be passed on escaped.
    return text if _is_unicode(text) else json.dumps(value, separators=(",", ":"))


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
