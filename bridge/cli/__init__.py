"""Console script `particle-bridge`: shows the tables of a fleet, and saves them as files or in a database."""

import signal
import sys
from types import FrameType
from typing import NoReturn

from bridge.cli import exits
from bridge.cli.streams import discard, prepare_streams
from bridge.errors import ParticleError
from source_particle.garbage import no_collections


def main() -> None:
    """Run `particle-bridge`; user errors are reported in one line, without a traceback."""
    # By default a terminated process does not clean up, and an interrupted one prints pages of tracebacks.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _end)
    # A terminal that is closed; Windows has no signal for it, and `nohup` lets it be ignored.
    if hangup := getattr(signal, "SIGHUP", None):
        signal.signal(hangup, signal.SIG_IGN if signal.getsignal(hangup) == signal.SIG_IGN else _end)
    prepare_streams()
    with no_collections():
        from bridge.cli.app import app  # noqa: PLC0415  (a signal that comes while this is imported is heard already)

    try:
        try:
            app()
        finally:
            sys.stdout.flush()
    except ParticleError as error:
        _fail(str(error), exits.exit_code(error))
    except OSError as error:
        # The error of a file names it; what else is written is standard output.
        if error.filename is not None:
            raise
        discard(sys.stdout)
        # Whoever reads it, such as `head`, has seen enough. While a command runs, typer ends it in this way.
        if isinstance(error, BrokenPipeError):
            sys.exit(1)
        _fail(f"standard output cannot be written: {error.strerror}.", exits.USAGE)


def _fail(problem: str, code: int) -> NoReturn:
    from bridge.cli.output import complain  # noqa: PLC0415

    complain(f"Error: {problem}")
    sys.exit(code)


def _end(received: int, _frame: FrameType | None) -> None:
    sys.exit(128 + received)
