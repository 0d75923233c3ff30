"""Brings values into the form that the schema declares: one form for times, one type per column.

The API spells times in six ways and sends some numbers as text, and destinations type a column by what the schema says.
Whatever cannot be converted without a loss is passed on as sent.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import orjson

Record = dict[str, Any]
Convert = Callable[[Any], Any]

# Times in the final form have the length, the point and the letter of 2026-10-31T19:54:39.000Z.
_CANONICAL_LENGTH = 24
_TIME = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?\s?(?:([Zz])|([+-])(\d\d):?(\d\d))", re.ASCII
)
# Numbers as JSON writes them, so that "007", "+7" and "" remain text.
JSON_INTEGER = re.compile(r"-?[1-9][0-9]{0,18}|0")
JSON_NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,40})(\.[0-9]{1,40})?([eE][+-]?[0-9]{1,3})?")


def rfc3339(value: Any) -> Any:
    """Return a time as RFC 3339 in UTC with at least milliseconds, `2026-10-31T19:54:39.000Z`.

    Digits beyond milliseconds are kept. A bare date, a time without an offset and whatever else cannot be read stay as
    they are. The API has been seen to write times with and without milliseconds, with an offset, and with a blank.
    """
    if not isinstance(value, str) or _is_canonical(value):
        return value
    if not (found := _TIME.fullmatch(value)):
        return value
    day, minute, second, fraction, _utc, sign, hours, minutes = found.groups()
    try:
        moment = datetime.fromisoformat(f"{day}T{minute}:{second or '00'}").replace(tzinfo=timezone.utc)
        if sign:
            offset = timedelta(hours=int(hours), minutes=int(minutes))
            moment += offset if sign == "-" else -offset
    except (ValueError, OverflowError):
        return value
    return f"{moment.isoformat()[:19]}.{(fraction or '').ljust(3, '0')}Z"


def integer_of(value: Any) -> Any:
    """Return the integer for a float or text that is one, otherwise the value unchanged."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return int(value) if isinstance(value, str) and JSON_INTEGER.fullmatch(value) else value


def number_of(value: Any) -> Any:
    """Return the number in a text if no digit is lost, otherwise the value unchanged."""
    if isinstance(value, str) and JSON_NUMBER.fullmatch(value):
        number = float(value)
        if Decimal(repr(number)) == Decimal(value):
            return number
    return value


def text_of(value: Any) -> Any:
    """Return JSON for a number, a boolean, an object or a list, otherwise the value unchanged."""
    try:
        return value if isinstance(value, str) else orjson.dumps(value).decode()
    except orjson.JSONEncodeError:
        return value


_CONVERT: Mapping[str, Convert] = {"integer": integer_of, "number": number_of, "string": text_of}


def value_at(record: Mapping[str, Any], path: Sequence[str]) -> Any:
    """Return what is at a path of names within a record, None where an object on the way is missing."""
    value: Any = record
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


class Normalizer:
    """Brings records into the form that a table's JSON schema declares, in place.

    Times are properties with `format: date-time`, at any depth of known objects and lists; columns of more than one
    type are those with `x-sent-as`. Only these are looked at, column by column.
    """

    def __init__(self, schema: Mapping[str, Any]) -> None:
        """Compile a JSON schema; one without properties changes nothing."""
        self._columns = list(_conversions(schema))

    def __bool__(self) -> bool:
        """Return whether the schema has anything to convert."""
        return bool(self._columns)

    def __call__(self, records: Sequence[Record]) -> None:
        """Convert the values of some records of the table."""
        for name, convert in self._columns:
            for record in records:
                value = record.get(name)
                if value is not None:
                    record[name] = convert(value)


def _conversions(schema: Mapping[str, Any]) -> Iterator[tuple[str, Convert]]:
    for name, column in schema.get("properties", {}).items():
        if convert := _conversion(column):
            yield name, convert


def _conversion(column: Mapping[str, Any]) -> Convert | None:
    if column.get("format") == "date-time":
        return rfc3339
    if column.get("x-sent-as"):
        return _CONVERT.get(_type_of(column))
    if "items" in column:
        convert_item = _conversion(column["items"])
        return _of_list(convert_item) if convert_item else None
    within = Normalizer(column)
    return _of_object(within) if within else None


def _of_object(within: Normalizer) -> Convert:
    def convert(value: Any) -> Any:
        if isinstance(value, dict):
            within([value])
        return value

    return convert


def _of_list(convert_item: Convert) -> Convert:
    def convert(value: Any) -> Any:
        return list(map(convert_item, value)) if isinstance(value, list) else value

    return convert


def _type_of(column: Mapping[str, Any]) -> str:
    types = column["type"] if isinstance(column["type"], list) else [column["type"]]
    return str(next(name for name in types if name != "null"))


def _is_canonical(text: str) -> bool:
    return len(text) == _CANONICAL_LENGTH and text[10] == "T" and text[19] == "." and text[23] == "Z"
