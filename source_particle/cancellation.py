"""Whether anyone still wants what a thread fetches: a reader that goes away stops its threads wherever they wait."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

# How often a thread that waits looks whether it still has to, in seconds.
PATIENCE = 0.5


_THREAD = threading.local()


@contextmanager
def while_wanted(*ended: threading.Event) -> Iterator[None]:
    """Let this thread ask only until one of the events is set, or one that was named around this block."""
    before = endings()
    _THREAD.endings = (*before, *ended)
    try:
        yield
    finally:
        _THREAD.endings = before


def endings() -> tuple[threading.Event, ...]:
    """Return the events that end what this thread does; a thread that it starts needs to be told of them."""
    ended: tuple[threading.Event, ...] = getattr(_THREAD, "endings", ())
    return ended


def is_wanted() -> bool:
    """Whether anyone still wants what this thread fetches."""
    return not any(ended.is_set() for ended in endings())


def pause(seconds: float) -> None:
    """Wait so long, or until nobody wants what comes next."""
    until = time.monotonic() + seconds
    while is_wanted() and (left := until - time.monotonic()) > 0:
        time.sleep(min(left, PATIENCE) if endings() else left)
