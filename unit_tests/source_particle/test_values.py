"""Times in one form and columns of one type, without losing anything."""

import copy
import json
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from source_particle import manifest
from source_particle.values import Normalizer, rfc3339

SCHEMAS = manifest()["schemas"]

TIMES = {
    "2026-10-31T19:54:39.123Z": "2026-10-31T19:54:39.123Z",
    "2026-10-31T19:54:39Z": "2026-10-31T19:54:39.000Z",
    "2026-10-31T19:54Z": "2026-10-31T19:54:00.000Z",
    "2026-10-31T19:54:39.5Z": "2026-10-31T19:54:39.500Z",
    "2026-10-31 11:54:39 -0800": "2026-10-31T19:54:39.000Z",
    "2026-10-31T13:54:39.000-06:00": "2026-10-31T19:54:39.000Z",
    "2026-10-31t19:54:39z": "2026-10-31T19:54:39.000Z",
    "2026-12-31T23:54:39-01:30": "2027-01-01T01:24:39.000Z",
    "2026-10-31T19:54:39.942405+00:00": "2026-10-31T19:54:39.942405Z",
    "2026-10-31T19:54:39.123456789Z": "2026-10-31T19:54:39.123456789Z",
}
AS_SENT = [
    "2026-10-31",
    "2026-10-31T19:54:39",
    "2026-02-30T00:00:00Z",
    "2026-10-31T25:00:00Z",
    "0001-01-01T00:00:00+01:00",
    "9999-12-31T23:59:59-01:00",
    "yesterday",
    "",
    7,
    True,
    {"err": 1},
    ["2026-10-31T19:54:39Z"],
]


@pytest.mark.parametrize(("sent", "kept"), TIMES.items())
def test_every_spelling_of_a_time_becomes_one(sent: str, kept: str) -> None:
    assert rfc3339(sent) == kept
    assert rfc3339(kept) == kept


@pytest.mark.parametrize("value", AS_SENT, ids=repr)
def test_what_is_no_time_stays_as_sent(value: Any) -> None:
    assert rfc3339(value) is value


@given(st.datetimes(timezones=st.just(timezone.utc)), st.integers(-14 * 60, 14 * 60))
def test_the_moment_stays_the_same(moment: datetime, minutes: int) -> None:
    try:
        local = moment.astimezone(timezone(timedelta(minutes=minutes)))
    except OverflowError:
        return
    assert rfc3339(local.isoformat(timespec="microseconds")) == f"{moment.isoformat(timespec='microseconds')[:26]}Z"


def test_the_text_of_times_sorts_by_time() -> None:
    assert rfc3339("2026-10-31T20:00:00+02:00") < rfc3339("2026-10-31T18:30:00Z") < rfc3339("2026-10-31T19:00:00.1Z")


def test_every_column_has_one_type() -> None:
    many = {
        f"{table}.{name}"
        for table, schema in SCHEMAS.items()
        for name, column in schema["properties"].items()
        if len(set(column["type"]) - {"null"}) != 1
    }
    assert not many


def test_a_time_is_declared_as_one() -> None:
    undeclared = {
        f"{table}.{name}"
        for table, schema in SCHEMAS.items()
        for name, column in schema["properties"].items()
        if "ISO 8601" in column["description"] and column.get("airbyte_type") != "timestamp_with_timezone"
    }
    assert not undeclared


@pytest.mark.parametrize(
    ("table", "name", "sent", "kept"),
    [
        ("products", "id", "12857", 12857),
        ("products", "id", 12857, 12857),
        ("products", "id", "my-id", "my-id"),
        ("devices", "firmware_version", "10", 10),
        ("devices", "firmware_version", "007", "007"),
        ("devices", "firmware_version", 10.0, 10),
        ("devices", "firmware_version", 10.5, 10.5),
        ("devices", "firmware_version", True, True),
        ("sims", "product_id", "12857", 12857),
        ("product_sims", "updated_at", "2026-10-31 11:54:39 -0800", "2026-10-31T19:54:39.000Z"),
        ("product_sims", "updated_at", "2026-10-31", "2026-10-31"),
        ("user", "tos", {"version": 1}, {"version": 1}),
    ],
)
def test_columns_take_their_type_where_nothing_is_lost(table: str, name: str, sent: Any, kept: Any) -> None:
    records = [{name: sent}, {name: None}, {}]
    Normalizer(SCHEMAS[table])(records)
    assert json.dumps(records) == json.dumps([{name: kept}, {name: None}, {}])


def test_times_within_objects_and_lists_are_found() -> None:
    time = {"type": ["null", "string"], "format": "date-time"}
    within = {"type": ["null", "object"], "properties": {"at": time, "more": {"type": "array", "items": time}}}
    schema = {"properties": {"list": {"type": "array", "items": within}, "odd": within}}
    records = [{"list": [{"at": "2026-10-31T19:54:39Z", "more": ["2026-10-31T19:54Z", 3]}, None, 5], "odd": "text"}]
    Normalizer(schema)(records)
    assert records == [
        {
            "list": [{"at": "2026-10-31T19:54:39.000Z", "more": ["2026-10-31T19:54:00.000Z", 3]}, None, 5],
            "odd": "text",
        }
    ]


@pytest.mark.parametrize("value", [-210, 1.5, {"err": -210}], ids=repr)
def test_every_leaf_of_the_vitals_may_be_a_number_or_an_error(value: Any) -> None:
    from jsonschema import Draft7Validator  # noqa: PLC0415

    for path, leaf in _leaves(SCHEMAS["diagnostics"]["properties"]["payload"], ()):
        assert Draft7Validator(leaf).is_valid(value), path


def _leaves(schema: Any, path: tuple[str, ...]) -> Any:
    for name, part in schema.get("properties", {}).items():
        if "properties" in part:
            yield from _leaves(part, (*path, name))
        else:
            yield (*path, name), part


def test_nothing_is_changed_without_a_schema() -> None:
    records = [{"updated_at": "2026-10-31T19:54Z"}]
    before = copy.deepcopy(records)
    Normalizer({})(records)
    assert records == before
