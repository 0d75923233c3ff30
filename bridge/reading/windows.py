"""Splits a stream over a table with a cursor into closed windows of time; pure arithmetic, without a network.

An offset is `{"until": "<ISO 8601, milliseconds, Z>", "selection": …}` (see `selection`), and a batch contains all
records with start ≤ cursor < until. The first offset is a constant, so that a crash in the first batch replays it from
the same start. `until` follows the API's clock, never this machine's, stays `settle_seconds` behind it, and is a
multiple of `min_window_seconds`, so that a stream without new records is idle. If a record can still change after its
cursor, such as a bucket of time that has not ended, `until` stays further behind. Every reply that a batch is read from
has to be served after the batch's end has settled.
"""

import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from bridge.errors import ConfigurationError, OptionError, quoted
from bridge.reading.tasks import SINCE_EVER
from bridge.reading.times import floored, iso_ms, moment_of, seconds
from bridge.tables.catalog import Table
from bridge.tables.options import Options

LOGGER = logging.getLogger(__name__)

Offset = Mapping[str, Any]

EPOCH = moment_of(SINCE_EVER)
# Of what the API keeps, the part that expires while the tasks of a batch ask for it.
EXPIRING = timedelta(minutes=15)
# The oldest day is read in one window, because part of it would expire while small windows catch up.
CUT_SINCE = timedelta(days=29)
# A batch may be repeated this much later without a word about the end of what the API keeps.
LATE = timedelta(hours=1)
# Clocks of servers behind one address may differ this much; a checkpoint further ahead comes from a wrong clock.
AHEAD = timedelta(minutes=5)


@dataclass(frozen=True)
class Windows:
    """The windows of one stream."""

    table: Table
    kept: timedelta | None
    """How long the API keeps records; None if that is not known."""
    first: datetime
    last: datetime | None
    settle: timedelta
    grid: int
    longest: timedelta | None
    lookback: timedelta
    fail_on_data_loss: bool

    @classmethod
    def of(cls, options: Options) -> "Windows":
        """Return the windows that the options describe."""
        dates, spark = options.table_options, options.spark_options
        longest = spark.get("window_seconds")
        return cls(
            table=options.table,
            kept=kept_of(options.table),
            first=max(EPOCH, _date(dates, "start_date") or EPOCH),
            last=_date(dates, "end_date"),
            settle=seconds(spark["settle_seconds"] + _number(options.table.changes_for, options)),
            grid=spark["min_window_seconds"],
            longest=seconds(longest) if longest else None,
            lookback=seconds(spark["lookback_seconds"]),
            fail_on_data_loss=spark["failOnDataLoss"],
        )

    def start_of(self, offset: Offset | None) -> datetime:
        """Return the time up to which a stream has read; raises ConfigurationError for an offset of another stream."""
        if not offset:
            return moment_of(iso_ms(self.first))
        try:
            return moment_of(offset["until"])
        except (KeyError, TypeError, ValueError, OverflowError):
            raise ConfigurationError(
                f"The checkpoint of the stream over {self.table.name} holds the offset {quoted(dict(offset))}, not one "
                'like {"until": "2026-01-31T12:00:00.000Z"}: it belongs to another stream. Start this one with its '
                "own checkpoint."
            ) from None

    def settled(self, now: datetime) -> datetime:
        """Return the time up to which everything can be read; `now` is the API's clock."""
        until = floored(now - self.settle, self.grid)
        return until if self.last is None else min(until, self.last)

    def next_end(self, start: datetime, settled: datetime, now: datetime) -> datetime:
        """Return the end of the window that begins at `start`; `start` itself if there is nothing to read yet."""
        if self.longest is not None:
            settled = min(settled, max(start, now - CUT_SINCE) + self.longest)
        return max(start, settled)

    def narrowing(self, start: datetime, end: datetime) -> dict[str, str]:
        """Return a task's window, the time after which a reply contains all of it, and where it has to begin."""
        window = {"start": iso_ms(start - self.lookback), "end": iso_ms(end), "served_after": iso_ms(end + self.settle)}
        # Only without this may a task leave out what the API no longer keeps.
        is_needed = self.fail_on_data_loss and self._had_whole(start, end)
        return {**window, "needed_from": iso_ms(start)} if is_needed else window

    def check_clock(self, start: datetime, now: datetime) -> None:
        """Raise ConfigurationError, or warn, if a start or a checkpoint is ahead of the API's clock."""
        if start <= now + AHEAD:
            return
        if start == self.start_of(None):
            raise OptionError(
                f"The stream over {self.table.name} would start at {iso_ms(start)}, in the future: records until "
                "then would never be read. Correct start_date, or leave it out."
            )
        self._lose(
            f"The checkpoint of the stream over {self.table.name} is at {iso_ms(start)}, ahead of the API's clock "
            f"({iso_ms(now)}): it was written while that clock was wrong, and records in between would never be read.",
            "Start the stream with a new checkpoint and set start_date to a time before that, or set "
            "failOnDataLoss=false to wait until then.",
        )

    def check_gap(self, start: datetime, end: datetime, now: datetime) -> None:
        """Raise ConfigurationError, or warn, if the API no longer keeps what a batch has to read."""
        if self.kept is None:
            return
        kept_since = now - self.kept
        if start >= kept_since:
            return
        if end > kept_since and not self._had_whole(start, end):
            self._warn_of_late_repeat(end, kept_since)
            return
        self._lose(
            f"The stream over {self.table.name} resumes at {iso_ms(start)}, but the API keeps nothing from before "
            f"{iso_ms(kept_since)}: the records in between are lost.",
            "Set failOnDataLoss=false to continue after the gap.",
        )

    def _had_whole(self, start: datetime, end: datetime) -> bool:
        """Return whether the API kept all of a batch when it was planned; a first batch may begin earlier."""
        if start != self.start_of(None):
            return True
        kept_then = self._kept_when_planned(end)
        return kept_then is not None and start >= kept_then

    def _kept_when_planned(self, end: datetime) -> datetime | None:
        """Return since when the API kept records when the first batch was planned; None if that is not known."""
        # If only the clock ended the batch, it was planned in the next interval of the grid.
        if self.kept is None or end == self.last or self.longest is not None:
            return None
        return end + self.settle + seconds(self.grid) - self.kept

    def _warn_of_late_repeat(self, end: datetime, kept_since: datetime) -> None:
        """Warn if a first batch, which reads all that the API keeps, is repeated when that has become less."""
        kept_then = self._kept_when_planned(end)
        if kept_then is not None and kept_since > kept_then + LATE:
            LOGGER.warning(
                "The first batch of the stream over %s is repeated late: the API kept records from %s on when it was "
                "planned, and now keeps those from %s on. The ones in between are missing.",
                *(self.table.name, iso_ms(kept_then), iso_ms(kept_since)),
            )

    def _lose(self, loss: str, remedy: str) -> None:
        if self.fail_on_data_loss:
            raise ConfigurationError(f"{loss} {remedy}")
        LOGGER.warning("%s The stream continues, because failOnDataLoss is false.", loss)


def kept_of(table: Table) -> timedelta | None:
    """Return how long the records of a table can be read; None if that is not known."""
    return None if table.kept is None else table.kept - EXPIRING


def _number(given: str | int, options: Options) -> int:
    """Return a number of seconds, which may be the value of an option."""
    if isinstance(given, int):
        return given
    [option] = [option for option in options.table.options if option.name == given]
    return int(options.table_options.get(given, option.schema["default"]))


def _date(options: Mapping[str, Any], name: str) -> datetime | None:
    # Options are checked when they are parsed.
    return moment_of(options[name]) if name in options else None


def within(
    records: Iterable[Mapping[str, Any]], table: Table, descriptor: Mapping[str, Any]
) -> Iterator[Mapping[str, Any]]:
    """Yield only the records in a task's window."""
    start, end = (moment_of(descriptor[name]) if name in descriptor else None for name in ("start", "end"))
    for record in records:
        # The source rejects records whose cursor is not a time.
        moment = moment_of(record[str(table.cursor_field)])
        if (start is None or start <= moment) and (end is None or moment < end):
            yield record
