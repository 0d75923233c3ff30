"""Collects log messages while a command runs: each warning once for the summary, and everything in a file."""

import logging
import re
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from bridge.cli.output import complain
from bridge.errors import ConfigurationError

LOGGER = logging.getLogger("bridge")


@contextmanager
def kept_logs(file: Path | None) -> Iterator[list[str]]:
    """Yield a list that gets a line for each warning in this block; equal warnings of several tables are joined."""
    notes = _Notes()
    before = LOGGER.level, LOGGER.propagate
    with ExitStack() as stack:
        handlers: list[logging.Handler] = [notes]
        if file:
            handlers.append(stack.enter_context(_written(file)))
        for handler in handlers:
            LOGGER.addHandler(handler)
            stack.callback(LOGGER.removeHandler, handler)
        LOGGER.setLevel(logging.INFO)
        LOGGER.propagate = False
        try:
            yield notes.lines
        finally:
            LOGGER.setLevel(before[0])
            LOGGER.propagate = before[1]
            notes.finish()


@contextmanager
def _written(file: Path) -> Iterator[logging.Handler]:
    try:
        handler = _LogFile(file.expanduser(), encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise ConfigurationError(f"{file} cannot be written: {error.strerror}. Choose another --log-file.") from None
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    try:
        yield handler
    finally:
        # Closing tries to write the rest again; the user knows already.
        with suppress(OSError):
            handler.close()


class _LogFile(logging.FileHandler):
    """A file of log messages; if it cannot be written, the work goes on without it."""

    is_written = True

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  (the name in `logging`)
        """Say once that the file cannot be written, and write no more."""
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            super().handleError(record)
            return
        LOGGER.removeHandler(self)
        if self.is_written:
            complain(f"{self.baseFilename} is no longer written: {error.strerror}.", style="yellow")
        self.is_written = False


class _Notes(logging.Handler):
    """Collects warnings: the same text for several tables becomes one line that names them all."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []
        self._tables: dict[str, list[str]] = {}

    def emit(self, record: logging.LogRecord) -> None:
        found = re.fullmatch(r"(?s)(\w+): (.*)", record.getMessage())
        table, text = found.groups() if found else ("", record.getMessage())
        named = self._tables.setdefault(text, [])
        if table not in named:
            named.append(table)

    def finish(self) -> None:
        """Write the lines."""
        self.lines.extend(f"{', '.join(named)}: {text}" if any(named) else text for text, named in self._tables.items())
