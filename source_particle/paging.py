"""Reading a paged list to its proven end, each record once, while records come and go.

The API counts pages anew for each request, so a record that joins or leaves shifts all that follow it. Pure logic:
what fetches a page is handed in.
"""

import itertools
import sys
from collections.abc import Callable, Collection, Generator, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import orjson

from source_particle.errors import UnstableListError

Record = dict[str, Any]

# How many replies in a row may bring nothing new, beyond one for each page that was read, before a read gives up.
PATIENCE = 12
# How often a list without a promised order is read again, until two readings in a row agree.
REREADS = 4


class Window(NamedTuple):
    """What one request asks for: the page with a number, from 1, of a list that is cut into pages of a size."""

    number: int
    size: int

    @property
    def start(self) -> int:
        """The position of its first record."""
        return (self.number - 1) * self.size

    @property
    def end(self) -> int:
        """The position after its last record, if it comes full."""
        return self.number * self.size


class Page(NamedTuple):
    """What one reply holds: its records, the totals of its `meta` where the API sends them, and the server's clock."""

    records: list[Record]
    total_pages: int | None = None
    total_records: int | None = None
    served_at: str | None = None

    def promises_more(self, number: int, position: int) -> bool:
        """Whether its totals count anything after it, the page with that number, which ends at that position."""
        last_page = number if self.records else max(number - 1, 1)
        return (self.total_pages or 0) > last_page or (self.total_records or 0) > position

    def is_last(self, number: int, position: int) -> bool:
        """Whether its totals say that nothing comes after it."""
        return self.total_pages is not None and not self.promises_more(number, position)

    def records_up_to(self, size: int) -> int:
        """Return how many records there are at most, cut into pages of a size; 0 where the API does not count them."""
        return (self.total_pages or 0) * size if self.total_records is None else self.total_records


# Gives a page, or None where the API says that there is no such page.
Fetch = Callable[[Window], Page | None]


def window_after(position: int, size: int) -> Window | None:
    """Return the window, of at most a size, that holds the record before a position and reaches furthest beyond it.

    None where no window does, because each ends at a common multiple of all sizes: every 60 records for a size of 5.
    """
    if position == 0:
        return Window(1, size)
    furthest = max((Window((position - 1) // any_size + 1, any_size) for any_size in range(size, 0, -1)), key=_end)
    return furthest if furthest.end > position else None


def windows_between(position: int, end: int, size: int) -> Iterator[Window]:
    """Yield the windows that are asked for from one position of a list to another, as long as each comes full."""
    while position < end and (window := window_after(position, size)):
        yield window
        position = window.end


def _end(window: Window) -> int:
    return window.end


@dataclass
class PagedList:
    """One list of the API, read page by page.

    `fetch` gives a page, `key_of` a record's key, `size` is how many records to ask for at once. With `max_pages` the
    read ends early and tells `on_cut` how many records it left out (None: unknown). `expect` is told which windows come
    next, as far as they are known.
    """

    fetch: Fetch
    key_of: Callable[[Record], str]
    size: int
    max_pages: int | None = None
    on_cut: Callable[[int | None], None] = field(default=lambda left_out: None)
    expect: Callable[[Iterable[Window]], None] = field(default=lambda windows: None)

    def read_ascending(self) -> Iterator[list[Record]]:
        """Yield the records of a list that the API sorts by key, page by page.

        Each window begins with the last record that was read, or before it, so that nothing can lie between the two. A
        list that turns out not to be sorted, or whose pages cannot overlap, is read by `read_unordered`. Raises
        UnstableListError.
        """
        ascent = _Ascent(self.size)
        while window := ascent.next_window():
            page = self.fetch(window) or Page([])
            keys = self._keys_of(page)
            if len(keys) > window.size or not _rise(keys):
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

    def read_unordered(self, given: Collection[str] = ()) -> Iterator[list[Record]]:
        """Yield the records of a list without a promised order, page by page, but for those whose keys are given.

        One page that holds the whole list is enough. Otherwise it is read again until two readings in a row agree,
        neither of them with a record on two pages: one that moves to a page already read is seen in no other way.
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
        raise UnstableListError(problem or f"it changed during each of {1 + REREADS} readings")

    def _read_pass(self, seen: set[str]) -> Generator[list[Record], None, tuple[set[str], bool]]:
        """Read all pages once and yield what is not in `seen`; return its keys and whether they prove to be all.

        Raises UnstableListError as soon as the pass contradicts itself.
        """
        keys: set[str] = set()
        received, served = 0, 0
        # What was fetched ahead for an earlier pass shows the list as it was then.
        self.expect(())
        before = Page([])
        for number in itertools.count(1):
            page = self.fetch(Window(number, self.size)) or before._replace(records=[])
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
        return (Window(following, self.size) for following in range(number + 1, last + 1))

    def _limit(self, size: int) -> int:
        """Return how many records are wanted of pages of a size."""
        return sys.maxsize if self.max_pages is None else self.max_pages * size

    def _tell_of_cut(self, page: Page, count: int) -> None:
        self.on_cut(None if page.total_records is None else max(0, page.total_records - count))


@dataclass
class _Ascent:
    """How far the reading of a sorted list has come.

    `size` is the largest page that the server is known to serve, `position` where in the list, as the last reply showed
    it, the read goes on, `count` how many records were wanted.
    """

    size: int
    position: int = 0
    count: int = 0
    is_at_end: bool = False
    last: str = ""
    """The last key that was read."""
    tail: str = ""
    """The last key of the window before."""
    step: int = 0
    """By how many records the read has stepped back last."""
    in_vain: int = 0
    """How many replies in a row have brought nothing new."""
    problem: str = ""
    has_overlapped: bool = False
    packed: list[bytes] = field(default_factory=list)

    def next_window(self) -> Window | None:
        """Return what to ask for, None where windows do not overlap; raises UnstableListError when it cannot win."""
        if self.in_vain > (PATIENCE + self.count // self.size if self.has_overlapped else REREADS):
            if self.has_overlapped:
                raise UnstableListError(self.problem)
            return None
        return window_after(self.position, self.size)

    def following(self, end: int) -> Iterator[Window]:
        """Yield the windows from here up to a position of the list; none while the read looks for its place."""
        return windows_between(self.position, 0 if self.step or self.is_at_end else end, self.size)

    def take(self, window: Window, page: Page, keys: list[str]) -> list[Record]:
        """Return what a page brings, and note where to go on."""
        if not self.packed and 0 < len(keys) < self.size:
            self.size = len(keys)
        if window.number > 1 and (not keys or keys[0] > self.last):
            self._step_back(window)
            return []
        self.has_overlapped = self.has_overlapped or window.number > 1
        new = {key: record for key, record in zip(keys, page.records, strict=True) if key > self.last}
        self.is_at_end = page.is_last(window.number, window.start + len(keys)) or (
            not new and self._shows_end(window, page, keys)
        )
        self.position, self.tail = window.start + len(keys), keys[-1] if keys else ""
        if new:
            self.last, self.step, self.in_vain = keys[-1], 0, 0
            self.packed.append(orjson.dumps(list(new)))
        else:
            self.in_vain += 1
        return list(new.values())

    def _shows_end(self, window: Window, page: Page, keys: list[str]) -> bool:
        """Whether a window that brings nothing new is where the list ends."""
        if page.promises_more(window.number, self.position):
            self.problem = f"the API counts {page.records_up_to(window.size)} records and gave {self.count}"
            return False
        self.problem = f"page {window.number} of {window.size} brings nothing new"
        # Once more where the last record has gone: a server that has begun to send smaller pages looks the same.
        return len(keys) < window.size and (keys[-1] if keys else "") == self.tail

    def _step_back(self, window: Window) -> None:
        """Go on further ahead in the list, by twice as much each time: what was read has moved there."""
        self.problem = f"page {window.number} of {window.size} lies behind what was read"
        self.step = 2 * self.step or max(1, self.size // 8)
        self.position = max(0, window.start - self.step)
        self.in_vain += 1

    def taken(self) -> set[str]:
        """Return the keys of all records that were given, which are kept small until then."""
        return set(itertools.chain.from_iterable(map(orjson.loads, self.packed)))


def _check_pass(page: Page, number: int, received: int, repeated: set[str]) -> None:
    """Raise UnstableListError where a page contradicts those before it."""
    if repeated:
        raise UnstableListError(f"page {number} repeats {len(repeated)} records of the pages before it")
    if not page.records and page.promises_more(number, received):
        raise UnstableListError(
            f"page {number} is empty, but the API counts {page.total_records or page.total_pages} "
            f"{'records' if page.total_records else 'pages'} and gave {received} records"
        )


def _rise(keys: list[str]) -> bool:
    return all(first <= second for first, second in itertools.pairwise(keys))
