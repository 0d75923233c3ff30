"""Pages fetched ahead: as far as there are any, never twice, and afresh once the list has changed."""

import math
import threading
from collections import Counter
from itertools import count

import pytest

from source_particle import prefetch
from source_particle.cancellation import is_wanted
from source_particle.paging import Page
from source_particle.prefetch import pages_ahead


@pytest.fixture(autouse=True)
def _slow_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prefetch, "SLOW", -math.inf)


class Server:
    """A list of ten pages that counts how often each was asked for."""

    def __init__(self) -> None:
        self.asked: Counter[int] = Counter()
        self._lock = threading.Lock()

    def fetch(self, number: int) -> Page | None:
        with self._lock:
            self.asked[number] += 1
        return Page([{"id": f"{number}-{self.asked[number]}"}], total_pages=10) if number <= 10 else None


@pytest.mark.parametrize("pages", [1, 3, 32])
def test_every_page_is_fetched_once_and_none_beyond_the_last(pages: int) -> None:
    server = Server()
    with pages_ahead(server.fetch, lambda: pages, None) as fetch:
        found = [fetch(number) for number in range(1, 11)]

    assert [page.records[0]["id"] for page in found if page] == [f"{number}-1" for number in range(1, 11)]
    assert server.asked == Counter(range(1, 11))


@pytest.mark.parametrize(("work", "asked"), [(0.9, [1, 2]), (0.1, [*range(1, 6)])])
def test_nothing_is_fetched_ahead_where_the_processor_is_the_limit(
    monkeypatch: pytest.MonkeyPatch, work: float, asked: list[int]
) -> None:
    """Each fetch takes a second by the clock, and so much of it by the processor."""
    monkeypatch.setattr(prefetch, "SLOW", 0.5)
    monkeypatch.setattr(prefetch, "perf_counter", count().__next__)
    monkeypatch.setattr(prefetch, "process_time", count(step=work).__next__)
    server = Server()
    with pages_ahead(server.fetch, lambda: 3, None) as fetch:
        fetch(1), fetch(2)
    for thread in threading.enumerate():
        if thread.name == "pages-ahead":
            thread.join(10)
            assert not thread.is_alive()

    assert sorted(server.asked) == asked


def test_pages_that_are_not_wanted_are_not_fetched() -> None:
    server = Server()
    with pages_ahead(server.fetch, lambda: 8, 2) as fetch:
        fetch(1), fetch(2)

    assert server.asked == Counter([1, 2])


def test_a_page_that_is_asked_for_again_is_fetched_afresh_and_so_is_what_follows() -> None:
    server = Server()
    with pages_ahead(server.fetch, lambda: 2, None) as fetch:
        for number in (1, 2, 3):
            fetch(number)
        again, following = fetch(2), fetch(3)

    assert again is not None
    assert following is not None
    assert (again.records[0]["id"], following.records[0]["id"]) == ("2-2", "3-2")


def test_a_list_whose_pages_are_not_counted_is_fetched_page_by_page() -> None:
    asked = []

    def fetch_uncounted(number: int) -> Page:
        asked.append(number)
        return Page([{"id": str(number)}])

    with pages_ahead(fetch_uncounted, lambda: 8, None) as fetch:
        fetch(1), fetch(2)

    assert asked == [1, 2]


def test_an_error_ahead_is_raised_when_its_page_is_reached() -> None:
    def fetch_two(number: int) -> Page:
        if number > 2:
            raise ValueError(number)
        return Page([{"id": str(number)}], total_pages=5)

    with pages_ahead(fetch_two, lambda: 4, None) as fetch:
        fetch(1), fetch(2)
        with pytest.raises(ValueError, match="3"):
            fetch(3)


def test_nothing_more_is_sent_once_the_reader_has_gone() -> None:
    started, release = threading.Event(), threading.Event()
    wanted = []

    def fetch_slowly(number: int) -> Page:
        if number > 1:
            started.set()
            release.wait(10)
            wanted.append(is_wanted())
        return Page([{"id": str(number)}], total_pages=2)

    with pages_ahead(fetch_slowly, lambda: 4, None) as fetch:
        fetch(1)
        started.wait(10)
    release.set()
    for thread in threading.enumerate():
        if thread.name == "pages-ahead":
            assert thread.daemon
            thread.join(10)
            assert not thread.is_alive()

    assert wanted == [False]
    assert is_wanted()
