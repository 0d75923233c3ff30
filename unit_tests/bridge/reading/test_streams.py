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
def test_the_initial_offset_is_constant_canonical_json_and_asks_nobody(name: str) -> None:
    first, second = stream(name).initial(), stream(name).initial()
    assert json.dumps(first) == json.dumps(second)
    assert len(first) == 1


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
    assert stream().descriptors(start, end) == [
        {"part": part, "parts": 4, "start": start["until"], "end": end["until"]} for part in range(4)
    ]


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


def test_the_end_never_moves_back_even_when_the_servers_clock_does(server: list[datetime]) -> None:
    made = stream()
    end = made.latest(None)
    server[:] = [START - timedelta(hours=2)]
    assert stream().latest(end) == end


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
    with pytest.raises(ConfigurationError, match=r"2026-01-01T00:00:00\.000Z.* belongs to something else"):
        stream("devices").latest({"until": "2026-01-01T00:00:00.000Z"})


def _clock(times: list[datetime], seconds: Callable[[], float]) -> ServerClock:
    return ServerClock(lambda: times.pop(0), seconds)


def test_the_clock_is_asked_once_a_minute_and_counts_on() -> None:
    elapsed = [1_000.0]
    clock = _clock([START, START + timedelta(hours=1)], lambda: elapsed[0])
    assert clock.now() == START
    elapsed[0] += 59.0
    assert iso_ms(clock.now()) == "2026-06-15T12:00:59.000Z"
    elapsed[0] += 1.0
    assert iso_ms(clock.now()) == "2026-06-15T12:01:00.000Z"
    elapsed[0] += 1.0
    assert clock.now() == START + timedelta(hours=1)


def test_a_clock_does_not_travel() -> None:
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(_clock([START], lambda: 0.0))
