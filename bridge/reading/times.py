"""Times: reads the forms that the API uses, and writes the one form of the bridge."""

import re
from datetime import datetime, timedelta, timezone
from email.utils import parsedate_to_datetime

_ISO = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?(?: ?(Z)| ?([+-]\d\d):?(\d\d))?)?",
    re.ASCII | re.IGNORECASE,
)

FIRST_MOMENT = datetime.min.replace(tzinfo=timezone.utc)
LAST_MOMENT = datetime.max.replace(tzinfo=timezone.utc)


def moment_of(text: str) -> datetime:
    """Return the time of an ISO 8601 text: a date, optionally with time, fraction and offset; UTC if it has no offset.

    Raises ValueError for anything else. Digits beyond microseconds are dropped.
    """
    match = _ISO.fullmatch(text)
    if match is None:
        raise ValueError(f"not ISO 8601: {text[:40]!r}")
    date, clock, seconds, fraction, _zulu, hours, minutes = match.groups()
    micros = (fraction or "0")[:6].ljust(6, "0")
    offset = f"{hours or '+00'}:{minutes or '00'}"
    return datetime.fromisoformat(f"{date}T{clock or '00:00'}:{seconds or '00'}.{micros}{offset}").astimezone(
        timezone.utc
    )


def shifted(moment: datetime, by: timedelta) -> datetime:
    """Return a moment in UTC so much later or earlier, at most the last or first one that there is."""
    try:
        return moment + by
    except OverflowError:
        return LAST_MOMENT if by > timedelta(0) else FIRST_MOMENT


def iso_ms(moment: datetime) -> str:
    """Return a time in the API's usual form, `2026-01-31T12:00:00.000Z`, truncated to milliseconds."""
    return moment.astimezone(timezone.utc).isoformat(timespec="milliseconds")[:23] + "Z"


def floored(moment: datetime, seconds: int) -> datetime:
    """Return a time rounded down to a multiple of `seconds` since 1970."""
    return datetime.fromtimestamp(moment.timestamp() // seconds * seconds, timezone.utc)


def http_moment(text: str) -> datetime:
    """Return the time of an HTTP header such as `Sun, 06 Nov 1994 08:49:37 GMT`; raises ValueError for others."""
    moment = parsedate_to_datetime(text)
    return moment.replace(tzinfo=moment.tzinfo or timezone.utc).astimezone(timezone.utc)


def seconds(count: float) -> timedelta:
    """Return a number of seconds as a duration."""
    return timedelta(seconds=count)
