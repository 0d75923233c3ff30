"""Records that travel together, a page at a time: the way of a single one through the CDK costs more than its parsing.

Whoever reads sets `plan.bundled`, and unpacks what the source yields with `bundled`.
"""

import threading
import weakref
from collections.abc import Mapping
from typing import Any

from source_particle.paging import Record

# The only key of a bundle. No field of a record can be called so, because JSON has only texts as names.
_RECORDS = ("records",)
# Bundles of a stream that may wait until they are written; the CDK's queue has room for ten thousand.
WAITING = 20


class Bundle(dict[Any, Any]):
    """Some records in the form of one; taking them out, or dropping it, makes room for the next.

    Dropping alone would not do: the thread that reads a partition holds its last bundle while it waits for room, and
    so does the error of a partition that failed.
    """

    def __init__(self, records: list[Record], room: threading.Semaphore) -> None:
        make_room = weakref.finalize(self, room.release)
        make_room.atexit = False
        super().__init__({_RECORDS: (records, make_room)})


class Bundler:
    """Makes bundles of the pages of a stream, and waits while too many of them wait to be written."""

    def __init__(self) -> None:
        self._room = threading.Semaphore(WAITING)

    def bundle(self, records: list[Record]) -> Bundle:
        """Return a bundle of records, as soon as there is room for it."""
        self._room.acquire()
        return Bundle(records, self._room)


def bundled(data: Mapping[Any, Any]) -> list[Record] | None:
    """Return the records in a bundle, and make room for the next one; None if it is a record itself."""
    if (held := data.get(_RECORDS)) is None:
        return None
    records: list[Record]
    records, make_room = held
    make_room()
    return records


def records_in(data: Mapping[str, Any]) -> list[Record]:
    """Return the records in a bundle, or the only one."""
    records = bundled(data)
    return [dict(data)] if records is None else records
