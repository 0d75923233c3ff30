"""Records become rows: what is converted, what is rescued, and that nothing is lost."""

import json
import re
from collections.abc import Iterator
from functools import reduce
from itertools import chain
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridge.rows.batches import MAX_BYTES, MAX_ROWS, ROWS_AT_ONCE, clean_records, record_batches, row_converter
from bridge.rows.schema import arrow_schema, kind_of, type_name
from bridge.tables.catalog import table, tables
from unit_tests.support.paths import ROOT
from unit_tests.support.restoring import alike, restored
from unit_tests.support.strategies import examples, records

NAMES = list(tables())
BIG = 2**63
VALUES = ROOT / "docs" / "values.md"


def rows_of(name: str, *records: dict[str, Any]) -> list[dict[str, Any]]:
    batches = record_batches(records, table(name))
    return [row for batch in batches for row in batch.to_pylist(maps_as_pydicts="strict")]


def row_of(name: str, record: dict[str, Any]) -> tuple[dict[str, Any], Any]:
    """Return the columns that are not null, and what was rescued."""
    [row] = rows_of(name, record)
    rescued = row.pop("_rescued_data")
    return {column: value for column, value in row.items() if value is not None}, rescued and json.loads(rescued)


COLUMNS = {
    "bigint": "platform_id",
    "double": "mb_limit",
    "boolean": "requires_activation_codes",
    "string": "description",
    "array": "groups",
    "struct": "settings",
    "any": "settings",
}
# As integers: those of 64 bits, and those that a double holds exactly.
BOUNDS = {"bigint": (2**63 - 1, -(2**63)), "double": (2**53, -(2**53))}


def documented() -> Iterator[tuple[str, Any, Any, Any]]:
    """Read the table of docs/values.md: a column of each type, what is sent, what is kept and what is rescued."""
    for line in VALUES.read_text(encoding="utf-8").splitlines():
        if line.startswith("| `") or line.startswith("| any"):
            kind, *cells = (cell.strip().strip("`") for cell in line.strip("|").split("|"))
            sent, kept, rescued = (json.loads(cell) if cell else None for cell in cells)
            yield COLUMNS[kind], sent, kept, rescued


@pytest.mark.parametrize(("column", "sent", "kept", "rescued"), [*documented()])
def test_value_is_kept_or_rescued_as_documented(column: str, sent: Any, kept: Any, rescued: Any) -> None:
    columns, found = row_of("products", {column: sent})
    assert columns == ({} if kept is None else {column: kept})
    assert type(columns.get(column)) is type(kept)
    assert found == (None if rescued is None else {column: rescued})


def test_every_kind_of_column_is_documented() -> None:
    kinds = {type_name(schema).partition("<")[0] for part in tables().values() for schema in part.columns.values()}
    documented_kinds = set(re.findall(r"^\| `(\w+)`", VALUES.read_text(encoding="utf-8"), re.MULTILINE))
    # A map is in the example of a struct.
    assert kinds == documented_kinds | {"map"}


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


def _leaves(properties: dict[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    for name, schema in properties.items():
        if "properties" in schema:
            yield from _leaves(schema["properties"], (*path, name))
        else:
            yield (*path, name), kind_of(schema)


@pytest.mark.parametrize("sent", [-210, 1.5, {"err": -210}], ids=repr)
def test_a_number_or_an_error_in_any_leaf_of_the_vitals_is_kept_or_rescued(sent: Any) -> None:
    leaves = [*_leaves({"payload": table("diagnostics").columns["payload"]})]
    assert len(leaves) > 40
    for path, kind in leaves:
        row, rescued = row_of("diagnostics", reduce(lambda value, name: {name: value}, reversed(path), sent))
        kept: Any = reduce(lambda value, name: value[name], path, row)
        if kind == "string":
            assert [kept, rescued] == [json.dumps(sent, separators=(",", ":")), None]
        elif isinstance(sent, dict) or (kind == "integer" and sent == 1.5):
            assert [kept, rescued] == [None, {".".join(path): sent}]
        else:
            assert [kept, rescued] == [sent, None]


def test_rescued_data_keep_the_order_in_which_the_api_sent_them() -> None:
    names = [f"new_{number}" for number in (5, 2, 9, 1, 7, 3, 8, 6, 4)]
    [row] = rows_of("diagnostics", {"payload": {"device": dict.fromkeys(names, 1)}, **dict.fromkeys(names, 1)})
    found = list(json.loads(row["_rescued_data"]))
    assert [name for name in found if "." not in name] == names
    assert [name for name in found if "." in name] == [f"payload.device.{name}" for name in names]


def test_rescued_data_is_compact_readable_json() -> None:
    [row] = rows_of("devices", {"new": {"größe": 1}})
    assert row["_rescued_data"] == '{"new":{"größe":1}}'
    [row] = rows_of("devices", {"new": {"half": ["\ud800", 1]}})
    assert row["_rescued_data"] == '{"new":{"half":["\\ud800",1]}}'
    [row] = rows_of("devices", {"new": {"größe": [2**70, 1]}})
    assert row["_rescued_data"] == f'{{"new":{{"größe":[{2**70},1]}}}}'


@pytest.mark.parametrize(
    ("column", "bound"), [(COLUMNS[kind], bound) for kind, size in BOUNDS.items() for bound in size]
)
def test_the_largest_and_the_smallest_number_are_kept_beside_a_misfit(column: str, bound: int) -> None:
    first, second = rows_of("products", {column: bound}, {column: {"err": 1}})
    assert (first[column], first["_rescued_data"]) == (bound, None)
    assert (second[column], second["_rescued_data"]) == (None, f'{{"{column}":{{"err":1}}}}')


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=examples(24), suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_row_and_rescued_data_together_are_the_record(name: str, data: st.DataObject) -> None:
    record = data.draw(records(table(name), st.integers(-(2**70), 2**70)))
    [row] = rows_of(name, record)
    assert alike(record, restored(row))


def test_batches_have_the_schema_of_the_table_and_at_most_so_many_rows() -> None:
    part = table("devices")
    batches = list(record_batches(({"id": str(number)} for number in range(25)), part, max_rows=10))
    assert [batch.num_rows for batch in batches] == [10, 10, 5]
    assert [row["id"] for batch in batches for row in batch.to_pylist()] == [str(number) for number in range(25)]
    assert all(batch.schema.equals(arrow_schema(part)) for batch in batches)


def test_batches_grow_so_that_a_query_for_a_few_rows_ends_soon() -> None:
    sizes = [batch.num_rows for batch in record_batches(({} for _ in range(30_000)), table("user"))]
    assert sizes[:10] == [10 * 2**number for number in range(10)]
    assert sizes[10:12] == [MAX_ROWS, 30_000 - MAX_ROWS - sum(sizes[:10])]
    assert MAX_ROWS > 5 * ROWS_AT_ONCE


@pytest.mark.parametrize("characters", [10_000, 400_000])
def test_a_batch_ends_after_about_eight_megabytes(characters: int) -> None:
    count = 30_000_000 // characters
    large = ({"notes": "x" * characters} for _ in range(count))
    batches = list(record_batches(large, table("devices")))
    assert sum(batch.num_rows for batch in batches) == count
    assert max(batch.nbytes for batch in batches) < MAX_BYTES + 2 * characters + 1_000_000


def test_no_more_than_a_batch_is_in_memory_however_suddenly_rows_grow() -> None:
    part, alive, most = table("devices"), 0, 0

    class Large(dict[str, Any]):
        def __init__(self) -> None:
            nonlocal alive, most
            super().__init__(notes="x" * 400_000)
            alive += 1
            most = max(most, alive)

        def __del__(self) -> None:
            nonlocal alive
            alive -= 1

    small: Iterator[dict[str, Any]] = ({"id": str(number)} for number in range(5_000))
    for batch in record_batches(chain(small, (Large() for _ in range(200))), part):
        assert batch.nbytes < MAX_BYTES + 2_000_000
    assert most * 400_000 < 3 * MAX_BYTES


def test_a_batch_takes_no_more_records_than_it_holds() -> None:
    taken: list[int] = []

    def counted() -> Iterator[dict[str, Any]]:
        for number in range(100):
            taken.append(number)
            yield {"id": str(number)}

    next(record_batches(counted(), table("devices"), max_rows=10))
    assert len(taken) == 10


def test_no_record_yields_no_batch() -> None:
    assert list(record_batches([], table("devices"))) == []


def test_clean_records_hold_plain_lists_and_dictionaries() -> None:
    sent = {"memberships": [{"team": "a", "role": None}, None, {}], "subscription_ids": [1]}
    [row] = clean_records([sent], table("user"))
    assert {column: value for column, value in row.items() if value is not None} == sent


def test_record_is_not_changed() -> None:
    record = {"id": "1", "network": {"new": 1}, "new": 2}
    row_converter(table("devices"))(record)
    assert record == {"id": "1", "network": {"new": 1}, "new": 2}
