"""Fetches pages ahead of the one being read, so that a long list takes a fraction of its round trips' time."""

import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from itertools import islice
from time import perf_counter, process_time

from source_particle.cancellation import endings, while_wanted
from source_particle.paging import Fetch, Page, Window
from source_particle.threads import NoThreadError, in_background

# Seconds of waiting for a page while this process is idle. Below this, even one page after the other exceeds the 10,000
# requests in 5 minutes that the API allows.
SLOW = 0.02


class OpenLists:
    """The lists being read, which share the number of pages that may be prefetched and kept in memory."""

    def __init__(self, pages: int) -> None:
        self._pages, self._count, self._lock = pages, 0, threading.Lock()

    @contextmanager
    def one_more(self) -> Iterator[None]:
        """Count a list while it is read."""
        self._add(1)
        try:
            yield
        finally:
            self._add(-1)

    def share(self) -> int:
        """Return how many pages one list may prefetch."""
        return max(1, self._pages // max(1, self._count))

    def _add(self, number: int) -> None:
        with self._lock:
            self._count += number


class PagesAhead:
    """Returns the same pages as the fetch it wraps; on a slow network, most are already there or in flight.

    If the CPU is the limit, prefetching would only cost more of it: threads take turns on the interpreter, and waiting
    pages drop out of the processor's caches.
    """

    def __init__(self, fetch: Fetch, pages: Callable[[], int]) -> None:
        self._fetch, self._pages = fetch, pages
        self._under_way: dict[Window, Future[Page | None]] = {}
        self._is_slow = False
        self._read = 0
        self._closed = threading.Event()
        self._endings = (*endings(), self._closed)

    def fetch(self, window: Window) -> Page | None:
        """Return a page; one that is requested again is fetched again."""
        future = self._under_way.pop(window, None)
        return future.result() if future else self._fetch_here(window)

    def expect(self, windows: Iterable[Window]) -> None:
        """Start to fetch the next pages in order, and drop all others."""
        self._read += 1
        # At most twice as many as were read, so that a reader of a few records does not pay for a whole list.
        wanted = list(islice(windows, min(self._pages(), 2 * self._read) if self._is_slow else 0))
        ahead: dict[Window, Future[Page | None]] = {}
        # Where no thread can be started, pages are fetched one after the other.
        with suppress(NoThreadError):
            for window in wanted:
                ahead[window] = self._under_way.get(window) or self._start(window)
        self._under_way = ahead

    def _fetch_here(self, window: Window) -> Page | None:
        began, worked = perf_counter(), process_time()
        page = self._fetch(window)
        if (perf_counter() - began) - (process_time() - worked) > SLOW:
            self._is_slow = True
        return page

    def _start(self, window: Window) -> Future[Page | None]:
        def fetch() -> Page | None:
            with while_wanted(*self._endings):
                return self._fetch(window)

        # The cost of a thread for a page of a hundred records is negligible.
        return in_background(fetch, "pages-ahead")

    def close(self) -> None:
        """Send nothing more; requests in flight end by themselves."""
        self._closed.set()


@contextmanager
def pages_ahead(fetch: Fetch, pages: Callable[[], int]) -> Iterator[PagesAhead]:
    """Yield a fetch that keeps up to `pages()` of its expected pages in flight.

    It starts to do so once the process has waited idly for a page.
    """
    ahead = PagesAhead(fetch, pages)
    try:
        yield ahead
    finally:
        ahead.close()
