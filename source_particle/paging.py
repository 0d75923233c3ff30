"""Reads a paged list to its proven end, each record once, while records are added and removed.

The API computes pages anew for each request, so a record that is added or removed shifts all following ones. Pure
logic: the function that fetches a page is passed in.
"""

import itertools
import sys
from collections.abc import Callable, Collection, Generator, Iterable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from functools import lru_cache
from typing import Any, NamedTuple

import orjson

from source_particle.errors import UnstableListError

Record = dict[str, Any]

# How many replies in a row may bring nothing new, in addition to one per page read, before a read fails.
PATIENCE = 12
# How often a list without a documented order is read again, until two passes in a row agree.
REREADS = 4


class Order(Enum):
    """The order in which a list is requested: sorted by key, ascending or descending, or in any order."""

    ASCENDING = "ascending"
    DESCENDING = "descending"
    ANY = "any"


class Window(NamedTuple):
    """What one request asks for: the page with a number, from 1, of a list divided into pages of a size."""

    number: int
    size: int
    order: Order = Order.ASCENDING

    @property
    def start(self) -> int:
        """The position of its first record."""
        return (self.number - 1) * self.size

    @property
    def end(self) -> int:
        """The position after its last record, if the page is full."""
        return self.number * self.size


class Page(NamedTuple):
    """The contents of one reply: records, the totals in `meta` if the API sends them, and the server's time."""

    records: list[Record]
    total_pages: int | None = None
    total_records: int | None = None
    served_at: str | None = None
    has_more: bool = False
    """Whether the reply says so itself, in a list that has no pages."""

    def promises_more(self, number: int, position: int) -> bool:
        """Return whether its totals count records after it; it has this number and ends at this position."""
        last_page = number if self.records else max(number - 1, 1)
        return (self.total_pages or 0) > last_page or (self.total_records or 0) > position

    def is_last(self, number: int, position: int) -> bool:
        """Return whether its totals say that it is the last page."""
        return self.total_pages is not None and not self.promises_more(number, position)

    def records_up_to(self, size: int) -> int:
        """Return the maximum number of records in pages of a size; 0 if the API does not count them."""
        return (self.total_pages or 0) * size if self.total_records is None else self.total_records

    def most_records(self) -> int | None:
        """Return the maximum number of records in the list whose first page this is; None if the API does not count."""
        if self.total_records is None and self.total_pages is None:
            return None
        return self.records_up_to(len(self.records))


# Returns a page, or None if the API says that it does not exist.
Fetch = Callable[[Window], Page | None]


@lru_cache(maxsize=1024)
def window_after(position: int, size: int) -> Window | None:
    """Return the window of at most `size` that contains the record before a position and reaches furthest.

    None if there is none, because all end at a common multiple of all sizes: every 60 records for a size of 5.
    """
    if position <= 0:
        return Window(1, size)
    furthest = max((Window((position - 1) // any_size + 1, any_size) for any_size in range(size, 0, -1)), key=_end)
    return furthest if furthest.end > position else None


def window_across(position: int, total: int, size: int) -> Window | None:
    """Return the window of the reversed list that contains the records before and after a position.

    It helps where `window_after` has none, because windows counted from the end of the list end elsewhere. None if no
    record follows, or if these end at the position too.
    """
    left = max(0, total - position)
    furthest = max(range(size, 0, -1), key=lambda any_size: left % any_size)
    return Window(left // furthest + 1, furthest, Order.DESCENDING) if left % furthest else None


def windows_between(position: int, end: int, size: int) -> Iterator[Window]:
    """Yield the windows requested from one position of a list to its end, provided that all pages are full."""
    while position < end and (window := window_after(position, size) or window_across(position, end, size)):
        yield window
        position = window.end if window.order == Order.ASCENDING else end - window.start


def _end(window: Window) -> int:
    return window.end


@dataclass
class PagedList:
    """One list of the API, read page by page.

    `fetch` returns a page, `key_of` a record's key, and `size` is the number of records per request. With `max_pages`
    the read ends early and calls `on_cut` with the number of records left out (None: unknown). `expect` is called with
    the next windows, as far as they are known. If `is_order_documented` is false, the order is tried before it counts.
    """

    fetch: Fetch
    key_of: Callable[[Record], str]
    size: int
    max_pages: int | None = None
    on_cut: Callable[[int | None], None] = field(default=lambda left_out: None)
    expect: Callable[[Iterable[Window]], None] = field(default=lambda windows: None)
    is_order_documented: bool = True

    def read_ascending(self) -> Iterator[list[Record]]:
        """Yield the records of a list that the API sorts by key, page by page.

        Each window starts at the last record read, or before it, so that there is no gap. Where none does, a window of
        the reversed list is read. A list that turns out not to be sorted, or whose windows cannot overlap, is read by
        `read_unordered`. Raises UnstableListError.
        """
        ascent = _Ascent(self.size)
        while window := ascent.next_window():
            page = self.fetch(window) or Page([])
            if window.order == Order.DESCENDING:
                page = page._replace(records=page.records[::-1])
            keys = self._keys_of(page)
            if len(keys) > window.size or not _rise(keys) or not self._obeys(window, page, keys):
                break
            new = ascent.take(window, page, keys)
            limit = self._limit(ascent.size)
            wanted = new[: limit - ascent.count]
            ascent.count += len(wanted)
            self.expect(ascent.following(min(page.records_up_to(ascent.size), limit)))
            if wanted:
                yield wanted
            if ascent.is_at_end and len(wanted) == len(new):
                return
            if ascent.count >= limit:
                self._tell_of_cut(page, ascent.count)
                return
        yield from self.read_unordered(ascent.taken())

    def _obeys(self, window: Window, page: Page, keys: list[str]) -> bool:
        """Whether a first page is sorted because the API was asked to: then it can also sort it the other way round.

        Otherwise the list is sorted by chance, and will not be for long.
        """
        if self.is_order_documented or window != Window(1, self.size) or page.is_last(1, len(keys)):
            return True
        descending = self._keys_of(self.fetch(window._replace(order=Order.DESCENDING)) or Page([]))
        return bool(keys) and descending >= keys[-1:] and _rise(descending[::-1])

    def read_unordered(self, given: Collection[str] = ()) -> Iterator[list[Record]]:
        """Yield the records of a list without a documented order, page by page, except for the keys in `given`.

        One page with the whole list is enough. Otherwise the list is read again until two passes in a row agree and
        neither has a record on two pages: there is no other way to notice a record that moved to a page already read.
        Raises UnstableListError.
        """
        seen = set(given)
        earlier: set[str] | None = None
        problem = ""
        for _ in range(1 + REREADS):
            try:
                keys, is_proven = yield from self._read_pass(seen)
            except UnstableListError as error:
                problem, earlier = str(error), None
                continue
            if is_proven or keys == earlier:
                return
            earlier = keys
        raise UnstableListError(problem or f"it changed during each of {1 + REREADS} passes")

    def _read_pass(self, seen: set[str]) -> Generator[list[Record], None, tuple[set[str], bool]]:
        """Read all pages once and yield what is not in `seen`; return its keys and whether they are proven to be all.

        Raises UnstableListError as soon as the pass contradicts itself.
        """
        keys: set[str] = set()
        received, served = 0, 0
        # Pages prefetched in an earlier pass show the list as it was then.
        self.expect(())
        before = Page([])
        for number in itertools.count(1):
            page = self.fetch(Window(number, self.size, Order.ANY)) or before._replace(records=[])
            page_keys = self._keys_of(page)
            received, served = received + len(page_keys), served or len(page_keys)
            _check_pass(page, number, received, keys.intersection(page_keys))
            self.expect(self._pages_after(page, number))
            new = {key: record for key, record in zip(page_keys, page.records, strict=True) if key not in seen}
            seen.update(page_keys)
            keys.update(page_keys)
            if new:
                yield list(new.values())
            if not page_keys or page.is_last(number, received):
                break
            if len(keys) >= self._limit(served):
                self._tell_of_cut(page, len(keys))
                return keys, True
            before = page
        return keys, number == 1

    def _keys_of(self, page: Page) -> list[str]:
        return [self.key_of(record) for record in page.records]

    def _pages_after(self, page: Page, number: int) -> Iterator[Window]:
        last = min(page.total_pages or 0, self.max_pages or sys.maxsize)
        return (Window(following, self.size, Order.ANY) for following in range(number + 1, last + 1))

    def _limit(self, size: int) -> int:
        """Return the maximum number of records for pages of a size."""
        return sys.maxsize if self.max_pages is None else self.max_pages * size

    def _tell_of_cut(self, page: Page, count: int) -> None:
        self.on_cut(None if page.total_records is None else max(0, page.total_records - count))


@dataclass
class _Ascent:
    """The progress of reading a sorted list.

    `size` is the largest page that the server is known to serve, `position` is where the read continues, in the list as
    the last reply showed it, and `count` is the number of records yielded.
    """

    size: int
    position: int = 0
    total: int = 0
    """The number of records in the list, as the last reply counts them; 0 if it does not."""
    count: int = 0
    is_at_end: bool = False
    last: str = ""
    """The last key read."""
    before: list[str] = field(default_factory=list)
    """The keys of the previous window."""
    step: int = 0
    """Number of records of the last step back."""
    in_vain: int = 0
    """Number of replies in a row without anything new."""
    problem: str = ""
    has_overlapped: bool = False
    packed: list[bytes] = field(default_factory=list)

    def next_window(self) -> Window | None:
        """Return the next window, None if windows do not overlap; raises UnstableListError if there is no progress."""
        if self.in_vain > (PATIENCE + self.count / self.size if self.has_overlapped else REREADS):
            if self.has_overlapped:
                raise UnstableListError(self.problem)
            return None
        return window_after(self.position, self.size) or window_across(self.position, self.total, self.size)

    def following(self, end: int) -> Iterator[Window]:
        """Yield the windows from here to a position of the list; none while the read is stepping back."""
        return windows_between(self.position, 0 if self.step or self.is_at_end else end, self.size)

    def take(self, window: Window, page: Page, keys: list[str]) -> list[Record]:
        """Return the new records of a page, and note where to continue."""
        if not self.packed and 0 < len(keys) < self.size:
            self.size = len(keys)
        self.total = page.total_records or 0
        is_ascending = window.order == Order.ASCENDING
        start = window.start if is_ascending else self.total - window.start - len(keys)
        is_first = is_ascending and window.number == 1
        if not is_first and (not keys or keys[0] > self.last):
            self._step_back(window, start)
            return []
        self.has_overlapped = self.has_overlapped or not is_first
        new = {key: record for key, record in zip(keys, page.records, strict=True) if key > self.last}
        self.position = start + len(keys)
        self.is_at_end = is_ascending and (
            self._is_counted_end(window, page, keys, new) or self._is_seen_end(window, page, keys)
        )
        self.before = keys
        if new:
            self.last, self.step, self.in_vain = keys[-1], 0, 0
            # A copy, because orjson keeps the whole buffer into which it wrote.
            self.packed.append(bytes(memoryview(orjson.dumps(list(new)))))
        else:
            self.in_vain += 1
        return list(new.values())

    def _is_counted_end(self, window: Window, page: Page, keys: list[str], new: Collection[str]) -> bool:
        """Return whether the totals say that the list ends here.

        They are those of the page that was served, and a server may send another one than it was asked for.
        """
        if not page.is_last(window.number, self.position):
            return False
        is_consistent = page.total_records == self.position if page.total_records is not None else bool(new)
        return window.number == 1 or (is_consistent and keys[-1] >= self.last)

    def _is_seen_end(self, window: Window, page: Page, keys: list[str]) -> bool:
        """Return whether the page shows that the list ends here: it repeats the last record and is short."""
        if page.promises_more(window.number, self.position):
            self.problem = f"the API counts {page.records_up_to(window.size)} records and gave {self.count}"
            return False
        self.problem = f"page {window.number} of {window.size} brings nothing new"
        # Asked once more if the last record has gone, because a server that starts to send smaller pages looks the
        # same, and if the page before has come again.
        is_same_end = keys[-1:] == self.before[-1:] and (keys != self.before or not keys or self.in_vain > 0)
        return len(keys) < window.size and is_same_end

    def _step_back(self, window: Window, start: int) -> None:
        """Continue nearer to the start of the list, by twice as much each time, because records have moved there."""
        self.problem = f"page {window.number} of {window.size} starts beyond the last record read"
        self.step = 2 * self.step or max(1, self.size // 8)
        self.position = start - self.step
        self.in_vain += 1

    def taken(self) -> set[str]:
        """Return the keys of all records yielded, which are kept in a compact form."""
        return set(itertools.chain.from_iterable(map(orjson.loads, self.packed)))


def _check_pass(page: Page, number: int, received: int, repeated: set[str]) -> None:
    """Raise UnstableListError if a page contradicts the earlier ones."""
    if repeated:
        raise UnstableListError(f"page {number} repeats {len(repeated)} records of earlier pages")
    if not page.records and page.promises_more(number, received):
        raise UnstableListError(
            f"page {number} is empty, but the API counts {page.total_records or page.total_pages} "
            f"{'records' if page.total_records else 'pages'} and gave {received} records"
        )


def _rise(keys: list[str]) -> bool:
    return all(first <= second for first, second in itertools.pairwise(keys))
