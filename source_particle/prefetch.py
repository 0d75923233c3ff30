"""Fetching pages ahead of the one that is read, so that a long list takes a fraction of its round trips' time."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from time import perf_counter, process_time

from source_particle.cancellation import endings, while_wanted
from source_particle.paging import Fetch, Page
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


class _PagesAhead:
    """Answers like the fetch it wraps; behind a slow network, mostly with pages that are there or under way.

    Where the processor is the limit, fetching ahead would only cost more of it: threads take turns on the interpreter,
    and pages that wait are no longer in the processor's caches when their turn comes.
    """

    def __init__(self, fetch: Fetch, pages: Callable[[], int], last_wanted: int | None) -> None:
        self._fetch, self._pages, self._last_wanted = fetch, pages, last_wanted
        self._under_way: dict[int, Future[Page | None]] = {}
        self._last = 0
        self._is_slow = False
        self._closed = threading.Event()
        self._endings = (*endings(), self._closed)

    def fetch(self, number: int) -> Page | None:
        """Give a page by its number; one that is asked for again is fetched again."""
        if number <= self._last:
            # The list has changed: what was fetched ahead shows it as it was before.
            self._under_way.clear()
        self._last = number
        future = self._under_way.pop(number, None)
        page = future.result() if future else self._fetch_here(number)
        if page is not None and page.total_pages is not None:
            ahead = self._pages() if self._is_slow else 0
            last = min(number + ahead, page.total_pages, self._last_wanted or page.total_pages)
            for following in range(number + 1, last + 1):
                if following not in self._under_way:
                    self._under_way[following] = self._start(following)
        return page

    def _fetch_here(self, number: int) -> Page | None:
        began, worked = perf_counter(), process_time()
        page = self._fetch(number)
        if (perf_counter() - began) - (process_time() - worked) > SLOW:
            self._is_slow = True
        return page

    def _start(self, number: int) -> Future[Page | None]:
        def fetch() -> Page | None:
            with while_wanted(*self._endings):
                return self._fetch(number)

        # A thread for a page of a hundred records costs nothing that shows.
        return in_background(fetch, "pages-ahead")

    def close(self) -> None:
        """Send nothing more; a request that has been sent ends by itself."""
        self._closed.set()


@contextmanager
def pages_ahead(fetch: Fetch, pages: Callable[[], int], last_wanted: int | None) -> Iterator[Fetch]:
    """Give a fetch that keeps up to `pages()` further pages under way, as far as there are any and they are wanted.

    It begins to as soon as a page is waited for by a process that has nothing else to do.
    """
    ahead = _PagesAhead(fetch, pages, last_wanted)
    try:
        yield ahead.fetch
    finally:
        ahead.close()
