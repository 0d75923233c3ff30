"""The offsets of a stream over a table, and the tasks between two of them; for Spark and Lakeflow alike.

One object lives as long as a query, in the process that plans it. Its state there (the API's clock, the target of a run
with `availableNow`) is not pickled.
"""

import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

from bridge.errors import ConfigurationError, quoted
from bridge.reading import reader
from bridge.reading.selection import SELECTION, fingerprint, refuse_change, warn_of_older_version
from bridge.reading.tasks import Descriptor, descriptors
from bridge.reading.times import iso_ms, moment_of, seconds
from bridge.reading.windows import Offset, Windows
from bridge.tables.options import Options

LOGGER = logging.getLogger(__name__)
# An idle query asks for its next offset a hundred times a second.
CLOCK_KEPT = 60.0
# A slow reply shows the time at which it was sent.
IN_DOUBT = seconds(30)


class TableStream(ABC):
    """The offsets of one stream; `initial` is a constant, and equal offsets mean that nothing is new."""

    def __init__(self, options: Options, default_parts: int, *, rests: bool) -> None:
        self.options, self._default_parts, self._rests = options, default_parts, rests

    @abstractmethod
    def initial(self) -> dict[str, str]:
        """Return the offset before anything was read; needs no network."""

    @abstractmethod
    def latest(self, start: Offset | None) -> dict[str, str]:
        """Return the offset up to which the next batch reads; `start` itself if there is nothing new."""

    @abstractmethod
    def descriptors(self, start: Offset | None, end: Offset) -> list[Descriptor]:
        """Return the tasks of the batch between two offsets; none if they are equal."""

    def freeze(self) -> None:  # noqa: B027  (most streams have nothing to do)
        """Fix the end of the run at what exists now, as `availableNow` requires."""


def stream_of(options: Options, default_parts: int, *, rests: bool = False) -> TableStream:
    """Return the stream over a table: windows if it has a cursor, otherwise snapshots.

    With `rests`, it reports once that nothing is new whenever it has read everything up to the time it was asked. This
    is for a reader that is not told when a run has to end (`freeze`).
    """
    kind = WindowStream if options.table.cursor_field else SnapshotStream
    return kind(options, default_parts, rests=rests)


class SnapshotStream(TableStream):
    """One snapshot of the whole table for each start of the query.

    An offset names the start, by this machine's clock; it only has to differ from the ones before.
    """

    _stamp: str | None = None

    def initial(self) -> dict[str, str]:
        """Return the offset before the first snapshot."""
        return {"snapshot": ""}

    def latest(self, start: Offset | None) -> dict[str, str]:
        """Return the same offset as long as the query runs."""
        if self._stamp is None:
            before = self._stamp_of(start)
            now = iso_ms(datetime.now(timezone.utc))
            self._stamp = now if now > before else iso_ms(moment_of(before) + timedelta(milliseconds=1))
        return {"snapshot": self._stamp}

    def descriptors(self, start: Offset | None, end: Offset) -> list[Descriptor]:
        """Return the tasks of a whole read."""
        return [] if self._stamp_of(start) == self._stamp_of(end) else descriptors(self.options, self._default_parts)

    def _stamp_of(self, offset: Offset | None) -> str:
        stamp = (offset or self.initial()).get("snapshot")
        if isinstance(stamp, str):
            return stamp
        raise ConfigurationError(
            f"The checkpoint of the stream over {self.options.table.name} holds the offset {quoted(offset)}, which "
            "belongs to another stream. Start this one with its own checkpoint."
        )


class WindowStream(TableStream):
    """Closed windows of time; see `bridge.reading.windows`."""

    def __init__(self, options: Options, default_parts: int, *, rests: bool) -> None:
        super().__init__(options, default_parts, rests=rests)
        self._windows = Windows.of(options)
        self._clock = ServerClock(lambda: reader.server_time(options.config()))
        self._fingerprint = fingerprint(options)
        self._target: datetime | None = None
        self._resumed_at: Offset | None = None
        self._accepted: str | None = None

    def initial(self) -> dict[str, str]:
        """Return the constant start."""
        return self._offset(self._windows.start_of(None))

    def latest(self, start: Offset | None) -> dict[str, str]:
        """Return the end of the next window.

        Raises ConfigurationError for an offset that is another stream's, another selection's or ahead of the clock.
        """
        since, now = self._start_of(start), self._clock.now()
        if start not in (None, self._resumed_at):
            # Once per offset, because an idle query asks repeatedly.
            self._windows.check_clock(since, now)
            self._resumed_at = start
        end = self._windows.next_end(since, self._settled(since, now), now)
        # Spark compares offsets as text, and older versions wrote them differently.
        return dict(start) if start and end == since else self._offset(end)

    def descriptors(self, start: Offset | None, end: Offset) -> list[Descriptor]:
        """Return the tasks of a window; raises ConfigurationError if the API no longer keeps its start."""
        since, until = self._start_of(start), self._start_of(end)
        if since >= until:
            return []
        self._windows.check_gap(since, until, self._clock.now())
        return descriptors(self.options, self._default_parts, self._windows.narrowing(since, until))

    def freeze(self) -> None:
        """Fix the end of the run at what has settled by now."""
        self._target = self._windows.settled(self._clock.now())

    def _settled(self, since: datetime, now: datetime) -> datetime:
        settled = self._target or self._windows.settled(now)
        if self._rests:
            self._target = settled if since < settled else None
        return settled

    def _start_of(self, offset: Offset | None) -> datetime:
        written = (offset or {}).get(SELECTION, self._fingerprint)
        if offset and SELECTION not in offset and self._accepted is None:
            warn_of_older_version(self.options)
            self._accepted = self._fingerprint
        if written not in (self._fingerprint, self._accepted):
            refuse_change(self.options)
            self._accepted = written
        return self._windows.start_of(offset)

    def _offset(self, until: datetime) -> dict[str, str]:
        return {"until": iso_ms(until), SELECTION: self._fingerprint}


class ServerClock:
    """The API's clock: requested at most once a minute, and advanced by this machine's timer in between.

    A reply with an unexpected time is not trusted at once, because one wrong `Date` would put the end of a window into
    the future. The median of three replies counts, and a disagreement with the expected time is logged as a warning.
    """

    def __init__(
        self,
        ask: Callable[[], datetime],
        monotonic: Callable[[], float] = time.monotonic,
        machine: Callable[[], datetime] = lambda: datetime.now(timezone.utc),
    ) -> None:
        self._ask, self._monotonic, self._machine = ask, monotonic, machine
        self._told: tuple[datetime, float] | None = None

    def now(self) -> datetime:
        """Return the current time at the server."""
        if self._told is None or self._monotonic() - self._told[1] > CLOCK_KEPT:
            self._told = (self._asked(), self._monotonic())
        return self._counted_on(self._told)

    def _counted_on(self, told: tuple[datetime, float]) -> datetime:
        return told[0] + seconds(self._monotonic() - told[1])

    def _asked(self) -> datetime:
        told = self._ask()
        if abs(told - self._expected()) <= IN_DOUBT:
            return told
        told = sorted([told, self._ask(), self._ask()])[1]
        if self._told is not None and told <= self._told[0]:
            LOGGER.warning(
                "The API's clock stands still or runs backwards: it says %s, and said %s %d seconds ago. The stream "
                "follows it and reads nothing new until it advances.",
                *(iso_ms(told), iso_ms(self._told[0]), self._monotonic() - self._told[1]),
            )
        elif abs(told - (machine := self._machine())) > IN_DOUBT:
            LOGGER.warning(
                "The API's clock says %s, this machine's %s. The stream follows the API's clock. If that is wrong, or "
                "a proxy repeats old replies, the stream misses new records.",
                *(iso_ms(told), iso_ms(machine)),
            )
        return told

    def _expected(self) -> datetime:
        return self._machine() if self._told is None else self._counted_on(self._told)

    def __reduce__(self) -> Any:
        """Raise TypeError: the clock of one process is of no use in another."""
        raise TypeError("The clock of a running stream cannot be pickled.")
