"""What `*` found and the API then refused: counted while a table is read, and named once at its end."""

import logging
import threading

from source_particle.errors import Refused

LOGGER = logging.getLogger("airbyte.source_particle")


class Skips:
    """The skipped items of one table; router and retriever report their progress to it."""

    def __init__(self, table: str) -> None:
        self._table = table
        self._lock = threading.Lock()
        self._open = 0
        self._enumerated = False
        self._skipped: dict[str, int] = {}

    def add(self, name: str, refusal: Refused) -> None:
        """Note that the API refused an item that `*` found."""
        LOGGER.info("%s: skipped %s: %s", self._table, name, refusal.message)
        with self._lock:
            self._skipped[name] = refusal.status

    def slice_named(self) -> None:
        """Note that there is one more slice to read."""
        with self._lock:
            self._open += 1

    def slice_read(self) -> None:
        """Note that a slice was read, skipped or abandoned."""
        with self._lock:
            self._open -= 1
        self._report_when_done()

    def all_named(self) -> None:
        """Note that there will be no further slices."""
        with self._lock:
            self._enumerated = True
        self._report_when_done()

    def _report_when_done(self) -> None:
        with self._lock:
            if self._open or not self._enumerated or not self._skipped:
                return
            skipped, self._skipped = self._skipped, {}
        named = ", ".join(f"{name} ({status})" for name, status in sorted(skipped.items()))
        LOGGER.warning(
            "%s: skipped %d that this token may not read or that no longer exist (403, 404): %s",
            self._table,
            len(skipped),
            named,
        )
