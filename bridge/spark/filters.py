"""Filters of Spark → narrower requests. Spark checks every row again, so a filter only has to leave out nothing.

A filter never replaces an option: what is read is what the options say, and of that only the part is asked for that a
filter can leave over.
"""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

from pyspark.sql.datasource import (
    DataSourceReader,
    EqualTo,
    Filter,
    GreaterThan,
    GreaterThanOrEqual,
    In,
    LessThan,
    LessThanOrEqual,
)

from bridge.reading.times import iso_ms, moment_of, shifted
from bridge.spark.datasource import ParticleReader
from bridge.tables.catalog import Table
from bridge.tables.options import Options

# Spark compares the texts of two times, which may be in different zones or forms; that can differ from their order in
# time by less than a day.
TEXT_AND_TIME = timedelta(days=1)


class FilteringReader(ParticleReader):
    """Reads one table once, and of it only what filters can leave over."""

    @property
    def pushFilters(self) -> "Narrowing":  # noqa: N802  (Spark's name)
        """Narrow the requests."""
        return Narrowing(self)


class Narrowing:
    """The method `pushFilters` of a reader, for sessions that have filter push-down switched on or off.

    Where it is off, Spark refuses a reader with a method of its own, which it knows by `__func__`; a session may switch
    it off after the format was registered.
    """

    def __init__(self, reader: FilteringReader) -> None:
        self._reader = reader
        self.__func__ = DataSourceReader.pushFilters

    def __call__(self, filters: list[Filter]) -> Iterable[Filter]:
        """Narrow the requests; returns all filters, so that Spark applies them to the rows."""
        self._reader.narrowing = narrowing_of(filters, self._reader.options)
        return filters


def narrowing_of(filters: Iterable[Filter], options: Options) -> dict[str, Any]:
    """Return the part of a descriptor that filters make possible: `only`, `start` and `end`."""
    only: dict[str, list[str]] = {}
    bounds: dict[str, str] = {}
    table, own = options.table, options.table_options
    bounds.update((name, own[f"{name}_date"]) for name in ("start", "end") if f"{name}_date" in own)
    for part in filters:
        column = ".".join(getattr(part, "attribute", ()))
        if column == table.cursor_field:
            _bound(part, bounds)
        elif values := _values(part, column, table):
            before = {value.lower() for value in only.get(column, values)}
            only[column] = [value for value in values if value.lower() in before]
    narrowing: dict[str, Any] = {"only": only} if only else {}
    return {**narrowing, **bounds} if bounds else narrowing


def _values(part: Filter, column: str, table: Table) -> list[str] | None:
    """Return the values that a filter leaves over, None where it says nothing about what is fanned out over."""
    if column not in table.columns or column not in {option.name for option in table.options}:
        return None
    if isinstance(part, In):
        return [value for value in part.value if isinstance(value, str)]
    return [part.value] if isinstance(part, EqualTo) and isinstance(part.value, str) else None


def _bound(part: Filter, bounds: dict[str, str]) -> None:
    moment = _moment(part)
    if moment is None:
        return
    if isinstance(part, GreaterThan | GreaterThanOrEqual | EqualTo):
        later = [shifted(moment, -TEXT_AND_TIME), *_given(bounds, "start")]
        bounds["start"] = iso_ms(max(later))
    if isinstance(part, LessThan | LessThanOrEqual | EqualTo):
        earlier = [shifted(moment, TEXT_AND_TIME), *_given(bounds, "end")]
        bounds["end"] = iso_ms(min(earlier))


def _given(bounds: Mapping[str, str], name: str) -> list[Any]:
    return [moment_of(bounds[name])] if name in bounds else []


def _moment(part: Filter) -> Any:
    try:
        return moment_of(getattr(part, "value", None))  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return None
