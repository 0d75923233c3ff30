"""Whole columns go to Arrow unchanged, but only if every value has the type of the column."""

from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]
import pytest

from bridge.rows.arrow_arrays import MisfitError, column_of

STRUCT = pa.struct([("a", pa.int64()), ("b", pa.list_(pa.string()))])
MAP = pa.map_(pa.string(), pa.string())

FITTING: list[tuple[pa.DataType, list[Any]]] = [
    (pa.int64(), [1, None, -(2**63), 2**63 - 1]),
    (pa.float64(), [1.5, None, 2, 2**53]),
    (pa.bool_(), [True, None, False]),
    (pa.string(), ["", None, "schön 🛰", "a\0b"]),
    (pa.list_(pa.int64()), [[1, None], None, [], [2]]),
    (STRUCT, [{"a": 1, "b": ["x"]}, None, {"a": None, "b": None}]),
    (MAP, [{"k": "v", "l": None}, None, {}, {"m": "w"}]),
    (pa.list_(STRUCT), [[{"a": 1, "b": None}, None], [], None]),
    (pa.string(), [None, None]),
    (STRUCT, []),
]
MISFITS: list[tuple[pa.DataType, list[Any]]] = [
    (pa.int64(), [1, 1.0]),
    (pa.int64(), [1, 1.5]),
    (pa.int64(), [1, True]),
    (pa.int64(), ["1"]),
    (pa.int64(), [2**63]),
    (pa.float64(), [1.5, True]),
    (pa.float64(), [2**53 + 1]),
    (pa.float64(), [10**400]),
    (pa.float64(), ["1.5"]),
    (pa.bool_(), [True, 1]),
    (pa.string(), ["a", 1]),
    (pa.string(), ["half a pair \udfff"]),
    (pa.list_(pa.string()), [["a"], "b"]),
    (pa.list_(pa.string()), [["a"], {"b": 1}]),
    (pa.list_(pa.string()), [["a", 1]]),
    (STRUCT, [{"a": 1, "new": 2}]),
    (STRUCT, [{"a": 1.5}]),
    (STRUCT, [[1, ["x"]]]),
    (STRUCT, ["a"]),
    (MAP, [{"k": 1}]),
    (MAP, [{"\ud800": "v"}]),
    (MAP, [["k", "v"]]),
]


@pytest.mark.parametrize(("arrow_type", "values"), FITTING)
def test_values_of_the_columns_type_become_an_array(arrow_type: pa.DataType, values: list[Any]) -> None:
    array = column_of(values, arrow_type)
    array.validate(full=True)
    assert array.type == arrow_type
    assert array.to_pylist(maps_as_pydicts="strict") == values


def test_an_empty_object_is_a_null_struct() -> None:
    assert column_of([{}, {"a": 1}], STRUCT).to_pylist() == [None, {"a": 1, "b": None}]


@pytest.mark.parametrize(("arrow_type", "values"), MISFITS)
def test_a_value_of_another_type_is_a_misfit(arrow_type: pa.DataType, values: list[Any]) -> None:
    with pytest.raises(MisfitError):
        column_of(values, arrow_type)
