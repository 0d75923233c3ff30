"""Console script `particle-bridge`: shows the tables of a fleet, and saves them as files or in a database."""

import signal
import sys
from types import FrameType

from bridge.cli.exits import exit_code
from bridge.errors import ParticleError
from source_particle.garbage import no_collections


def main() -> None:
    """Run `particle-bridge`; user errors are reported in one line, without a traceback."""
    # By default a terminated process does not clean up, and an interrupted one prints pages of tracebacks.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _end)
    with no_collections():
        from bridge.cli.app import app  # noqa: PLC0415  (a signal that comes while this is imported is heard already)

    try:
        app()
    except ParticleError as error:
        from bridge.cli.output import complain  # noqa: PLC0415

        complain(f"Error: {error}")
        sys.exit(exit_code(error))


def _end(received: int, _frame: FrameType | None) -> None:
    sys.exit(128 + received)
