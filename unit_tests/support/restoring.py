"""Restores the record from a row, independently of the code that made the row."""

import json
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

PART = re.compile(r"`((?:[^`]|``)*)`|([^.`]+)")


def restored(row: Mapping[str, Any]) -> dict[str, Any]:
    """Put what was rescued back into its place."""
    record = {name: value for name, value in row.items() if name != "_rescued_data"}
    for path, value in json.loads(row["_rescued_data"] or "{}").items():
        parts = [plain or quoted.replace("``", "`") for quoted, plain in PART.findall(path)]
        place: Any = record
        for part in parts[:-1]:
            place = place[int(part)] if isinstance(place, list) else place[part]
        place[int(parts[-1]) if isinstance(place, list) else parts[-1]] = value
    return record


def alike(sent: Any, kept: Any) -> bool:
    """Return whether a value is what was sent, apart from the conversions that lose nothing."""
    match sent, kept:
        case None, _:
            same = kept is None
        case {}, None:
            # An empty object is null in a struct; anything else that is null was lost.
            same = not sent
        case dict(), dict():
            same = all(alike(sent.get(name), kept.get(name)) for name in sent.keys() | kept.keys())
        case list(), list():
            same = len(sent) == len(kept) and all(map(alike, sent, kept))
        case str(), int() | float() if not isinstance(kept, bool):
            same = Decimal(sent) == Decimal(repr(kept))
        case _, str() if not isinstance(sent, str):
            same = identical(sent, json.loads(kept))
        case _:
            same = identical(sent, kept)
    return same


def identical(one: Any, other: Any) -> bool:
    """Compare as JSON does: true is not 1, 1.0 is."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(identical(one[name], other[name]) for name in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(identical, one, other))
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)
