"""Fetching pages ahead of the one that is read, so that a long list takes a fraction of its round trips' time."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

from source_particle.paging import Fetch, Page


class _PagesAhead:
    """Answers like the fetch it wraps, mostly with pages that are there or under way."""

    def __init__(self, fetch: Fetch, pages: int, last_wanted: int | None) -> None:
        self._fetch, self._pages, self._last_wanted = fetch, pages, last_wanted
        self._pool: ThreadPoolExecutor | None = None
        self._under_way: dict[int, Future[Page | None]] = {}
        self._last = 0

    def fetch(self, number: int) -> Page | None:
        """Give a page by its number; one that is asked for again is fetched again."""
        if number <= self._last:
            # The list has changed: what was fetched ahead shows it as it was before.
            self.drop()
        self._last = number
        future = self._under_way.pop(number, None)
        page = future.result() if future else self._fetch(number)
        if page is not None and page.total_pages is not None:
            self._start(number + 1, min(number + self._pages, page.total_pages, self._last_wanted or page.total_pages))
        return page

    def _start(self, first: int, last: int) -> None:
        for number in range(first, last + 1):
            if number not in self._under_way:
                self._pool = self._pool or ThreadPoolExecutor(self._pages, thread_name_prefix="pages-ahead")
                self._under_way[number] = self._pool.submit(self._fetch, number)

    def drop(self) -> None:
        """Forget what is under way."""
        for future in self._under_way.values():
            future.cancel()
        self._under_way.clear()

    def close(self) -> None:
        """Fetch nothing more; a request that has been sent ends by itself."""
        self.drop()
        if self._pool:
            self._pool.shutdown(wait=False, cancel_futures=True)


@contextmanager
def pages_ahead(fetch: Fetch, pages: int, last_wanted: int | None) -> Iterator[Fetch]:
    """Give a fetch that keeps up to `pages` further pages under way, as far as there are any and they are wanted."""
    ahead = _PagesAhead(fetch, pages, last_wanted)
    try:
        yield ahead.fetch
    finally:
        ahead.close()
