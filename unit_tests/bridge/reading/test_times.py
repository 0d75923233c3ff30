"""Times, in every form that has been seen."""

from datetime import datetime, timezone

import pytest

from bridge.reading.times import floored, http_moment, iso_ms, moment_of
from unit_tests.support.zones import time_zone


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-01-31T12:00:00.586Z", "2026-01-31T12:00:00.586000+00:00"),
        ("2026-01-31T12:00:00Z", "2026-01-31T12:00:00+00:00"),
        ("2026-01-31t12:00:00z", "2026-01-31T12:00:00+00:00"),
        ("2026-01-31T12:00:00.586405Z", "2026-01-31T12:00:00.586405+00:00"),
        ("2026-01-31T12:00:00.5Z", "2026-01-31T12:00:00.500000+00:00"),
        ("2026-01-31T12:00:00.586405123Z", "2026-01-31T12:00:00.586405+00:00"),
        ("2026-01-31T06:00:00.586-06:00", "2026-01-31T12:00:00.586000+00:00"),
        ("2026-01-31 04:00:00 -0800", "2026-01-31T12:00:00+00:00"),
        ("2026-01-31T12:00", "2026-01-31T12:00:00+00:00"),
        ("2026-01-31", "2026-01-31T00:00:00+00:00"),
    ],
)
def test_every_form_is_read(text: str, moment: str) -> None:
    assert moment_of(text) == datetime.fromisoformat(moment)
    assert moment_of(text).tzinfo is timezone.utc


@pytest.mark.parametrize(
    "text",
    ["", "yesterday", "2026-13-01T00:00:00Z", "2026-02-30", "1769860800", "2026-01-31T12:00:00Z\n", "٢٠٢٦-01-01"],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        moment_of(text)


def test_milliseconds_are_written_and_what_is_finer_cut_off() -> None:
    assert iso_ms(moment_of("2026-01-31T06:00:00.586999-06:00")) == "2026-01-31T12:00:00.586Z"


def test_floored_to_whole_multiples() -> None:
    assert iso_ms(floored(moment_of("2026-01-31T12:14:59.999Z"), 900)) == "2026-01-31T12:00:00.000Z"
    assert iso_ms(floored(moment_of("2026-01-31T12:15:00Z"), 900)) == "2026-01-31T12:15:00.000Z"


def test_the_header_date_is_read() -> None:
    assert http_moment("Sun, 06 Nov 1994 08:49:37 GMT") == moment_of("1994-11-06T08:49:37Z")
    with pytest.raises(ValueError, match=r"."):
        http_moment("")


# The hours in which clocks there are put forward or back.
@pytest.mark.parametrize(
    ("zone", "moment"),
    [
        ("America/New_York", "2026-03-08T06:59:59.999Z"),
        ("America/New_York", "2026-03-08T07:00:00.000Z"),
        ("America/New_York", "2026-11-01T05:30:00.000Z"),
        ("America/New_York", "2026-11-01T06:30:00.000Z"),
        ("Australia/Lord_Howe", "2026-10-03T15:30:00.000Z"),
        ("Australia/Lord_Howe", "2026-04-04T15:00:00.000Z"),
        ("Asia/Kolkata", "2026-03-08T02:30:00.000Z"),
    ],
)
def test_the_zone_of_this_machine_does_not_matter(zone: str, moment: str) -> None:
    in_words = moment_of(moment).strftime("%a, %d %b %Y %H:%M:%S GMT")
    with time_zone(zone):
        assert iso_ms(moment_of(moment)) == moment
        assert iso_ms(moment_of(moment.removesuffix("Z"))) == moment
        assert iso_ms(floored(moment_of(moment), 1800)) == f"{moment[:14]}{'30' if moment[14] > '2' else '00'}:00.000Z"
        assert iso_ms(http_moment(in_words)) == f"{moment[:20]}000Z"
