"""Streams over tables, as the process that plans a query holds them."""

import json
import pickle
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from bridge.errors import ConfigurationError
from bridge.reading import reader, streams
from bridge.reading.streams import ServerClock, SnapshotStream, TableStream, WindowStream, stream_of
from bridge.reading.times import iso_ms, moment_of
from bridge.tables.catalog import table, tables
from bridge.tables.options import Options

START = moment_of("2026-06-15T12:00:00Z")


def stream(name: str = "diagnostics", **options: str) -> TableStream:
    part = table(name)
    return stream_of(
        Options.parse({"access_token": "t", **dict.fromkeys(part.required_options, "*"), **options}, part), 4
    )


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> list[datetime]:
    """The times that the server tells, one for each time it is asked; the last one again and again."""
    times = [START]

    def server_time(config: reader.Config) -> datetime:
        assert config["base_url"]
        return times.pop(0) if len(times) > 1 else times[0]

    monkeypatch.setattr(reader, "server_time", server_time)
    return times


@pytest.mark.parametrize("name", tables())
def test_a_table_with_a_cursor_is_read_by_windows_and_any_other_by_snapshots(name: str) -> None:
    assert isinstance(stream(name), WindowStream if table(name).cursor_field else SnapshotStream)


@pytest.mark.parametrize("name", tables())
def test_the_initial_offset_is_constant_canonical_json_and_needs_no_network(name: str) -> None:
    first, second = stream(name).initial(), stream(name).initial()
    assert json.dumps(first) == json.dumps(second)
    assert list(first) == (["until", "selection"] if table(name).cursor_field else ["snapshot"])


@pytest.mark.parametrize("name", tables())
def test_offsets_converge_and_equal_ones_have_no_tasks(name: str, server: list[datetime]) -> None:
    made = stream(name)
    end = made.latest(None)
    assert made.descriptors(made.initial(), end)
    assert made.latest(end) == end
    assert made.descriptors(end, end) == []
    assert json.dumps(made.latest(made.initial())) == json.dumps(end)


def test_the_same_offsets_give_the_same_tasks_in_another_process(server: list[datetime]) -> None:
    end = stream().latest(None)
    assert stream().descriptors({}, end) == stream().descriptors(stream().initial(), end)


def test_each_task_of_a_window_is_told_its_window(server: list[datetime]) -> None:
    start, end = {"until": "2026-06-15T10:00:00.000Z"}, {"until": "2026-06-15T11:00:00.000Z"}
    window = {"start": start["until"], "end": end["until"], "served_after": "2026-06-15T11:01:00.000Z"}
    window["needed_from"] = start["until"]
    assert stream().descriptors(start, end) == [{"part": part, "parts": 4, **window} for part in range(4)]


def test_a_run_for_what_is_available_now_ends_there(server: list[datetime], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "CLOCK_KEPT", -1.0)
    made = stream(min_window_seconds="60", window_seconds="3600")
    made.freeze()
    server[:] = [START + timedelta(days=1)]
    offset, ends = made.initial(), []
    while (end := made.latest(offset)) != offset:
        offset = end
        ends.append(end["until"])
    assert ends[-1] == "2026-06-15T11:59:00.000Z"
    assert len(ends) == 28 * 24


def test_a_servers_clock_that_goes_back_moves_no_end_and_is_warned_about(
    server: list[datetime], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(streams, "CLOCK_KEPT", -1.0)
    made = stream()
    end = made.latest(None)
    assert made.latest(end) == end
    server[:] = [START - timedelta(hours=2)]
    assert made.latest(end) == end
    assert "stands still or runs backwards: it says 2026-06-15T10:00:00.000Z" in caplog.text


def test_a_checkpoint_ahead_of_the_servers_clock_is_an_error(server: list[datetime]) -> None:
    with pytest.raises(ConfigurationError, match="ahead of the API's clock"):
        stream().latest({"until": "2027-06-15T12:00:00.000Z"})
    resting = stream(failOnDataLoss="false")
    assert resting.latest({"until": "2027-06-15T12:00:00.000Z"}) == {"until": "2027-06-15T12:00:00.000Z"}


SELECTIONS = [
    ({"device_id": "aa"}, {"device_id": "aa,bb"}),
    ({"device_id": "aa,bb"}, {"device_id": "bb"}),
    ({"device_id": "aa"}, {"device_id": "*"}),
    ({"product_id_or_slug": "1"}, {"product_id_or_slug": "1,2"}),
    ({"product_id_or_slug": "1"}, {}),
]


@pytest.mark.parametrize(("before", "after"), SELECTIONS)
def test_a_checkpoint_of_another_selection_is_an_error_unless_it_is_accepted(
    before: dict[str, str], after: dict[str, str], server: list[datetime], caplog: pytest.LogCaptureFixture
) -> None:
    end = stream(**before).latest(None)
    calls: list[Callable[[TableStream], object]] = [
        lambda made: made.latest(end),
        lambda made: made.descriptors(end, end),
        lambda made: made.descriptors(made.initial(), end),
    ]
    for call in calls:
        with pytest.raises(ConfigurationError, match=r"another selection \(device_id or product_id_or_slug"):
            call(stream(**after))
    server[:] = [START + timedelta(days=1)]
    made = stream(**after, failOnSelectionChange="false")
    assert made.latest(made.latest(end)) == made.latest(end) != end
    assert caplog.text.count("written for another selection") == 1


def test_the_same_selection_in_another_spelling_is_no_change(server: list[datetime]) -> None:
    spellings: list[tuple[dict[str, str], dict[str, str]]] = [
        ({"device_id": "aa,BB"}, {"device_id": "bb, aa"}),
        ({"device_id": "aa"}, {"device_id": "aa", "product_id_or_slug": "1"}),
        ({"device_id": "*"}, {"device_id": "*", "product_id_or_slug": "*"}),
        ({"start_date": "2026-06-01"}, {"end_date": "2026-07-01", "settle_seconds": "5"}),
    ]
    for before, after in spellings:
        assert stream(**before).latest(None)["selection"] == stream(**after).latest(None)["selection"]


def test_an_offset_of_an_older_version_resumes_and_stays_unchanged_without_new_records(server: list[datetime]) -> None:
    old = {"until": "2026-06-15T11:45:00.000Z"}
    assert stream().latest(old) == old
    server[:] = [START + timedelta(hours=1)]
    end = stream().latest(old)
    assert end == {"until": "2026-06-15T12:45:00.000Z", "selection": stream().initial()["selection"]}
    assert stream().descriptors(old, end)


def test_an_offset_of_an_older_version_is_warned_about_once(
    server: list[datetime], caplog: pytest.LogCaptureFixture
) -> None:
    made = stream()
    for _ in range(3):
        made.latest({"until": "2026-06-15T11:00:00.000Z"})
    assert [text for text in caplog.messages if "version 0.2.0" in text] == caplog.messages[:1]
    caplog.clear()
    stream().latest(stream().initial())
    assert not [text for text in caplog.messages if "version 0.2.0" in text]


@pytest.mark.parametrize("rests", [True, False])
def test_a_stream_that_is_not_told_when_to_end_rests_once_it_has_read_all(
    rests: bool, server: list[datetime], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "CLOCK_KEPT", -1.0)
    made = stream_of(stream().options, 4, **({"rests": True} if rests else {}))
    first = made.latest(None)
    server[:] = [START + timedelta(hours=1)]
    assert (made.latest(first) == first) is rests
    assert made.latest(first)["until"] == "2026-06-15T12:45:00.000Z"


def test_each_start_of_a_query_is_another_snapshot() -> None:
    offset = {"snapshot": ""}
    for _ in range(5):
        made = stream("devices")
        end = made.latest(offset)
        assert end != offset
        assert made.descriptors(offset, end) == [{"part": 0, "parts": 1}]
        offset = end
    ahead = {"snapshot": "2999-01-01T00:00:00.000Z"}
    assert stream("devices").latest(ahead) == {"snapshot": "2999-01-01T00:00:00.001Z"}


def test_an_offset_of_something_else_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"2026-01-01T00:00:00\.000Z.* belongs to another stream"):
        stream("devices").latest({"until": "2026-01-01T00:00:00.000Z"})


class Asked:
    """A server's clock and this machine's, moved by hand."""

    def __init__(self, *told: datetime) -> None:
        self.told, self.elapsed = list(told), 1_000.0
        self.clock = ServerClock(lambda: self.told.pop(0), lambda: self.elapsed, lambda: START)


def test_the_clock_is_asked_once_a_minute_and_counts_on() -> None:
    asked = Asked(START, START + timedelta(seconds=62))
    assert asked.clock.now() == START
    asked.elapsed += 59.0
    assert iso_ms(asked.clock.now()) == "2026-06-15T12:00:59.000Z"
    asked.elapsed += 1.0
    assert iso_ms(asked.clock.now()) == "2026-06-15T12:01:00.000Z"
    asked.elapsed += 1.0
    assert asked.clock.now() == START + timedelta(seconds=62)


@pytest.mark.parametrize("odd", [timedelta(hours=2), timedelta(days=365), timedelta(hours=-2)])
@pytest.mark.parametrize("place", [0, 1])
def test_of_three_replies_a_wrong_one_does_not_count(odd: timedelta, place: int) -> None:
    asked = Asked(*[START] * place, START + odd, *[START] * (3 - place))
    for _ in range(place + 1):
        asked.elapsed += 61.0 if asked.clock._told else 0.0  # noqa: SLF001  (whether it has asked yet)
        assert asked.clock.now() == START
    assert len(asked.told) == (1 if place == 0 else 0)


def test_a_machine_whose_clock_is_wrong_follows_the_servers_with_a_word(caplog: pytest.LogCaptureFixture) -> None:
    there = START + timedelta(days=10)
    assert Asked(there, there, there).clock.now() == there
    assert "The API's clock says 2026-06-25T12:00:00.000Z, this machine's 2026-06-15T12:00:00.000Z" in caplog.text


def test_a_clock_that_stands_still_is_warned_about(caplog: pytest.LogCaptureFixture) -> None:
    asked = Asked(*[START] * 4)
    asked.clock.now()
    assert not caplog.text
    asked.elapsed += 3_600.0
    assert asked.clock.now() == START
    assert "stands still or runs backwards: it says 2026-06-15T12:00:00.000Z, and said" in caplog.text
    assert "3600 seconds ago" in caplog.text


def test_a_clock_does_not_travel() -> None:
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(Asked(START).clock)
