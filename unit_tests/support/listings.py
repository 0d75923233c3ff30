"""A list of the API that changes while it is read, and what a read of it must return."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from source_particle.paging import Fetch, Order, Page, PagedList, Record, Window

Edit = tuple[str, int]
BOTH_TOTALS = ("total_pages", "total_records")

# Every error says which page, or how often, or how many.
REASON = r"^(page \d+ (of \d+ (brings|starts)|repeats|is)|it changed during each of 5 passes|the API counts \d+)"

each_reader = pytest.mark.parametrize("how", ["ascending", "unordered"])
each_page_size = pytest.mark.parametrize("per_page", range(1, 8))
each_end = pytest.mark.parametrize("past_end", ["empty", "404"])


@dataclass
class Listing:
    """A list of the API that is cut into pages anew for each request; `edits` happen before the request they name."""

    keys: list[str]
    per_page: int
    edits: Mapping[int, Edit] = field(default_factory=dict)
    totals: tuple[str, ...] = BOTH_TOTALS
    lies: Mapping[str, int] = field(default_factory=dict)
    past_end: str = "empty"
    reverses: bool = False
    requests: int = 0

    def __post_init__(self) -> None:
        self.throughout = set(self.keys)

    def fetch(self, window: Window) -> Page | None:
        number, size = window.number, min(window.size, self.per_page)
        assert number >= 1
        assert window.size >= 1
        self.requests += 1
        if self.requests in self.edits:
            self._edit(*self.edits[self.requests])
        self.throughout &= set(self.keys)
        keys = self.keys[::-1] if self.reverses and window.order == Order.DESCENDING else self.keys
        records = [{"id": key} for key in keys[(number - 1) * size : number * size]]
        if not records and number > 1 and self.past_end == "404":
            return None
        counts = {"total_pages": max(1, -(-len(self.keys) // size)), "total_records": len(self.keys)}
        told = {name: counts[name] + self.lies.get(name, 0) for name in self.totals}
        return Page(records, told.get("total_pages"), told.get("total_records"))

    def _edit(self, action: str, position: int) -> None:
        if action == "delete":
            del self.keys[position : position + 1]
            return
        before = self.keys[min(position, len(self.keys)) - 1] if position and self.keys else ""
        # Counting down, so that it sorts ahead of what was inserted at the same place earlier.
        self.keys.insert(position, f"{before}+{9999 - self.requests}")


@dataclass
class BusyListing(Listing):
    """A list that many edits change between two requests."""

    bursts: Mapping[int, list[Edit]] = field(default_factory=dict)

    def fetch(self, window: Window) -> Page | None:
        for edit in self.bursts.get(self.requests + 1, []):
            self._edit(*edit)
        return super().fetch(window)


def names(count: int) -> list[str]:
    return [f"{number:03}" for number in range(count)]


def key_of(record: Record) -> str:
    return str(record["id"])


def paged(
    fetch: Fetch, how: str, max_pages: int | None = None, cuts: list[int | None] | None = None, size: int = 100
) -> list[str]:
    pages = PagedList(fetch, key_of, size, max_pages, (cuts if cuts is not None else []).append)
    batches = pages.read_ascending() if how == "ascending" else pages.read_unordered()
    return [key_of(record) for records in batches for record in records]


def assert_whole(listing: Listing, found: list[str]) -> None:
    assert len(found) == len(set(found)), "Fix: an entity came twice"
    assert listing.throughout <= set(found), "Fix: an entity that was there throughout is missing"


def scripted(*pages: Page | None) -> Fetch:
    """Answer from a script by page number, whatever the size; beyond it with the last page."""
    return lambda window: pages[min(window.number, len(pages)) - 1]


def page(*keys: str, pages: int | None = None, records: int | None = None) -> Page:
    return Page([{"id": key} for key in keys], pages, records)
