"""Fetching pages ahead of the one that is read, so that a long list takes a fraction of its round trips' time."""

import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from itertools import islice
from time import perf_counter, process_time

from source_particle.cancellation import endings, while_wanted
from source_particle.paging import Fetch, Page, Window
from source_particle.threads import in_background

# Seconds for which a page is waited for while this process has nothing to do. Below it, one page after the other is
# more than the 10,000 requests in 5 minutes that the API allows.
SLOW = 0.02


class OpenLists:
    """The lists that are read at this moment, which share the pages that may be fetched ahead and wait in memory."""

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
        """Return how many pages one list may fetch ahead."""
        return max(1, self._pages // max(1, self._count))

    def _add(self, number: int) -> None:
        with self._lock:
            self._count += number


class PagesAhead:
    """Answers like the fetch it wraps; behind a slow network, mostly with pages that are there or under way.

    Where the processor is the limit, fetching ahead would only cost more of it: threads take turns on the interpreter,
    and pages that wait are no longer in the processor's caches when their turn comes.
    """

    def __init__(self, fetch: Fetch, pages: Callable[[], int]) -> None:
        self._fetch, self._pages = fetch, pages
        self._under_way: dict[Window, Future[Page | None]] = {}
        self._is_slow = False
        self._read = 0
        self._closed = threading.Event()
        self._endings = (*endings(), self._closed)

    def fetch(self, window: Window) -> Page | None:
        """Give a page; one that is asked for again is fetched again."""
        future = self._under_way.pop(window, None)
        return future.result() if future else self._fetch_here(window)

    def expect(self, windows: Iterable[Window]) -> None:
        """Begin to fetch the pages that come next, in their order, and forget all others."""
        self._read += 1
        # Twice as many as have been read: who wants the first few records does not pay for a whole list.
        wanted = list(islice(windows, min(self._pages(), 2 * self._read) if self._is_slow else 0))
        self._under_way = {window: self._under_way.get(window) or self._start(window) for window in wanted}

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

        # A thread for a page of a hundred records costs nothing that shows.
        return in_background(fetch, "pages-ahead")

    def close(self) -> None:
        """Send nothing more; a request that has been sent ends by itself."""
        self._closed.set()


@contextmanager
def pages_ahead(fetch: Fetch, pages: Callable[[], int]) -> Iterator[PagesAhead]:
    """Give a fetch that keeps up to `pages()` of the pages under way that it is told to expect.

    It begins to as soon as a page is waited for by a process that has nothing else to do.
    """
    ahead = PagesAhead(fetch, pages)
    try:
        yield ahead
    finally:
        ahead.close()
