"""Threads that never keep a process alive, and whose errors reach whoever asks for their result."""

import mmap
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

Result = TypeVar("Result")

# Address space that a thread takes for its stack and its memory. Where it is limited and used up, as by
# spark.executor.pyspark.memory, the start of a thread does not fail: it never returns.
ROOM = 64 * 1024 * 1024


class NoThreadError(RuntimeError):
    """No thread could be started, for lack of memory or because of a limit."""


def in_background(
    work: Callable[[], Result], name: str, on_end: "Callable[[Future[Result]], None] | None" = None
) -> "Future[Result]":
    """Start a daemon thread; the future returns what `work` returns, or raises what it raises.

    At the end of the thread it calls `on_end` with the future. Raises NoThreadError.
    """
    if not _has_room():
        raise NoThreadError
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

    try:
        threading.Thread(target=run, name=name, daemon=True).start()
    except (RuntimeError, MemoryError) as error:
        raise NoThreadError from error
    return future


def _has_room() -> bool:
    try:
        mmap.mmap(-1, ROOM).close()
    except (OSError, MemoryError):
        return False
    return True
