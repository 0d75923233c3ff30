"""Filters narrow requests, which always include every row that can pass them."""

from typing import Any

import pytest

from bridge.tables.catalog import table
from bridge.tables.options import Options

datasource = pytest.importorskip("pyspark.sql.datasource")
if not hasattr(datasource, "EqualTo"):
    pytest.skip("This PySpark knows no filters.", allow_module_level=True)

from pyspark.sql.datasource import (  # noqa: E402
    DataSourceReader,
    EqualNullSafe,
    EqualTo,
    Filter,
    GreaterThan,
    GreaterThanOrEqual,
    In,
    IsNotNull,
    LessThan,
    LessThanOrEqual,
    Not,
    StringContains,
)

from bridge.spark.filters import FilteringReader, narrowing_of  # noqa: E402

NOON, DAY_BEFORE, DAY_AFTER = "2026-01-31T12:00:00.000Z", "2026-01-30T12:00:00.000Z", "2026-02-01T12:00:00.000Z"


def narrowed(name: str, *filters: Filter, **options: str) -> dict[str, Any]:
    part = table(name)
    given = {"access_token": "a-token", **dict.fromkeys(part.required_options, "*"), **options}
    return narrowing_of(filters, Options.parse(given, part))


@pytest.mark.parametrize(
    ("name", "column"),
    [
        ("diagnostics", "device_id"),
        ("diagnostics", "product_id_or_slug"),
        ("sim_data_usage", "iccid"),
        ("sim_data_usage", "product_id_or_slug"),
        ("product_devices", "product_id_or_slug"),
        ("product_sims", "product_id_or_slug"),
        ("fleet_data_usage", "product_id_or_slug"),
    ],
)
def test_named_values_alone_are_asked_for(name: str, column: str) -> None:
    assert narrowed(name, EqualTo((column,), "a")) == {"only": {column: ["a"]}}
    assert narrowed(name, In((column,), ("a", "b"))) == {"only": {column: ["a", "b"]}}
    assert narrowed(name, In((column,), ("a", "b")), EqualTo((column,), "b")) == {"only": {column: ["b"]}}
    assert narrowed(name, EqualTo((column,), "a"), EqualTo((column,), "b")) == {"only": {column: []}}


def test_values_are_compared_without_case() -> None:
    parts = [In(("device_id",), ("AA", "b")), EqualTo(("device_id",), "aa")]
    assert narrowed("diagnostics", *parts) == {"only": {"device_id": ["aa"]}}


@pytest.mark.parametrize(
    ("part", "bounds"),
    [
        (GreaterThan(("updated_at",), NOON), {"start": DAY_BEFORE}),
        (GreaterThanOrEqual(("updated_at",), NOON), {"start": DAY_BEFORE}),
        (LessThan(("updated_at",), NOON), {"end": DAY_AFTER}),
        (LessThanOrEqual(("updated_at",), NOON), {"end": DAY_AFTER}),
        (EqualTo(("updated_at",), NOON), {"start": DAY_BEFORE, "end": DAY_AFTER}),
    ],
)
def test_a_time_is_asked_for_with_a_day_to_spare(part: Filter, bounds: dict[str, str]) -> None:
    assert narrowed("diagnostics", part) == bounds


@pytest.mark.parametrize(
    ("part", "bounds"),
    [
        (GreaterThan(("updated_at",), "0001-01-01"), {"start": "0001-01-01T00:00:00.000Z"}),
        (LessThan(("updated_at",), "0001-01-01"), {"end": "0001-01-02T00:00:00.000Z"}),
        (GreaterThan(("updated_at",), "9999-12-31T23:59:59Z"), {"start": "9999-12-30T23:59:59.000Z"}),
        (LessThanOrEqual(("updated_at",), "9999-12-31T23:59:59Z"), {"end": "9999-12-31T23:59:59.999Z"}),
        (LessThan(("updated_at",), "9999-12-31T23:59:59-05:00"), {}),
        (LessThan(("updated_at",), "10000-01-01"), {}),
    ],
    ids=str,
)
def test_bounds_at_the_edge_of_the_calendar_are_no_error(part: Filter, bounds: dict[str, str]) -> None:
    assert narrowed("diagnostics", part) == bounds


def test_the_narrowest_bounds_count() -> None:
    later = [GreaterThan(("updated_at",), time) for time in ("2026-01-20", NOON, "2026-01-01")]
    earlier = [LessThan(("updated_at",), time) for time in ("2026-02-20", NOON, "2026-03-01")]
    assert narrowed("diagnostics", *later, *earlier) == {"start": DAY_BEFORE, "end": DAY_AFTER}


@pytest.mark.parametrize(
    ("option", "part", "bounds"),
    [
        ("start_date", GreaterThan(("updated_at",), "2026-01-01"), {"start": NOON}),
        ("start_date", GreaterThan(("updated_at",), "2026-02-20"), {"start": "2026-02-19T00:00:00.000Z"}),
        ("end_date", LessThan(("updated_at",), "2026-03-01"), {"end": NOON}),
        ("end_date", LessThan(("updated_at",), "2026-01-01"), {"end": "2026-01-02T00:00:00.000Z"}),
    ],
)
def test_filters_never_widen_what_an_option_bounds(option: str, part: Filter, bounds: dict[str, str]) -> None:
    assert narrowed("diagnostics", part, **{option: NOON}) == bounds


@pytest.mark.parametrize(
    "part",
    [
        EqualTo(("network", "id"), "a"),
        EqualTo(("name",), "a"),
        EqualTo(("device_id",), None),
        EqualNullSafe(("device_id",), "a"),
        IsNotNull(("device_id",)),
        Not(EqualTo(("device_id",), "a")),
        Not(GreaterThan(("updated_at",), NOON)),
        StringContains(("device_id",), "a"),
        GreaterThan(("updated_at",), "yesterday"),
        GreaterThan(("updated_at",), None),
        GreaterThan(("device_id",), "a"),
    ],
    ids=str,
)
def test_any_other_filter_is_left_to_spark(part: Filter) -> None:
    assert narrowed("diagnostics", part) == {}


def test_tables_that_do_not_fan_out_are_read_as_they_are() -> None:
    assert narrowed("devices", EqualTo(("id",), "a")) == {}


def test_spark_takes_the_reader_with_push_down_switched_off_too() -> None:
    reader = FilteringReader(Options.parse({"access_token": "a-token"}, table("devices")))
    # What Spark looks at before it refuses a reader that wants filters which the session does not push down.
    assert getattr(reader.pushFilters, "__func__", None) is DataSourceReader.pushFilters
    assert list(reader.pushFilters([])) == []
