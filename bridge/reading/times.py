"""Moments: from the ways in which the API writes them, to the one way in which the bridge does."""

import re
from datetime import datetime, timedelta, timezone
from email.utils import parsedate_to_datetime

_ISO = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?(?: ?(Z)| ?([+-]\d\d):?(\d\d))?)?",
    re.ASCII | re.IGNORECASE,
)


def moment_of(text: str) -> datetime:
    """Read ISO 8601: a date, with or without time, fraction of a second and offset; UTC where it names no offset.

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


def iso_ms(moment: datetime) -> str:
    """Write a moment the API's usual way, `2026-01-31T12:00:00.000Z`; what is finer than milliseconds is cut off."""
    return moment.astimezone(timezone.utc).isoformat(timespec="milliseconds")[:23] + "Z"


def floored(moment: datetime, seconds: int) -> datetime:
    """Return the last whole multiple of so many seconds, counted from 1970, that is not after a moment."""
    return datetime.fromtimestamp(moment.timestamp() // seconds * seconds, timezone.utc)


def http_moment(text: str) -> datetime:
    """Read an HTTP header such as `Sun, 06 Nov 1994 08:49:37 GMT`; raises ValueError for anything else."""
    moment = parsedate_to_datetime(text)
    return moment.replace(tzinfo=moment.tzinfo or timezone.utc).astimezone(timezone.utc)


def seconds(count: float) -> timedelta:
    """Return so many seconds as a duration."""
    return timedelta(seconds=count)
