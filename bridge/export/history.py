"""What an append table is read from next: the closed window of time since the last sync.

The API's clock says where a window ends, never this machine's. A window is read and written as a whole, and the next
one begins where it ended, so that no row is lost between two syncs and none arrives twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from bridge.errors import ConfigurationError
from bridge.reading.tasks import Descriptor, descriptors
from bridge.reading.times import iso_ms, moment_of
from bridge.reading.windows import AHEAD, Windows, kept_of
from bridge.tables.options import Options

# A sync is started by somebody who wants what there is; streams rest in between, and wait for more.
EAGER: Mapping[str, str] = {"min_window_seconds": "1"}
DATES = ("start_date", "end_date")


@dataclass(frozen=True)
class Window:
    """One window of an append table: start ≤ cursor < until, both ISO 8601 in UTC."""

    start: str
    until: str
    tasks: list[Descriptor]


def next_window(options: Options, until: str, now: datetime, *, allow_data_loss: bool) -> Window | None:
    """Return the window after one that ended at `until` ("": the first one), None where nothing has settled since.

    `now` is the API's time. Raises ConfigurationError where the API no longer keeps the rows after `until`.
    """
    windows = Windows.of(options)
    start = moment_of(until) if until else windows.start_of(None)
    end = windows.settled(now)
    if until:
        _check_clock(options, start, now)
    if end <= start:
        return None
    if until and not allow_data_loss:
        _check_gap(options, start, now)
    # By the API's clock, which need not be this machine's.
    kept = kept_of(options.table)
    start = max(start, now - kept) if kept else start
    tasks = descriptors(options, 1, windows.narrowing(start, end))
    return Window(iso_ms(start), iso_ms(end), tasks)


def selection_of(options: Options) -> dict[str, str]:
    """Return what an append table is read from, which must stay the same from one window to the next."""
    named = {name: str(value) for name, value in options.table_options.items() if name not in DATES}
    return {"base_url": options.config()["base_url"], **named}


def _check_clock(options: Options, start: datetime, now: datetime) -> None:
    if start > now + AHEAD:
        raise ConfigurationError(
            f"{options.table.name} was read up to {iso_ms(start)}, ahead of the API's clock ({iso_ms(now)}): that "
            "clock was wrong, and records in between would be missing. Write to another place, which reads all that "
            "the API keeps."
        )


def _check_gap(options: Options, start: datetime, now: datetime) -> None:
    kept = kept_of(options.table)
    if kept and start < (kept_since := now - kept):
        raise ConfigurationError(
            f"{options.table.name} was read up to {iso_ms(start)}, but the API keeps nothing from before "
            f"{iso_ms(kept_since)}: what came in between is lost. Go on after the gap with --allow-data-loss."
        )
