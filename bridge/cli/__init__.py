"""Console script `particle-bridge`: shows the tables of a fleet, and saves them as files or in a database."""

import signal
import sys
from types import FrameType

from bridge.errors import ConfigurationError, ParticleError, SignInError, TemporaryError

SOME_FAILED = 1
_EXIT_CODES: dict[type[ParticleError], int] = {ConfigurationError: 2, SignInError: 3, TemporaryError: 4}
UNEXPECTED = 5
CONDITION_MET = 6


def main() -> None:
    """Run `particle-bridge`; user errors are reported in one line, without a traceback."""
    # By default a terminated process does not clean up, and an interrupted one prints pages of tracebacks.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _end)
    from bridge.cli.app import app  # noqa: PLC0415  (a signal that comes while this is imported is heard already)

    try:
        app()
    except ParticleError as error:
        from bridge.cli.output import complain  # noqa: PLC0415

        complain(f"Error: {error}")
        sys.exit(exit_code(error))


def exit_code(error: ParticleError) -> int:
    """Return the exit code for an error."""
    return next((code for kind, code in _EXIT_CODES.items() if isinstance(error, kind)), UNEXPECTED)


def _end(received: int, _frame: FrameType | None) -> None:
    sys.exit(128 + received)
