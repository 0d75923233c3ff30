"""Console script `particle-bridge`: shows the tables of a fleet, and saves them as files or in a database."""

import signal
import sys
from types import FrameType

from bridge.cli import exits
from bridge.cli.streams import OutputError, discard, prepare_streams
from bridge.errors import ParticleError
from source_particle.garbage import no_collection_at_exit, no_collections


def main() -> None:
    """Run `particle-bridge`; user errors are reported in one line, without a traceback."""
    # By default a terminated process does not clean up, and an interrupted one prints pages of tracebacks.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _end)
    # Sent when the terminal is closed. Windows does not have it, and under `nohup` it stays ignored.
    if hangup := getattr(signal, "SIGHUP", None):
        signal.signal(hangup, signal.SIG_IGN if signal.getsignal(hangup) == signal.SIG_IGN else _end)
    prepare_streams()
    no_collection_at_exit()
    with no_collections():
        from bridge.cli.app import app  # noqa: PLC0415  (a signal that comes while this is imported is heard already)

    code: int | str | None
    try:
        app()
        code = 0
    except SystemExit as end:
        code = end.code
    except ParticleError as error:
        code = _failed(str(error), exits.exit_code(error))
    except OutputError as error:
        code = _unwritable(error)
    unwritten = _flushed()
    sys.exit(code or unwritten)


def _flushed() -> int:
    """Write what is left of the output, and return the exit code if that fails."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        discard(sys.stdout)
        # As typer does when the pipe closes while a command runs.
        return 1
    except OutputError as error:
        return _unwritable(error)
    return 0


def _unwritable(error: OutputError) -> int:
    discard(sys.stdout)
    return _failed(f"standard output cannot be written: {error}.", exits.USAGE)


def _failed(problem: str, code: int) -> int:
    from bridge.cli.output import complain  # noqa: PLC0415

    complain(f"Error: {problem}")
    return code


def _end(received: int, _frame: FrameType | None) -> None:
    sys.exit(128 + received)
