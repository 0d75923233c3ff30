"""Reads partitions in parallel on a bounded pool of threads, which ends when its consumer does.

Each request takes a round trip, so only parallel requests can use the API's limit. An item is best a page of records:
to pass each one through a queue would cost more than the record itself.
"""

import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, wait
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Generic, TypeVar

from bridge.errors import ConfigurationError
from source_particle.threads import NoThreadError, in_background

Part = TypeVar("Part")
Item = TypeVar("Item")

# Few, because pages that wait long drop out of the processor's caches.
ITEMS_WAITING = 2
# How often a worker that cannot hand over checks whether it is still wanted, in seconds.
PATIENCE = 0.1
FAREWELL = 2.0


def overlapped(
    parts: Iterable[Part],
    read: Callable[[Part], Iterable[Item]],
    workers: int,
    until: Callable[[threading.Event], AbstractContextManager[Any]] = nullcontext,
) -> Iterator[Item]:
    """Yield the items of all parts, in no order, with up to `workers` parts read at once.

    Parts are taken one by one as workers become free, and a worker continues only when its item has been taken or
    waits in a short queue. The first error of a worker, or of `parts` itself, is raised here, and nothing more is
    read. Closing the iterator stops the workers as soon as the request they wait for ends. Each worker runs inside
    `until`, which gets the event that is set then.
    """
    pool = _Pool(iter(parts), read, workers, until)
    try:
        yield from pool.items()
    finally:
        pool.stop()


class _Pool(Generic[Part, Item]):
    def __init__(
        self,
        parts: Iterator[Part],
        read: Callable[[Part], Iterable[Item]],
        workers: int,
        until: Callable[[threading.Event], AbstractContextManager[Any]],
    ) -> None:
        self._parts, self._read, self._until = parts, read, until
        self._taking = threading.Lock()
        self._stopped = threading.Event()
        # An item in a tuple, an error, or None from a worker that has ended.
        self._results: queue.Queue[tuple[Item] | BaseException | None] = queue.Queue(ITEMS_WAITING)
        self._workers, self._working = workers, list[Future[None]]()
        self._starting, self._started = threading.Lock(), 0

    def items(self) -> Iterator[Item]:
        if not self._start_another():
            raise ConfigurationError(
                "No thread could be started to read with: this process has too little memory, or may not start more "
                "threads. In Spark, raise spark.executor.pyspark.memory or leave it unset; elsewhere, raise the limit "
                "of memory (ulimit -v) or of processes (ulimit -u)."
            )
        ended = 0
        while ended < self._started:
            result = self._results.get()
            if result is None:
                ended += 1
            elif isinstance(result, BaseException):
                raise result
            else:
                yield from result

    def stop(self) -> None:
        """Stop the workers; wait at most `FAREWELL` seconds for those with a request in flight."""
        self._stopped.set()
        wait(self._working, FAREWELL)

    def _work(self) -> None:
        with self._until(self._stopped):
            while (part := self._take()) is not None:
                self._start_another()
                for item in self._read(part):
                    if not self._hand_over((item,)):
                        return

    def _start_another(self) -> bool:
        """Start a worker for the next part, if there may be one more; those that run go on where none can start."""
        with self._starting:
            if self._started >= self._workers or self._stopped.is_set():
                return False
            # Counted first: it may have ended before its start returns.
            self._started += 1
            try:
                worker = in_background(self._work, f"read-ahead-{self._started - 1}", self._end)
            except NoThreadError:
                self._started = self._workers = self._started - 1
                return False
            self._working.append(worker)
            return True

    def _end(self, worker: "Future[None]") -> None:
        if error := worker.exception():
            self._hand_over(error)
        self._hand_over(None)

    def _take(self) -> Part | None:
        # Naming the next part may itself send requests; the others continue with what they have.
        with self._taking:
            return None if self._stopped.is_set() else next(self._parts, None)

    def _hand_over(self, result: tuple[Item] | BaseException | None) -> bool:
        while not self._stopped.is_set():
            try:
                self._results.put(result, timeout=PATIENCE)
            except queue.Full:
                continue
            return True
        return False
