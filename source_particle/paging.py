"""Reading a paged list to its proven end, each entity once, while entities come and go.

The API counts pages anew for each request, so an entity that joins or leaves shifts all that follow it. Pure logic:
what fetches a page is handed in.
"""

import itertools
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from source_particle.errors import UnstableListError

Record = dict[str, Any]

# How often a read steps back, asks again or starts over before it gives up on a list that does not hold still.
REREADS = 3


class Page(NamedTuple):
    """What one reply holds: its records, the totals of its `meta` where the API sends them, and the server's clock."""

    records: list[Record]
    total_pages: int | None = None
    total_records: int | None = None
    served_at: str | None = None

    @property
    def totals(self) -> tuple[int | None, int | None]:
        """Both totals; where they differ from one reply to the next, the list has changed in between."""
        return self.total_pages, self.total_records

    def has_after(self, number: int) -> bool:
        """Whether the API says that there are pages after this one, which has the given number."""
        return self.total_pages is not None and self.total_pages > number

    def proves_end(self, number: int, position: int) -> bool:
        """Whether nothing comes after this page, which ends at a position of the list; a short page proves nothing."""
        if not self.records and self.total_pages is not None:
            return not self.has_after(max(number - 1, 1)) and (number > 1 or not self.total_records)
        if not self.records:
            return position >= (self.total_records or 0)
        return (
            self.total_pages is not None
            and not self.has_after(number)
            and (self.total_records is None or position >= self.total_records)
        )


# Gives a page by its number from 1, or None where the API says that there is no such page.
Fetch = Callable[[int], Page | None]


@dataclass
class PagedList:
    """One list of the API, read page by page.

    `key_of` gives a record's key. With `max_pages` the read ends early and tells `on_cut` how many records it left
    out (None: unknown).
    """

    fetch: Fetch
    key_of: Callable[[Record], str]
    max_pages: int | None = None
    on_cut: Callable[[int | None], None] = field(default=lambda left_out: None)

    def read_ascending(self) -> Iterator[list[Record]]:
        """Yield the records of a list that the API sorts by key, page by page, in constant memory.

        As long as the totals stay the same, each page begins after the last key read. Where they have changed, records
        may have slipped to the page before: that is read again, until a page overlaps what was read. A list that is
        not sorted, or whose records the API does not count, is read by `read_unordered`. Raises UnstableListError.
        """
        last, count, size, number, rereads, missing = "", 0, 0, 1, 0, 0
        before: Page | None = None
        stepped_back = has_changed = False
        while True:
            page = self.fetch(number)
            if page is None:
                if missing == number:
                    _check_missing(before, number)
                    _check_count(before.total_records if before and not has_changed else None, count)
                    return
                missing, number, stepped_back = number, number - 1, True
                continue
            keys = [self.key_of(record) for record in page.records]
            if before is None:
                size = len(keys)
                if not _rise_strictly(keys) or (page.total_records is None and not page.proves_end(number, size)):
                    yield from self.read_unordered()
                    return
            elif not _rise_strictly(keys):
                raise UnstableListError(f"page {number} is not sorted by id")
            overlaps = bool(keys) and keys[0] <= last
            is_still = before is None or (page.totals == before.totals and not stepped_back)
            has_changed = has_changed or (before is not None and page.totals != before.totals)
            if number > 1 and overlaps == is_still and (keys or not is_still):
                if not stepped_back:
                    rereads = _count_reread(rereads, f"page {number} keeps shifting or comes again")
                number, stepped_back = number - 1, True
                continue
            position = (number - 1) * size + len(keys)
            if not keys and is_still and not page.proves_end(number, position):
                rereads = _count_reread(rereads, f"page {number} is empty, but the list goes on")
                continue
            new = [record for record, key in zip(page.records, keys, strict=True) if key > last]
            if new:
                yield new
                last, count, rereads = keys[-1], count + len(new), 0
            before, stepped_back = page, False
            if page.proves_end(number, position):
                _check_count(page.total_records if not has_changed else None, count)
                return
            if self._is_cut(page, number, count):
                return
            number += 1

    def read_unordered(self) -> Iterator[list[Record]]:
        """Yield the records of a list without a promised order, page by page, remembering their keys.

        One pass is enough if it met no change and all the records that the API counts, or if one page held them all.
        Otherwise the list is read again until two passes agree: a record that moves to a page already read is seen in
        no other way. Raises UnstableListError.
        """
        seen: set[str] = set()
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
        number, size, quiet = 1, 0, True
        before: Page | None = None
        while (page := self.fetch(number)) is not None:
            page_keys = [self.key_of(record) for record in page.records]
            size = size or len(page_keys)
            end = page.proves_end(number, (number - 1) * size + len(page_keys))
            is_still = before is None or page.totals == before.totals
            # An empty page may be the end, one that brings nothing new takes the place of one that would.
            if is_still and keys.issuperset(page_keys) and (page_keys or not end):
                raise UnstableListError(f"page {number} comes again, or empty, before the end")
            new = {key: record for record, key in zip(page.records, page_keys, strict=True) if key not in seen}
            seen.update(page_keys)
            keys.update(page_keys)
            before, quiet = page, quiet and is_still
            if new:
                yield list(new.values())
            if not end and self._is_cut(page, number, len(keys)):
                return keys, True
            if end:
                break
            number += 1
        if page is None:
            _check_missing(before, number)
        total = before.total_records if before else None
        _check_count(total if quiet else None, len(keys))
        return keys, quiet and (total is not None or number == 1)

    def _is_cut(self, page: Page, number: int, count: int) -> bool:
        if self.max_pages is None or number < self.max_pages:
            return False
        self.on_cut(None if page.total_records is None else max(0, page.total_records - count))
        return True


def _check_count(total_records: int | None, count: int) -> None:
    if total_records is not None and count < total_records:
        raise UnstableListError(f"the API counts {total_records} records and gave {count}")


def _check_missing(before: Page | None, number: int) -> None:
    if before is not None and before.has_after(number - 1):
        raise UnstableListError(f"page {number} of {before.total_pages} does not exist")


def _count_reread(rereads: int, problem: str) -> int:
    if rereads == REREADS:
        raise UnstableListError(problem)
    return rereads + 1


def _rise_strictly(keys: list[str]) -> bool:
    return all(first < second for first, second in itertools.pairwise(keys))
