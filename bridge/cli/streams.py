"""Standard output and standard error, made ready for whatever a fleet holds and wherever they lead."""

import io
import os
import sys
from pathlib import Path
from typing import Any, TextIO, cast


def prepare_streams() -> None:
    """Let no name of a device, no full disk under standard error and no closed stream end a command."""
    for name in ("stdout", "stderr"):
        # A daemon may start a command with closed streams.
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115  (open until the end)
    # An encoding may lack characters of a name.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    sys.stderr = cast(TextIO, _Complaints(sys.stderr))


def is_unicode(stream: TextIO) -> bool:
    """Return whether a stream can write every character."""
    return (stream.encoding or "utf-8").lower().startswith("utf")


class _Complaints:
    """Standard error, or nothing where it cannot be written: the work goes on, and there is nobody to tell.

    Whatever else a stream can do, the real one does.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

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


def discard(stream: TextIO) -> None:
    """Let a stream lead nowhere: Python would write what is left of it once more at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
