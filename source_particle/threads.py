"""Threads that never keep a process alive, and whose errors reach whoever asks for their result."""

import mmap
import os
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

Result = TypeVar("Result")
Job = tuple[str, Callable[[], None]]

# Address space that a thread takes for its stack and its memory. Where it is limited and used up, as by
# spark.executor.pyspark.memory, the start of a thread does not fail: it never returns.
ROOM = 64 * 1024 * 1024
# Seconds for which a thread waits for more work: to start one takes longer than to send a request.
LINGER = 0.5


class NoThreadError(RuntimeError):
    """No thread could be started, for lack of memory or because of a limit."""


def in_background(
    work: Callable[[], Result], name: str, on_end: "Callable[[Future[Result]], None] | None" = None
) -> "Future[Result]":
    """Do some work in a daemon thread; the future returns what `work` returns, or raises what it raises.

    At the end of the work the thread calls `on_end` with the future. Raises NoThreadError.
    """
    future: Future[Result] = Future()
    if on_end:
        # Added before the start: on a future that is already done, a callback runs in the thread that adds it.
        future.add_done_callback(on_end)

    def run() -> None:
        try:
            result = work()
        except BaseException as error:  # noqa: BLE001 - raised where the result is asked for
            future.set_exception(error)
        else:
            future.set_result(result)

    _THREADS.run((name, run))
    return future


class _Threads:
    """Threads that have ended their work and wait for more; where none does, another one is started."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Count on none of the threads so far: a process that is forked has none of them."""
        self._lock, self._idle = threading.Lock(), 0
        self._jobs: queue.SimpleQueue[Job] = queue.SimpleQueue()

    def run(self, job: Job) -> None:
        """Do a job in a thread; raises NoThreadError."""
        with self._lock:
            if self._idle:
                self._idle -= 1
                self._jobs.put(job)
                return
        if not _has_room():
            raise NoThreadError
        try:
            threading.Thread(target=self._work, args=[[job]], name=job[0], daemon=True).start()
        except (RuntimeError, MemoryError) as error:
            raise NoThreadError from error

    def _work(self, jobs: list[Job]) -> None:
        while jobs:
            # Taken out of the list, because what a job holds may be large, and the thread may wait for the next.
            _do(*jobs.pop())
            jobs = self._next()

    def _next(self) -> list[Job]:
        with self._lock:
            self._idle += 1
        while True:
            try:
                return [self._jobs.get(timeout=LINGER)]
            except queue.Empty:
                with self._lock:
                    if self._jobs.empty():
                        self._idle -= 1
                        return []
                # A job came at the last moment. Another thread may be faster to take it.


def _do(name: str, work: Callable[[], None]) -> None:
    threading.current_thread().name = name
    work()


_THREADS = _Threads()
os.register_at_fork(after_in_child=_THREADS.forget)


def _has_room() -> bool:
    try:
        mmap.mmap(-1, ROOM).close()
    except (OSError, MemoryError):
        return False
    return True
