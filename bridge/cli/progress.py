"""Shows the progress of a sync: a live line on a terminal, otherwise a plain line every few seconds."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console

from bridge.cli.output import visible
from bridge.export.sync import Observer, TableResult

if TYPE_CHECKING:
    from rich.status import Status

PLAIN_LINES_EVERY = 5.0


class Progress(Observer):
    """Shows on standard error which table is read, the number of rows, and the speed."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._status: Status | None = None
        self._table, self._rows, self._began = "", 0, time.monotonic()
        self._ended = threading.Event()

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

    def on_start(self, table: str) -> None:
        """Show the table that is read from now on."""
        self._table, self._rows, self._began = table, 0, time.monotonic()
        self._show()

    def on_rows(self, count: int) -> None:
        """Count rows."""
        self._rows += count

    def on_end(self, result: TableResult) -> None:
        """Print the result of a table."""
        self._table = ""
        self._console.print(visible(outcome(result)), markup=False, highlight=False, soft_wrap=True)

    def _tick(self) -> None:
        every = 0.2 if self._status else PLAIN_LINES_EVERY
        while not self._ended.wait(every):
            self._show()

    def _show(self) -> None:
        if not self._table:
            return
        seconds = time.monotonic() - self._began
        rate = f", {self._rows / seconds:,.0f} a second" if self._rows and seconds > 1 else ""
        text = f"{self._table}: {self._rows:,} rows{rate}"
        if self._status:
            self._status.update(text)
        elif seconds > 1:
            self._console.print(text, markup=False, highlight=False, soft_wrap=True)


def outcome(result: TableResult) -> str:
    """Return the result of a table in one line."""
    if result.error:
        return f"{result.table}: failed after {result.seconds:.1f} s"
    if result.skipped:
        return f"{result.table}: not read"
    if result.is_kept:
        return f"{result.table}: kept from the interrupted sync"
    new = "new " if result.until else ""
    return f"{result.table}: {result.rows:,} {new}rows in {result.seconds:.1f} s"
