"""Shows the progress of a sync: a live line on a terminal, otherwise a plain line every few seconds."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console

from bridge.cli.output import visible
from bridge.errors import ParticleError
from bridge.export.sync import Observer, TableResult
from bridge.reading import reader
from bridge.tables.options import Options

if TYPE_CHECKING:
    from rich.status import Status

LOGGER = logging.getLogger("bridge")
PLAIN_LINES_EVERY = 5.0
# Requests after which the time that is left can be told.
ENOUGH_TO_TELL = 20


class Progress(Observer):
    """Shows on standard error which table is read, the number of rows and requests, the speed, and the time left."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._status: Status | None = None
        self._options: Options | None = None
        self._is_signed_in = False
        self._rows, self._began, self._sent_before = 0, time.monotonic(), 0
        self._planned: int | None = None
        self._ended = threading.Event()
        self.results: list[TableResult] = []
        """What the tables have become so far."""

    @contextmanager
    def shown(self) -> Iterator[Progress]:
        """Show it while this block runs."""
        ticking = threading.Thread(target=self._tick, name="progress", daemon=True)
        if self._console.is_terminal:
            self._status = self._console.status("Signing in")
            self._status.start()
        ticking.start()
        try:
            yield self
        finally:
            self._ended.set()
            ticking.join()
            if self._status:
                self._status.stop()

    def on_sign_in(self, options: Options) -> None:
        """Show what signing in waits for."""
        # Imports the CDK, which the thread that shows the progress must not do at the same time.
        reader.traffic(options.config())
        self._options = options

    def on_start(self, options: Options) -> None:
        """Show the table that is read from now on."""
        # Nobody watches plain lines as they come: there, the lists need not be counted before they are read.
        self._planned = _planned(options) if self._status else None
        self._rows, self._began = 0, time.monotonic()
        self._sent_before, _ = reader.traffic(options.config())
        self._options, self._is_signed_in = options, True
        LOGGER.info("%s: reading", options.table.name)
        self.refresh()

    def on_rows(self, count: int) -> None:
        """Count rows."""
        self._rows += count

    def on_end(self, result: TableResult) -> None:
        """Print the result of a table."""
        self._options = None
        self.results.append(result)
        line, reason = outcome(result), result.error or result.skipped
        LOGGER.info("%s", visible(f"{line}: {reason}" if reason else line))
        self._console.print(visible(line), markup=False, highlight=False, soft_wrap=True)

    def _tick(self) -> None:
        every = 0.2 if self._status else PLAIN_LINES_EVERY
        while not self._ended.wait(every):
            self.refresh()

    def refresh(self) -> None:
        """Show how far the table is that is read, or that the sync signs in."""
        if (options := self._options) is None:
            return
        seconds = time.monotonic() - self._began
        text = ", ".join(self._details(options, seconds))
        if self._status:
            self._status.update(text)
        elif seconds > 1:
            self._console.print(text, markup=False, highlight=False, soft_wrap=True)

    def _details(self, options: Options, seconds: float) -> Iterator[str]:
        now, waits = reader.traffic(options.config())
        if self._is_signed_in:
            yield from self._reading(options.table.name, now - self._sent_before, seconds)
        else:
            yield "Signing in"
        if waits >= 1:
            yield f"waiting {waits:,.0f} s for the API's limit"

    def _reading(self, table: str, sent: int, seconds: float) -> Iterator[str]:
        yield f"{table}: {self._rows:,} rows"
        if self._rows and seconds > 1:
            yield f"{self._rows / seconds:,.0f} a second"
        yield f"{sent:,} requests" if self._planned is None else f"{sent:,} of about {self._planned:,} requests"
        if self._planned is not None and sent >= ENOUGH_TO_TELL and sent < self._planned:
            yield f"about {(self._planned - sent) * seconds / sent:,.0f} s left"


def _planned(options: Options) -> int | None:
    """Return how many requests a read of a table takes, None if that cannot be told."""
    if not options.table.fans_out:
        return None
    try:
        finding, reading = reader.count_requests(options.table, options.config())
    except ParticleError:
        # The read meets the same error, and reports it.
        return None
    return finding + sum(pages or 1 for pages in reading)


def outcome(result: TableResult) -> str:
    """Return the result of a table in one line."""
    if result.error:
        return f"{result.table}: failed after {result.seconds:.1f} s"
    if result.skipped:
        return f"{result.table}: not read"
    if result.is_kept:
        return f"{result.table}: kept from the last sync"
    new = "new " if result.until else ""
    return f"{result.table}: {result.rows:,} {new}rows in {result.seconds:.1f} s"
