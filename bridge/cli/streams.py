"""Standard output and standard error, made ready for whatever a fleet holds and wherever they lead."""

import io
import os
import sys
from pathlib import Path
from typing import Any, TextIO, cast


class OutputError(Exception):
    """Standard output cannot be written, for example to a full disk."""


def prepare_streams() -> None:
    """Let no name of a device, no closed stream and no full disk behind standard error end a command."""
    # A daemon may start a command with closed streams. A file that is opened later must not get their numbers, or what
    # is written to standard error would be written into it.
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(number)
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115  (open until the end)
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A terminal may lack characters of a name. A file or a pipe has them all, unless the user wants it otherwise.
        wanted = None if sys.stdout.isatty() or "PYTHONIOENCODING" in os.environ else "utf-8"
        sys.stdout.reconfigure(encoding=wanted, errors="backslashreplace")
    if not isinstance(sys.stdout, _Stream):
        sys.stdout = cast(TextIO, _Output(sys.stdout))
    if not isinstance(sys.stderr, _Stream):
        sys.stderr = cast(TextIO, _Complaints(sys.stderr))


def is_unicode(stream: TextIO) -> bool:
    """Return whether a stream can write every character."""
    return (stream.encoding or "utf-8").lower().startswith("utf")


def discard(stream: TextIO) -> None:
    """Let a stream lead nowhere: at exit, Python would try to write the rest of it again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


class _Stream:
    """A stream whose errors are handled; whatever else a stream can do, the real one does."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class _Output(_Stream):
    """Standard output, whose errors can be told from all others."""

    def write(self, text: str) -> int:
        try:
            return self._stream.write(text)
        # The reader, such as `head`, has seen enough: typer and rich end the command quietly.
        except BrokenPipeError:
            raise
        except OSError as error:
            raise OutputError(error.strerror) from None

    def flush(self) -> None:
        try:
            self._stream.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            raise OutputError(error.strerror) from None


class _Complaints(_Stream):
    """Standard error, or nothing where it cannot be written: the work goes on, and there is nobody to tell."""

    def write(self, text: str) -> int:
        try:
            self._stream.write(text)
            self._stream.flush()
        except OSError:
            discard(self._stream)
        return len(text)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except OSError:
            discard(self._stream)
