"""What a stream says when it refuses, loses or doubts something: whole sentences, as a user reads them."""

import logging
import pickle
from collections.abc import Callable
from datetime import timedelta

import pytest

from bridge.errors import ParticleError
from bridge.reading.streams import ServerClock, stream_of
from bridge.reading.times import moment_of
from bridge.reading.windows import Windows
from bridge.tables.catalog import table
from bridge.tables.options import Options

NOW = moment_of("2026-06-15T12:00:00Z")
LATER = NOW + timedelta(hours=1)
LONG_AGO = NOW - timedelta(days=40)


def options(name: str = "diagnostics", **more: str) -> Options:
    part = table(name)
    return Options.parse({"access_token": "t", **dict.fromkeys(part.required_options, "*"), **more}, part)


def windows(**more: str) -> Windows:
    return Windows.of(options(**more))


ERRORS: dict[str, tuple[Callable[[], object], str]] = {
    "the checkpoint of another stream": (
        lambda: windows().start_of({"snapshot": "a"}),
        "The checkpoint of the stream over diagnostics holds the offset {'snapshot': 'a'}, not one like "
        '{"until": "2026-01-31T12:00:00.000Z"}: it belongs to another stream. Start this one with its own checkpoint.',
    ),
    "the checkpoint of a stream of windows": (
        lambda: stream_of(options("devices"), 1).latest({"until": "2026-01-31T12:00:00.000Z"}),
        "The checkpoint of the stream over devices holds the offset {'until': '2026-01-31T12:00:00.000Z'}, which "
        "belongs to another stream. Start this one with its own checkpoint.",
    ),
    "a start in the future": (
        lambda: windows(start_date="2026-06-15T13:00:00Z").check_clock(LATER, NOW),
        "The stream over diagnostics would start at 2026-06-15T13:00:00.000Z, in the future: records until then would "
        "never be read. Correct start_date, or leave it out.",
    ),
    "a checkpoint in the future": (
        lambda: windows().check_clock(LATER, NOW),
        "The checkpoint of the stream over diagnostics is at 2026-06-15T13:00:00.000Z, ahead of the API's clock "
        "(2026-06-15T12:00:00.000Z): it was written while that clock was wrong, and records in between would never be "
        "read. Start the stream with a new checkpoint and set start_date to a time before that, or set "
        "failOnDataLoss=false to wait until then.",
    ),
    "a checkpoint that is too old": (
        lambda: windows().check_gap(LONG_AGO, NOW, NOW),
        "The stream over diagnostics resumes at 2026-05-06T12:00:00.000Z, but the API keeps nothing from before "
        "2026-05-16T12:15:00.000Z: the records in between are lost. Set failOnDataLoss=false to continue after the "
        "gap.",
    ),
}


@pytest.mark.parametrize(("fail", "text"), ERRORS.values(), ids=ERRORS)
def test_an_error_says_what_where_and_what_to_do(fail: Callable[[], object], text: str) -> None:
    with pytest.raises(ParticleError) as raised:
        fail()
    assert str(raised.value) == text


def test_a_clock_that_does_not_travel_says_so() -> None:
    with pytest.raises(TypeError) as raised:
        pickle.dumps(ServerClock(lambda: NOW))
    assert str(raised.value) == "The clock of a running stream cannot be pickled."


def test_an_accepted_loss_is_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    windows(failOnDataLoss="false").check_gap(LONG_AGO, NOW, NOW)
    assert caplog.messages == [
        "The stream over diagnostics resumes at 2026-05-06T12:00:00.000Z, but the API keeps nothing from before "
        "2026-05-16T12:15:00.000Z: the records in between are lost. The stream continues, because failOnDataLoss is "
        "false."
    ]


@pytest.mark.parametrize(
    ("told", "text"),
    [
        (
            timedelta(hours=1),
            "The API's clock says 2026-06-15T13:00:00.000Z, this machine's 2026-06-15T12:00:00.000Z. The stream "
            "follows the API's clock. If that is wrong, or a proxy repeats old replies, the stream misses new records.",
        ),
        (
            timedelta(0),
            "The API's clock stands still or runs backwards: it says 2026-06-15T12:00:00.000Z, and said "
            "2026-06-15T12:00:00.000Z 3600 seconds ago. The stream follows it and reads nothing new until it advances.",
        ),
    ],
)
def test_a_clock_in_doubt_is_a_warning(told: timedelta, text: str, caplog: pytest.LogCaptureFixture) -> None:
    elapsed = [0.0]
    clock = ServerClock(lambda: NOW + told, lambda: elapsed[0], lambda: NOW)
    with caplog.at_level(logging.WARNING):
        clock.now()
        if not told:
            elapsed[0] = 3_600.0
            clock.now()
    assert caplog.messages == [text]


@pytest.mark.parametrize(("told", "counts"), [([30], 30), ([-30], -30), ([31, 0, 30], 30), ([-31, 0, -30], -30)])
def test_half_a_minute_is_no_doubt(told: list[int], counts: int, caplog: pytest.LogCaptureFixture) -> None:
    replies = [NOW + timedelta(seconds=seconds) for seconds in reversed(told)]
    assert ServerClock(replies.pop, lambda: 0.0, lambda: NOW).now() == NOW + timedelta(seconds=counts)
    assert not caplog.messages
