"""Prefetched pages: the expected ones, never twice, and anew once the list has changed."""

import math
import threading
from collections import Counter
from itertools import count

import pytest

from source_particle import prefetch, threads
from source_particle.cancellation import is_wanted
from source_particle.paging import Page, PagedList, Window
from source_particle.prefetch import pages_ahead

# Threads of earlier tests: a request of theirs may still wait for its reply.
OTHERS: set[threading.Thread] = set()


@pytest.fixture(autouse=True)
def _slow_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prefetch, "SLOW", -math.inf)


@pytest.fixture(autouse=True)
def _threads_that_end_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "LINGER", 0.01)
    # None of another test, which has another name until it begins.
    monkeypatch.setattr(threads, "_THREADS", type(vars(threads)["_THREADS"])())
    OTHERS.clear()
    OTHERS.update(threading.enumerate())


class Server:
    """A list of a hundred records that counts how often each page was asked for."""

    def __init__(self) -> None:
        self.asked: Counter[Window] = Counter()
        self._lock = threading.Lock()

    def fetch(self, window: Window) -> Page | None:
        with self._lock:
            self.asked[window] += 1
        records = [{"id": f"{position:02}"} for position in range(window.start, min(window.end, 100))]
        return Page(records, total_pages=-(-100 // window.size), total_records=100, served_at=str(self.asked[window]))


def windows(*numbers: int) -> list[Window]:
    return [Window(number, 10) for number in numbers]


def join_threads() -> None:
    for thread in {*threading.enumerate()} - OTHERS:
        if thread.name == "pages-ahead":
            assert thread.daemon
            thread.join(60)
            assert not thread.is_alive()


@pytest.mark.parametrize("how", ["ascending", "unordered"])
@pytest.mark.parametrize("pages", [1, 3, 32])
@pytest.mark.parametrize("max_pages", [None, 5])
def test_a_list_is_read_with_the_same_requests_as_without(how: str, pages: int, max_pages: int | None) -> None:
    asked = []
    for share in (lambda: 0, lambda: pages):
        server = Server()
        with pages_ahead(server.fetch, share) as ahead:
            paged = PagedList(ahead.fetch, lambda record: str(record["id"]), 10, max_pages, expect=ahead.expect)
            found = list(paged.read_ascending() if how == "ascending" else paged.read_unordered())
        join_threads()
        assert [record["id"] for records in found for record in records] == [f"{n:02}" for n in range(100)][
            : max_pages and max_pages * 10
        ]
        asked.append(server.asked)

    assert asked[0] == asked[1]


@pytest.mark.parametrize("how", ["ascending", "unordered"])
def test_nothing_is_fetched_beyond_an_empty_list(how: str) -> None:
    asked = []

    def fetch(window: Window) -> Page:
        asked.append(window)
        return Page([], total_pages=1, total_records=0)

    with pages_ahead(fetch, lambda: 3) as ahead:
        paged = PagedList(ahead.fetch, str, 10, expect=ahead.expect)
        assert not list(paged.read_ascending() if how == "ascending" else paged.read_unordered())
    join_threads()
    assert [window.number for window in asked] == [1]


def test_so_many_pages_are_under_way_as_may_be() -> None:
    server = Server()
    with pages_ahead(server.fetch, lambda: 3) as ahead:
        # Twice as many as have been read, up to three.
        for number, asked in ((1, 3), (2, 5), (3, 6)):
            ahead.fetch(Window(number, 10))
            ahead.expect(windows(*range(number + 1, 11)))
            join_threads()
            assert server.asked == Counter(windows(*range(1, asked + 1)))


@pytest.mark.parametrize(("work", "asked"), [(0.9, [1, 2]), (0.1, [*range(1, 6)])])
def test_nothing_is_fetched_ahead_where_the_processor_is_the_limit(
    monkeypatch: pytest.MonkeyPatch, work: float, asked: list[int]
) -> None:
    """Each fetch takes a second by the clock, and so much of it by the processor."""
    monkeypatch.setattr(prefetch, "SLOW", 0.5)
    monkeypatch.setattr(prefetch, "perf_counter", count().__next__)
    monkeypatch.setattr(prefetch, "process_time", count(step=work).__next__)
    server = Server()
    with pages_ahead(server.fetch, lambda: 3) as ahead:
        for number in (1, 2):
            ahead.fetch(Window(number, 10))
            ahead.expect(windows(*range(number + 1, 11)))
    join_threads()

    assert sorted(server.asked) == windows(*asked)


def test_a_page_that_is_asked_for_again_is_fetched_afresh() -> None:
    server = Server()
    with pages_ahead(server.fetch, lambda: 2) as ahead:
        ahead.fetch(Window(1, 10))
        ahead.expect(windows(2, 3))
        ahead.fetch(Window(2, 10))
        again = ahead.fetch(Window(2, 10))

    assert again is not None
    assert again.served_at == "2"


def test_pages_that_are_no_longer_expected_are_fetched_afresh() -> None:
    """The list has changed: what was fetched ahead shows it as it was before."""
    server = Server()
    with pages_ahead(server.fetch, lambda: 2) as ahead:
        ahead.fetch(Window(1, 10))
        ahead.expect(windows(2, 3))
        join_threads()
        ahead.expect(())
        again = ahead.fetch(Window(2, 10))

    assert again is not None
    assert again.served_at == "2"


def test_an_error_ahead_is_raised_when_its_page_is_reached() -> None:
    def fetch_two(window: Window) -> Page:
        if window.number > 2:
            raise ValueError(window.number)
        return Page([{"id": str(window.number)}])

    with pages_ahead(fetch_two, lambda: 4) as ahead:
        ahead.fetch(Window(1, 10))
        ahead.expect(windows(2, 3, 4))
        ahead.fetch(Window(2, 10))
        with pytest.raises(ValueError, match="3"):
            ahead.fetch(Window(3, 10))


def test_nothing_more_is_sent_once_the_reader_has_gone() -> None:
    started, release = threading.Event(), threading.Event()
    wanted = []

    def fetch_slowly(window: Window) -> Page:
        if window.number > 1:
            started.set()
            release.wait(10)
            wanted.append(is_wanted())
        return Page([{"id": str(window.number)}])

    with pages_ahead(fetch_slowly, lambda: 4) as ahead:
        ahead.fetch(Window(1, 10))
        ahead.expect(windows(2))
        started.wait(10)
    release.set()
    join_threads()

    assert wanted == [False]
    assert is_wanted()
