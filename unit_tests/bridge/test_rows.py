"""Records become rows: what is converted, what is rescued, and that nothing is lost."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridge.catalog import Table, table, tables
from bridge.rows import MAX_ROWS, record_batches, row_converter
from bridge.schema import arrow_schema, kind_of
from integration_tests.device_cloud import DeviceCloud, Fleet, FleetSize
from unit_tests.bridge.restoring import alike, restored

NAMES = list(tables())
BIG = 2**63


def rows_of(name: str, *records: dict[str, Any]) -> list[dict[str, Any]]:
    batches = record_batches(records, table(name))
    return [row for batch in batches for row in batch.to_pylist(maps_as_pydicts="strict")]


def row_of(name: str, record: dict[str, Any]) -> tuple[dict[str, Any], Any]:
    """Give the columns that are not null, and what was rescued."""
    [row] = rows_of(name, record)
    rescued = row.pop("_rescued_data")
    return {column: value for column, value in row.items() if value is not None}, rescued and json.loads(rescued)


@pytest.mark.parametrize(
    ("column", "sent", "kept"),
    [
        # Long
        ("platform_id", 13, 13),
        ("platform_id", "13", 13),
        ("platform_id", "-13", -13),
        ("platform_id", 13.0, 13),
        ("platform_id", BIG - 1, BIG - 1),
        ("platform_id", str(-BIG), -BIG),
        # Double
        ("mb_limit", 1.5, 1.5),
        ("mb_limit", 3, 3.0),
        ("mb_limit", "2.50", 2.5),
        ("mb_limit", "1e3", 1000.0),
        ("mb_limit", 2**53, float(2**53)),
        # String
        ("description", "", ""),
        ("description", "schön 🛰", "schön 🛰"),
        ("description", True, "true"),
        ("description", False, "false"),
        ("description", 7, "7"),
        ("description", 1.5, "1.5"),
        ("description", 10**30, str(10**30)),
        ("description", {"a": [1, None, "é"]}, '{"a":[1,null,"é"]}'),
        ("description", [], "[]"),
        ("description", {}, "{}"),
        # Boolean
        ("requires_activation_codes", False, False),
        # Array, struct and map
        ("groups", [], []),
        ("groups", ["a", None, 1], ["a", None, "1"]),
        ("settings", {"quarantine": True}, {"location": None, "known_application": None, "quarantine": True}),
        ("settings", {"location": {}}, {"location": {}, "known_application": None, "quarantine": None}),
        (
            "settings",
            {"location": {"a": 1, "b": {"c": True}, "d": None}, "known_application": {}},
            {"location": {"a": "1", "b": '{"c":true}', "d": None}, "known_application": None, "quarantine": None},
        ),
    ],
)
def test_value_is_converted_where_that_loses_nothing(column: str, sent: Any, kept: Any) -> None:
    columns, rescued = row_of("products", {column: sent})
    assert columns == {column: kept}
    assert type(columns[column]) is type(kept)
    assert rescued is None


@pytest.mark.parametrize("sent", [{}, {"settings": {}}, {"settings": None, "name": None}])
def test_missing_values_and_empty_structs_are_null(sent: dict[str, Any]) -> None:
    assert row_of("products", sent) == ({}, None)


MISFITS: dict[str, list[Any]] = {
    "platform_id": [
        *("", "abc", "007", "+7", " 7", "7.0", "1e3", "-0", "\uff17", 1.5, BIG, -BIG - 1, str(BIG)),
        *(1e30, True, False, [], {}, [1], {"err": -210}),
    ],
    "mb_limit": [
        *("", "n/a", "NaN", "Infinity", "0x1", "1_0", "1e999", "0.1" + "0" * 50 + "1", "9007199254740993"),
        *(2**53 + 1, 10**400, True, {"err": -210}, []),
    ],
    "requires_activation_codes": [0, 1, "true", "", {}, []],
    "groups": ["a", 1, True, {"a": 1}, {}],
    "settings": ["a", 1, True, [], [{}]],
    "description": ["\ud800", "half a pair \udfff"],
}


@pytest.mark.parametrize(("column", "sent"), [(column, sent) for column in MISFITS for sent in MISFITS[column]])
def test_value_that_does_not_fit_is_rescued_whole(column: str, sent: Any) -> None:
    assert row_of("products", {column: sent, "id": 1}) == ({"id": 1}, {column: sent})


@pytest.mark.parametrize(
    ("name", "sent", "rescued"),
    [
        (
            "diagnostics",
            {"payload": {"device": {"power": {"battery": {"charge": {"err": -210}}}}}},
            {"payload.device.power.battery.charge": {"err": -210}},
        ),
        ("devices", {"new": {"deep": [1]}}, {"new": {"deep": [1]}}),
        ("devices", {"new": None}, {"new": None}),
        ("devices", {"network": {"id": "1", "role": {"state": "x", "new": 1}}}, {"network.role.new": 1}),
        ("devices", {"a.b": 1, "a`b": 2, "": 3}, {"`a.b`": 1, "`a``b`": 2, "``": 3}),
        ("devices", {"_rescued_data": "sent by the API"}, {"_rescued_data": "sent by the API"}),
        ("sim_data_usage", {"usage_by_day": [{}, 7, {"mbs_used": "x", "date": "d"}]},
         {"usage_by_day.1": 7, "usage_by_day.2.mbs_used": "x"}),
        ("user", {"memberships": [{"half.\ud800": 1, "team": "\ud800"}]},
         {"memberships.0.`half.\ud800`": 1, "memberships.0.team": "\ud800"}),
    ],
)  # fmt: skip
def test_misfits_and_unknown_fields_are_rescued_by_path(
    name: str, sent: dict[str, Any], rescued: dict[str, Any]
) -> None:
    assert row_of(name, sent)[1] == rescued


def test_rescued_data_is_compact_readable_json() -> None:
    [row] = rows_of("devices", {"new": {"größe": 1}})
    assert row["_rescued_data"] == '{"new":{"größe":1}}'


def _json(text: st.SearchStrategy[str]) -> st.SearchStrategy[Any]:
    numbers = st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False)
    scalars = st.none() | st.booleans() | numbers | numbers.map(str) | text
    return st.recursive(scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3))


# Half a surrogate pair can come in JSON, so it is among the characters.
TEXT = st.text(st.characters(), max_size=8) | st.sampled_from(["a.b", "`", "", "0", "id", "err"])
ANYTHING = _json(TEXT)


def _value_for(schema: Any) -> st.SearchStrategy[Any]:
    """Give values that mostly have the column's shape, with anything at all in any place."""
    match kind_of(schema):
        case "struct":
            known = {name: _value_for(value) for name, value in schema["properties"].items()}
            shaped: st.SearchStrategy[Any] = _object(known)
        case "map":
            shaped = st.dictionaries(TEXT, ANYTHING, max_size=3)
        case "array":
            shaped = st.lists(_value_for(schema["items"]), max_size=3)
        case _:
            return ANYTHING
    return shaped | ANYTHING


def _object(known: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[dict[str, Any]]:
    return st.builds(
        lambda strange, fitting: {**strange, **fitting},
        st.dictionaries(TEXT, ANYTHING, max_size=2),
        st.fixed_dictionaries({}, optional=known),
    )


@pytest.mark.parametrize("name", ["products", "user", "sim_data_usage", "diagnostics"])
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_row_and_rescued_data_together_are_the_record(name: str, data: st.DataObject) -> None:
    part = table(name)
    record = data.draw(_object({column: _value_for(schema) for column, schema in part.columns.items()}))
    [row] = rows_of(name, record)
    assert alike(record, restored(row))


@pytest.fixture(scope="module")
def cloud() -> Iterator[DeviceCloud]:
    with DeviceCloud(Fleet.seeded(FleetSize(products=2, devices=8))) as cloud:
        yield cloud


@pytest.mark.parametrize("part", tables().values(), ids=lambda part: part.name)
def test_every_record_of_a_fleet_is_kept_whole(part: Table, cloud: DeviceCloud) -> None:
    records = cloud.ledger.records(part.name, dict.fromkeys(part.required_options, "*"))
    assert records
    for record, row in zip(records, rows_of(part.name, *records), strict=True):
        assert alike(record, restored(row))


@pytest.mark.parametrize("part", tables().values(), ids=lambda part: part.name)
def test_records_together_are_the_rows_that_they_are_alone(part: Table, cloud: DeviceCloud) -> None:
    records = cloud.ledger.records(part.name, dict.fromkeys(part.required_options, "*"))
    misfits: list[Any] = [{"err": -210}, 1.5, []]
    strange = [{**records[0], name: value, "new": 1} for name in part.columns for value in misfits]
    for sent in (records, [*records, *strange]):
        together = [row for batch in record_batches(sent, part) for row in batch.to_pylist()]
        alone = [row for record in sent for batch in record_batches([record], part) for row in batch.to_pylist()]
        assert list(map(_comparable, together)) == list(map(_comparable, alone))


def _comparable(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, "_rescued_data": json.loads(row["_rescued_data"] or "{}")}


def test_batches_have_the_schema_of_the_table_and_at_most_so_many_rows() -> None:
    part = table("devices")
    batches = list(record_batches(({"id": str(number)} for number in range(25)), part, max_rows=10))
    assert [batch.num_rows for batch in batches] == [10, 10, 5]
    assert [row["id"] for batch in batches for row in batch.to_pylist()] == [str(number) for number in range(25)]
    assert all(batch.schema.equals(arrow_schema(part)) for batch in batches)


def test_a_batch_ends_after_about_eight_megabytes() -> None:
    records = ({"notes": "x" * 10_000} for _ in range(3_000))
    sizes = [batch.nbytes for batch in record_batches(records, table("devices"))]
    assert sum(sizes) > 30_000_000
    assert max(sizes) < 12_000_000


def test_a_batch_takes_no_more_records_than_it_holds() -> None:
    taken: list[int] = []

    def records() -> Iterator[dict[str, Any]]:
        for number in range(100):
            taken.append(number)
            yield {"id": str(number)}

    next(record_batches(records(), table("devices"), max_rows=10))
    assert len(taken) == 10


def test_no_record_gives_no_batch() -> None:
    assert list(record_batches([], table("devices"))) == []


def test_default_batch_is_bounded() -> None:
    first, second = record_batches(({} for _ in range(MAX_ROWS + 1)), table("oauth_clients"))
    assert (first.num_rows, second.num_rows) == (MAX_ROWS, 1)


def test_record_is_not_changed() -> None:
    record = {"id": "1", "network": {"new": 1}, "new": 2}
    row_converter(table("devices"))(record)
    assert record == {"id": "1", "network": {"new": 1}, "new": 2}
