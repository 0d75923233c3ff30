"""Whole columns of JSON values → Arrow arrays, for values that already have the type of their column.

Arrow itself would also accept values of other types and change them: 1.5 in a column of integers becomes 1, true in a
column of numbers 1.0, and an object keeps only the fields that Arrow knows. So the types are checked first.
"""

from collections.abc import Sequence
from itertools import accumulate, chain
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]

# The Python types of JSON values that fit a column of an Arrow type; Arrow refuses an integer that a double cannot
# hold.
_FITTING: dict[pa.DataType, frozenset[type]] = {
    pa.string(): frozenset({str}),
    pa.int64(): frozenset({int}),
    pa.float64(): frozenset({float, int}),
    pa.bool_(): frozenset({bool}),
}
_NULL = frozenset({type(None)})


class MisfitError(Exception):
    """A column holds a value of another type."""


def column_of(values: Sequence[Any], arrow_type: pa.DataType) -> pa.Array:
    """Return JSON values as an Arrow array; raises MisfitError if one of them would have to be converted."""
    types = set(map(type, values)) - _NULL
    if not types:
        return pa.nulls(len(values), arrow_type)
    if fitting := _FITTING.get(arrow_type):
        return _scalars(values, arrow_type) if types <= fitting else _misfit()
    if pa.types.is_list(arrow_type):
        return _lists(values, arrow_type) if types == {list} else _misfit()
    if types != {dict}:
        _misfit()
    return _structs(values, arrow_type) if pa.types.is_struct(arrow_type) else _maps(values, arrow_type)


def _misfit() -> pa.Array:
    raise MisfitError


def _scalars(values: Sequence[Any], arrow_type: pa.DataType) -> pa.Array:
    try:
        return pa.array(values, arrow_type)
    # A number that is too large, or half a surrogate pair.
    except (pa.ArrowInvalid, OverflowError, UnicodeEncodeError):
        raise MisfitError from None


def _structs(values: Sequence[dict[str, Any] | None], arrow_type: pa.StructType) -> pa.Array:
    known = frozenset(field.name for field in arrow_type)
    # An empty object is null, like an absent one.
    objects = [value or None for value in values]
    if not all(value is None or value.keys() <= known for value in objects):
        _misfit()
    children = [
        column_of([None if value is None else value.get(field.name) for value in objects], field.type)
        for field in arrow_type
    ]
    is_null = pa.array([value is None for value in objects], pa.bool_())
    return pa.StructArray.from_arrays(children, fields=list(arrow_type), mask=is_null)


def _lists(values: Sequence[list[Any] | None], arrow_type: pa.ListType) -> pa.Array:
    items = list(chain.from_iterable(value for value in values if value))
    return pa.ListArray.from_arrays(_offsets(values), column_of(items, arrow_type.value_type))


def _maps(values: Sequence[dict[str, Any] | None], arrow_type: pa.MapType) -> pa.Array:
    maps = [value for value in values if value]
    keys = list(chain.from_iterable(maps))
    items = list(chain.from_iterable(value.values() for value in maps))
    return pa.MapArray.from_arrays(
        _offsets(values), column_of(keys, arrow_type.key_type), column_of(items, arrow_type.item_type)
    )


def _offsets(values: Sequence[Any]) -> pa.Array:
    """Return the offset at which each list or map begins; null stands for one that is null."""
    starts = accumulate((len(value) if value else 0 for value in values), initial=0)
    ends = [*values, []]
    return pa.array([None if value is None else start for value, start in zip(ends, starts, strict=True)], pa.int32())
