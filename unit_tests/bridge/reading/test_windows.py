"""Windows: pure arithmetic on moments."""

import re
from datetime import timedelta
from typing import Any

import pytest

from bridge.errors import ConfigurationError, OptionError
from bridge.reading.times import iso_ms, moment_of
from bridge.reading.windows import Windows, within
from bridge.tables.catalog import table
from bridge.tables.options import Options

NOW = moment_of("2026-06-15T12:07:30Z")
DIAGNOSTICS = table("diagnostics")


def windows(**options: str) -> Windows:
    return Windows.of(Options.parse({"access_token": "t", "device_id": "*", **options}, DIAGNOSTICS))


def next_end(made: Windows, start: str) -> str:
    return iso_ms(made.next_end(moment_of(start), made.settled(NOW), NOW))


@pytest.mark.parametrize(
    ("options", "start"),
    [
        ({}, "1970-01-01T00:00:00.000Z"),
        ({"start_date": "2026-06-01"}, "2026-06-01T00:00:00.000Z"),
        ({"start_date": "2026-06-01T02:00:00.123456+02:00"}, "2026-06-01T00:00:00.123Z"),
        ({"start_date": "1900-01-01"}, "1970-01-01T00:00:00.000Z"),
    ],
)
def test_the_first_offset_is_a_constant(options: dict[str, str], start: str) -> None:
    assert iso_ms(windows(**options).start_of(None)) == start
    assert iso_ms(windows(**options).start_of({})) == start


@pytest.mark.parametrize(
    ("options", "end"),
    [
        ({}, "2026-06-15T12:00:00.000Z"),
        ({"settle_seconds": "600"}, "2026-06-15T11:45:00.000Z"),
        ({"settle_seconds": "0", "min_window_seconds": "1"}, "2026-06-15T12:07:30.000Z"),
        ({"end_date": "2026-06-15T11:00:00Z"}, "2026-06-15T11:00:00.000Z"),
        ({"window_seconds": "3600"}, "2026-06-14T01:00:00.000Z"),
        ({"window_seconds": "864000"}, "2026-06-15T12:00:00.000Z"),
    ],
)
def test_a_window_ends_on_the_grid_where_everything_has_settled(options: dict[str, str], end: str) -> None:
    assert next_end(windows(**options), "2026-06-14T00:00:00Z") == end


@pytest.mark.parametrize(
    ("options", "end"),
    [
        ({"bucket_size": "600", "settle_seconds": "0"}, "2026-06-15T11:57:30.000Z"),
        ({"bucket_size": "600", "settle_seconds": "60"}, "2026-06-15T11:56:30.000Z"),
        ({"settle_seconds": "0"}, "2026-06-15T11:07:30.000Z"),
    ],
)
def test_a_bucket_that_has_not_ended_is_in_no_window(options: dict[str, str], end: str) -> None:
    given = {"access_token": "t", "product_id_or_slug": "*", "min_window_seconds": "1", **options}
    made = Windows.of(Options.parse(given, table("metrics_online")))
    assert next_end(made, "2026-06-14T00:00:00Z") == end


def test_a_row_that_does_not_change_settles_at_once() -> None:
    assert windows(settle_seconds="0").settle == timedelta(0)


@pytest.mark.parametrize("start", ["2026-06-15T12:00:00.000Z", "2026-06-15T12:05:00.000Z", "2026-07-01T00:00:00.000Z"])
def test_without_news_a_window_ends_where_it_starts(start: str) -> None:
    for options in ({}, {"window_seconds": "60"}, {"end_date": "2026-06-01"}):
        assert next_end(windows(**options), start) == start


def test_the_oldest_day_comes_in_one_window_and_the_next_is_not_a_gap() -> None:
    made = windows(window_seconds="60")
    end = moment_of(next_end(made, "1970-01-01"))
    assert end == NOW - timedelta(days=29) + timedelta(seconds=60)
    made.check_gap(end, NOW, NOW + timedelta(hours=23))


@pytest.mark.parametrize("age", [timedelta(days=40), timedelta(days=29, hours=23, minutes=46)])
def test_a_gap_is_named_unless_it_is_accepted(age: timedelta, caplog: pytest.LogCaptureFixture) -> None:
    start = NOW - age
    with pytest.raises(ConfigurationError, match=f"resumes at {iso_ms(start)}, but .*2026-05-16T12:22:30.000Z"):
        windows().check_gap(start, NOW, NOW)
    windows(failOnDataLoss="false").check_gap(start, NOW, NOW)
    assert f"resumes at {iso_ms(start)}" in caplog.text
    assert "The stream continues, because" in caplog.text


def test_what_the_api_just_keeps_is_no_gap() -> None:
    windows().check_gap(NOW - timedelta(days=29, hours=23, minutes=45), NOW, NOW)


def test_the_first_start_is_no_gap_however_old() -> None:
    windows().check_gap(windows().start_of(None), NOW, NOW)
    windows(start_date="2026-01-01").check_gap(moment_of("2026-01-01"), NOW, NOW)
    with pytest.raises(ConfigurationError):
        windows(start_date="2026-01-02").check_gap(moment_of("2026-01-01"), NOW, NOW)


@pytest.mark.parametrize("options", [{}, {"start_date": "2026-06-01"}, {"window_seconds": "3600"}])
def test_a_first_batch_is_a_gap_once_nothing_of_it_is_kept(options: dict[str, str]) -> None:
    made = windows(**options)
    start, end = made.start_of(None), made.next_end(made.start_of(None), made.settled(NOW), NOW)
    made.check_gap(start, end, NOW)
    # The last quarter of an hour of 30 days may expire while it is read.
    late = end + timedelta(days=29, hours=23, minutes=45)
    with pytest.raises(ConfigurationError, match="the records in between are lost"):
        made.check_gap(start, end, late)
    windows(failOnDataLoss="false", **options).check_gap(start, end, late)


def test_a_first_batch_that_had_all_since_its_start_date_is_a_gap_when_that_is_no_longer_kept() -> None:
    later = NOW + timedelta(days=20)
    made = windows(start_date="2026-06-01")
    with pytest.raises(ConfigurationError, match=r"resumes at 2026-06-01T00:00:00.000Z, but"):
        made.check_gap(made.start_of(None), made.settled(NOW), later)
    for options in ({"start_date": "2026-05-01"}, {"start_date": "2026-06-01", "end_date": "2026-06-15T10:00:00Z"}):
        made = windows(**options)
        # It is unknown whether that day was kept when the batch was planned.
        made.check_gap(made.start_of(None), made.settled(NOW), later)


@pytest.mark.parametrize("options", [{}, {"start_date": "2026-05-01"}])
def test_a_first_batch_that_is_repeated_late_says_what_is_missing(
    options: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    made = windows(**options)
    start, end = made.start_of(None), made.settled(NOW)
    # It was planned at 12:16 at the latest.
    made.check_gap(start, end, moment_of("2026-06-15T13:16:00Z"))
    assert not caplog.messages
    made.check_gap(start, end, NOW + timedelta(days=20))
    assert caplog.messages == [
        "The first batch of the stream over diagnostics is repeated late: the API kept records from "
        "2026-05-16T12:31:00.000Z on when it was planned, and now keeps those from 2026-06-05T12:22:30.000Z on. The "
        "ones in between are missing."
    ]


@pytest.mark.parametrize("options", [{"window_seconds": "864000"}, {"end_date": "2026-06-15T10:00:00Z"}])
def test_a_first_batch_that_was_planned_at_an_unknown_time_says_nothing_when_it_is_repeated(
    options: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    made = windows(**options)
    start = made.start_of(None)
    made.check_gap(start, made.next_end(start, made.settled(NOW), NOW), NOW + timedelta(days=5))
    assert not caplog.messages


def test_a_checkpoint_ahead_of_the_clock_is_an_error_unless_it_is_accepted(caplog: pytest.LogCaptureFixture) -> None:
    ahead = NOW + timedelta(hours=2)
    windows().check_clock(NOW + timedelta(minutes=5), NOW)
    with pytest.raises(ConfigurationError, match=f"is at {iso_ms(ahead)}, ahead of the API's clock"):
        windows().check_clock(ahead, NOW)
    windows(failOnDataLoss="false").check_clock(ahead, NOW)
    assert "ahead of the API's clock" in caplog.text


def test_a_start_date_in_the_future_is_an_error() -> None:
    with pytest.raises(OptionError, match=r"would start at 2026-07-01T.*, in the future.* Correct start_date"):
        windows(start_date="2026-07-01").check_clock(moment_of("2026-07-01"), NOW)


def test_lookback_moves_only_what_is_asked_for() -> None:
    start, end = NOW - timedelta(hours=1), NOW
    assert windows(lookback_seconds="60").narrowing(start, end) == {
        "start": "2026-06-15T11:06:30.000Z",
        "end": "2026-06-15T12:07:30.000Z",
        "served_after": "2026-06-15T12:08:30.000Z",
        "needed_from": "2026-06-15T11:07:30.000Z",
    }


@pytest.mark.parametrize(
    ("options", "needed"),
    [
        ({}, None),
        ({"start_date": "2026-06-01"}, "2026-06-01T00:00:00.000Z"),
        ({"start_date": "2026-01-01"}, None),
        ({"start_date": "2026-06-01", "failOnDataLoss": "false"}, None),
    ],
)
def test_only_what_was_kept_when_a_batch_was_planned_is_needed(options: dict[str, str], needed: str | None) -> None:
    made = windows(**options)
    assert made.narrowing(made.start_of(None), made.settled(NOW)).get("needed_from") == needed


def test_a_first_batch_was_whole_if_all_since_its_start_was_kept_until_the_next_interval() -> None:
    end = moment_of("2026-06-15T12:00:00Z")
    # The batch settles for a minute and is planned within a quarter of an hour. What expires within another quarter of
    # an hour does not count as kept.
    start = end - timedelta(days=30) + timedelta(minutes=15 + 15 + 1)
    for first, needed in ((start, True), (start - timedelta(milliseconds=1), False)):
        made = windows(start_date=iso_ms(first), settle_seconds="60", min_window_seconds="900")
        assert ("needed_from" in made.narrowing(made.start_of(None), end)) == needed


@pytest.mark.parametrize("offset", [{"cursor": "x"}, {"until": None}, {"until": "x"}, {"until": 5}, {"snapshot": "x"}])
def test_an_offset_of_something_else_is_refused(offset: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=rf"{re.escape(repr(offset))}.* belongs to another stream"):
        windows().start_of(offset)


@pytest.mark.parametrize("name", ["start_date", "end_date"])
def test_a_day_that_does_not_exist_is_an_error(name: str) -> None:
    with pytest.raises(OptionError, match=f"'2026-02-30' for option {name}"):
        windows(**{name: "2026-02-30"})


def test_records_outside_the_window_are_dropped_whatever_the_api_sends() -> None:
    spellings = ["2026-01-01T00:00:00Z", "2025-12-31T23:59:59.999999Z", "2026-01-02T01:00:00.000+02:00", "2026-01-02"]
    records = [{"device_id": "a", "updated_at": text} for text in spellings]
    window = {"start": "2026-01-01T00:00:00.000Z", "end": "2026-01-02T00:00:00.000Z"}
    assert [record["updated_at"] for record in within(records, DIAGNOSTICS, window)] == [spellings[0], spellings[2]]
    assert len(list(within(records, DIAGNOSTICS, {"start": window["start"]}))) == 3
    assert len(list(within(records, DIAGNOSTICS, {"end": window["end"]}))) == 3
