"""The server's clock, and the spellings of a moment that the API is known to use."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime

_ISO = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)(?:T(\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?(Z|[+-]\d\d:?\d\d)?)?",
    re.ASCII,
)


class Clock:
    """The time at the server: it starts at `start` and runs with the machine's monotonic clock.

    `skew` is in seconds and moves everything the server says or decides by time: the `Date` header, the age of
    tokens, the 30 days of vitals.
    """

    def __init__(self, start: datetime) -> None:
        self._start = start
        self._origin = time.monotonic()
        self.skew = 0.0

    def now(self) -> datetime:
        """Return the server's time in UTC."""
        return self._start + timedelta(seconds=time.monotonic() - self._origin + self.skew)


def parse_iso(text: str) -> datetime | None:
    """Return the moment an ISO 8601 text names (UTC when it has no offset), None when it is not ISO 8601."""
    match = _ISO.fullmatch(text.strip())
    if match is None:
        return None
    year, month, day, hour, minute, second, fraction, offset = match.groups()
    try:
        moment = datetime(
            int(year),
            int(month),
            int(day),
            int(hour or 0),
            int(minute or 0),
            int(second or 0),
            int((fraction or "0")[:6].ljust(6, "0")),
            tzinfo=timezone.utc,
        )
        return moment - _offset(offset)
    except (ValueError, OverflowError):
        return None


def _offset(text: str | None) -> timedelta:
    if text is None or text == "Z":
        return timedelta()
    digits = text[1:].replace(":", "")
    size = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return -size if text[0] == "-" else size


def iso_ms(moment: datetime) -> str:
    """Return the API's usual form, `2020-05-28T14:46:07.586Z`."""
    return moment.isoformat(timespec="milliseconds")[:23] + "Z"


def iso_seconds(moment: datetime) -> str:
    """Return the form without milliseconds, seen on locations."""
    return moment.isoformat(timespec="seconds")[:19] + "Z"


def iso_us(moment: datetime) -> str:
    """Return the form with microseconds, seen on Logic and Ledger objects."""
    return moment.isoformat(timespec="microseconds")[:26] + "Z"


def _with_offset(moment: datetime) -> str:
    local = moment.astimezone(timezone(timedelta(hours=-6)))
    return local.isoformat(timespec="milliseconds")


def _blank_separated(moment: datetime) -> str:
    local = moment.astimezone(timezone(timedelta(hours=-8)))
    return local.strftime("%Y-%m-%d %H:%M:%S -0800")


def _date_only(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d")


TIME_FORMS: tuple[Callable[[datetime], str], ...] = (
    iso_ms,
    iso_seconds,
    _with_offset,
    _blank_separated,
    iso_us,
    _date_only,
)


def http_date(moment: datetime) -> str:
    """Return the form of HTTP headers, `Sun, 06 Nov 1994 08:49:37 GMT`."""
    return format_datetime(moment, usegmt=True)
