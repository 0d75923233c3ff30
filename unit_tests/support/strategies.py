"""Random values from the tables' schemas, with any JSON in any place."""

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st

from bridge.rows.schema import kind_of
from bridge.tables.catalog import JsonSchema, Table

# Half a surrogate pair can come in JSON, so it is among the characters.
TEXT = st.text(st.characters(), max_size=8) | st.sampled_from(["a.b", "`", "", "0", "id", "err", "_rescued_data", "\0"])


def examples(count: int) -> int:
    """Return how many examples to try: so many percent of what the profile tries elsewhere, at least one."""
    return max(1, count * settings().max_examples // 100)


def anything(integers: st.SearchStrategy[int]) -> st.SearchStrategy[Any]:
    """Return any JSON value."""
    numbers = integers | st.floats(allow_nan=False, allow_infinity=False)
    scalars = st.none() | st.booleans() | numbers | numbers.map(str) | TEXT
    return st.recursive(scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3))


def records(table: Table, integers: st.SearchStrategy[int]) -> st.SearchStrategy[dict[str, Any]]:
    """Return records that mostly have the shape of a table's."""
    return _object(table.schema, anything(integers))


def _value(schema: JsonSchema, any_value: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    match kind_of(schema):
        case "struct":
            shaped: st.SearchStrategy[Any] = _object(schema, any_value)
        case "map":
            shaped = st.dictionaries(TEXT, any_value, max_size=3)
        case "array":
            shaped = st.lists(_value(schema["items"], any_value), max_size=3)
        case _:
            return any_value
    return shaped | any_value


def _object(schema: JsonSchema, any_value: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    known = {name: _value(value, any_value) for name, value in schema["properties"].items()}
    return st.builds(
        lambda strange, fitting: {**strange, **fitting},
        st.dictionaries(TEXT, any_value, max_size=2),
        st.fixed_dictionaries({}, optional=known),
    )
