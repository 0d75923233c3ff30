"""Cancellation: a reader that goes away stops its threads, wherever they wait."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

# How often a waiting thread checks whether it is still wanted, in seconds.
PATIENCE = 0.5


_THREAD = threading.local()


@contextmanager
def while_wanted(*ended: threading.Event) -> Iterator[None]:
    """Stop the requests of this thread once one of the events is set, or one of an enclosing block."""
    before = endings()
    _THREAD.endings = (*before, *ended)
    try:
        yield
    finally:
        _THREAD.endings = before


def endings() -> tuple[threading.Event, ...]:
    """Return the events that stop this thread; pass them on to threads that it starts."""
    ended: tuple[threading.Event, ...] = getattr(_THREAD, "endings", ())
    return ended


def is_wanted() -> bool:
    """Return whether the reader of this thread's results is still there."""
    return not any(ended.is_set() for ended in endings())


def pause(seconds: float) -> None:
    """Wait for some seconds, or until the reader has gone."""
    until = time.monotonic() + seconds
    while is_wanted() and (left := until - time.monotonic()) > 0:
        time.sleep(min(left, PATIENCE) if endings() else left)
