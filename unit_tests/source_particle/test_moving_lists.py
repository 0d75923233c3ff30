"""Sorted lists that change at random between any two requests: what is there throughout arrives once.

The sum of those that leave and those that join may be nothing, so that no total tells of it.
"""

import random
from bisect import insort
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from source_particle.errors import UnstableListError
from source_particle.paging import Order, Page, PagedList, Window, windows_between
from unit_tests.support.listings import Listing, names, paged

MOST = 777
# Changes between two requests, on average.
RATES = (0, 0.02, 0.1, 0.3, 1, 2, 5, 10)
# Of these, reading by totals alone loses records without a word.
LOST_BY_TOTALS = (3, 5, 12, 50, 72, 79, 81, 128, 170, 263, 265, 271, 300, 329, 388, 394, 497, 501, 714, 760)

Served = Callable[[int], int]
# How large a page a server gives that is asked for one of a size.
SERVERS: dict[str, Served] = {
    "as asked": lambda size: size,
    "at most 25": lambda size: min(size, 25),
    "always 25": lambda size: 25,
}


@dataclass
class MovingList:
    """A sorted list that changes before each request but the first."""

    seed: int
    served: Served = SERVERS["as asked"]
    is_counted: bool = True

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)
        self.count = self._random.randrange(MOST + 1)
        self.size = self._random.choice([7, 10, 25, 100])
        self.rate = self._random.choice(RATES)
        self._keys = sorted(self._random.sample(range(10**6), self.count))
        self._throughout = set(self._keys)
        self.requests = 0

    @property
    def throughout(self) -> set[str]:
        """The keys of the records that no change has taken away."""
        return set(map(_name, self._throughout))

    def fetch(self, window: Window) -> Page:
        """Return a page of the list as it is now."""
        if self.requests:
            self._change()
        self.requests += 1
        size = self.served(window.size)
        keys = self._keys[::-1] if window.order == Order.DESCENDING else self._keys
        records = [{"id": _name(key)} for key in keys[(window.number - 1) * size : window.number * size]]
        if not self.is_counted:
            return Page(records)
        return Page(records, max(1, -(-len(self._keys) // size)), len(self._keys))

    def _change(self) -> None:
        for _ in range(int(self.rate) + (self._random.random() < self.rate % 1)):
            if self._random.random() < 0.5 and self._keys:
                self._throughout.discard(self._keys.pop(self._random.randrange(len(self._keys))))
            elif (key := self._random.randrange(10**6)) not in self._keys:
                insort(self._keys, key)


def _name(key: int) -> str:
    return f"{key:06}"


def read(moving: MovingList) -> list[str]:
    pages = PagedList(moving.fetch, lambda record: str(record["id"]), moving.size)
    return [record["id"] for records in pages.read_ascending() for record in records]


def assert_whole(moving: MovingList) -> None:
    found = read(moving)
    assert len(found) == len(set(found))
    assert moving.throughout <= set(found)


@pytest.mark.parametrize("seed", LOST_BY_TOTALS)
def test_what_no_total_tells_of_loses_nothing(seed: int) -> None:
    assert_whole(MovingList(seed))


@pytest.mark.parametrize("counted", [True, False], ids=["counted", "uncounted"])
@pytest.mark.parametrize("server", SERVERS)
@settings(max_examples=60, deadline=None, database=None)
@given(seed=st.integers(0, 2**32))
def test_a_moving_list_is_read_whole_or_given_up_by_name(server: str, counted: bool, seed: int) -> None:
    moving = MovingList(seed, SERVERS[server], counted)
    try:
        assert_whole(moving)
    except UnstableListError:
        # Pages that a server cuts by itself do not overlap. Nor do pages of 7 where 420 records end, and where the list
        # is not counted, no page of the reversed list is known to.
        assert moving.rate
        assert server == "always 25" or moving.rate >= 1 or (moving.size == 7 and not counted)


def test_no_moving_list_is_given_up_where_the_api_counts_its_records() -> None:
    for seed in range(600):
        assert_whole(MovingList(seed))


def test_a_list_that_does_not_change_takes_the_requests_that_a_plan_counts() -> None:
    for seed in range(100):
        moving = MovingList(seed)
        moving.rate = 0
        assert len(read(moving)) == moving.count
        assert moving.requests == max(1, len(list(windows_between(0, moving.count, moving.size))))


def test_a_server_that_does_not_reverse_its_list_is_read_by_remembering_keys() -> None:
    """Where 420 records end, no page of 7 overlaps."""
    listing, asked = Listing(names(500), 7), []

    def fetch(window: Window) -> Page | None:
        asked.append(window.order)
        return listing.fetch(window)

    assert paged(fetch, "ascending", size=7) == names(500)
    assert asked.count(Order.DESCENDING) == 1
    assert Order.ANY in asked
