"""Reading a paged list: completely, each record once, or a clear error.

`test_moving_lists` has the same for lists that change at random between any two requests.
"""

import contextlib
import itertools
import random
from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from source_particle.errors import UnstableListError
from source_particle.paging import Fetch, Order, Page, PagedList, Record, Window, windows_between

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
        records = [{"id": key} for key in self.keys[(number - 1) * size : number * size]]
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


# ---- lists that do not change ----


@each_reader
@each_end
@each_page_size
@pytest.mark.parametrize("totals", [BOTH_TOTALS, ("total_pages",), ("total_records",), ()], ids=str)
def test_a_stable_list_is_read_whole_and_in_order(
    how: str, past_end: str, per_page: int, totals: tuple[str, ...]
) -> None:
    for count in range(16):
        listing = Listing(names(count), per_page, totals=totals, past_end=past_end)
        assert paged(listing.fetch, how) == names(count)


@each_reader
def test_totals_spare_the_request_beyond_the_last_page(how: str) -> None:
    for count, pages in ((0, 1), (1, 1), (10, 1), (11, 2), (18, 2)):
        listing = Listing(names(count), per_page=10)
        paged(listing.fetch, how)
        assert listing.requests == (pages if how == "ascending" or pages == 1 else 2 * pages)


@each_reader
def test_a_server_that_caps_pages_below_what_was_asked_is_read_to_its_end(how: str) -> None:
    listing = Listing(names(250), per_page=50)  # a client that asked for 100 sees nothing but short pages
    assert paged(listing.fetch, how) == names(250)


@each_reader
@each_end
@each_page_size
@pytest.mark.parametrize(
    ("totals", "lies"),
    [
        (BOTH_TOTALS, {"total_records": -3}),
        (BOTH_TOTALS, {"total_pages": -1}),
    ],
    ids=str,
)
def test_wrong_totals_lose_no_record(
    how: str, past_end: str, per_page: int, totals: tuple[str, ...], lies: Mapping[str, int]
) -> None:
    for count in range(1, 16):
        listing = Listing(names(count), per_page, totals=totals, lies=lies, past_end=past_end)
        assert paged(listing.fetch, how) == names(count)


@each_reader
@each_end
@pytest.mark.parametrize("lies", [{"total_pages": 2, "total_records": 6}, {"total_pages": 1}, {"total_pages": 2}])
def test_more_pages_promised_than_there_are_is_an_error(how: str, past_end: str, lies: dict[str, int]) -> None:
    """An empty page that ought to hold records looks the same, and that one may not pass."""
    listing = Listing(names(9), 3, lies=lies, past_end=past_end)
    with pytest.raises(UnstableListError, match=REASON):
        paged(listing.fetch, how)


# ---- lists that change while they are read ----


@pytest.mark.parametrize(("how", "past_end"), [("ascending", "empty"), ("ascending", "404"), ("unordered", "empty")])
@pytest.mark.parametrize("per_page", range(2, 8))
@pytest.mark.parametrize("action", ["insert", "delete"])
def test_one_change_at_any_place_between_any_two_requests_loses_nothing(
    how: str, past_end: str, per_page: int, action: str
) -> None:
    for request, position in itertools.product(range(2, 8), range(8)):
        listing = Listing(names(7), per_page, {request: (action, position)}, past_end=past_end)
        assert_whole(listing, paged(listing.fetch, how))


@each_reader
@each_end
@each_page_size
@pytest.mark.parametrize("totals", [("total_pages",), ("total_records",), ()], ids=str)
def test_one_change_in_a_list_that_is_not_fully_counted_loses_nothing_or_says_so(
    how: str, past_end: str, per_page: int, totals: tuple[str, ...]
) -> None:
    for action, request, position in itertools.product(["insert", "delete"], range(2, 10), range(6)):
        listing = Listing(names(5), per_page, {request: (action, position)}, totals=totals, past_end=past_end)
        with contextlib.suppress(UnstableListError):
            assert_whole(listing, paged(listing.fetch, how))


@each_end
@pytest.mark.parametrize("action", ["insert", "delete"])
def test_an_ordered_list_survives_a_change_even_with_pages_of_one(past_end: str, action: str) -> None:
    for request, position in itertools.product(range(2, 10), range(8)):
        listing = Listing(names(7), 1, {request: (action, position)}, past_end=past_end)
        assert_whole(listing, paged(listing.fetch, "ascending"))


@each_reader
@each_end
@pytest.mark.parametrize("per_page", range(1, 5))
@pytest.mark.parametrize("actions", [*itertools.product(["insert", "delete"], repeat=2)], ids="-then-".join)
def test_two_changes_anywhere_lose_nothing_or_say_so(
    how: str, past_end: str, per_page: int, actions: tuple[str, str]
) -> None:
    for first, second in itertools.combinations(range(2, 9), 2):
        for positions in itertools.product(range(6), repeat=2):
            edits = dict(zip((first, second), zip(actions, positions, strict=True), strict=True))
            listing = Listing(names(5), per_page, edits, past_end=past_end)
            with contextlib.suppress(UnstableListError):
                assert_whole(listing, paged(listing.fetch, how))


edits_between_requests = st.dictionaries(
    st.integers(2, 30), st.tuples(st.sampled_from(["insert", "delete"]), st.integers(0, 20)), max_size=15
)


@settings(max_examples=400, deadline=None, database=None)
@given(
    count=st.integers(0, 20),
    per_page=st.integers(1, 7),
    edits=edits_between_requests,
    past_end=st.sampled_from(["empty", "404"]),
    how=st.sampled_from(["ascending", "unordered"]),
)
def test_any_history_of_changes_loses_and_repeats_nothing_or_says_so(
    count: int, per_page: int, edits: dict[int, Edit], past_end: str, how: str
) -> None:
    listing = Listing(names(count), per_page, edits, past_end=past_end)
    try:
        found = paged(listing.fetch, how)
    except UnstableListError:
        return
    assert_whole(listing, found)


@each_reader
def test_a_list_that_keeps_changing_is_an_error_after_few_requests(how: str) -> None:
    listing = Listing(names(9), 3, dict.fromkeys(range(2, 1000), ("insert", 1000)))
    with pytest.raises(UnstableListError, match=REASON):
        paged(listing.fetch, how)
    assert listing.requests < 300


# ---- lists without order ----


@each_page_size
def test_a_list_that_is_not_sorted_is_read_by_remembering_keys(per_page: int) -> None:
    shuffled = random.Random(per_page).sample(names(20), 20)
    listing = Listing(["zzz", *shuffled], max(per_page, 2))
    assert paged(listing.fetch, "ascending") == listing.keys


@pytest.mark.parametrize("position", range(20))
def test_a_list_whose_order_moves_while_it_is_read_is_read_again(position: int) -> None:
    """A list sorted by last contact: whoever reports jumps to the front."""
    for request in range(2, 5):
        listing = Listing(names(20), 6)

        def fetch(window: Window, listing: Listing = listing, request: int = request) -> Page | None:
            if listing.requests == request - 1:
                listing.keys.insert(0, listing.keys.pop(position))
            return listing.fetch(window)

        assert_whole(listing, paged(fetch, "unordered"))


@pytest.mark.parametrize("per_page", [1, 2, 7, 25])
@pytest.mark.parametrize("rising", [1, 8, 30])
def test_a_list_that_rises_at_first_and_then_does_not_is_read_by_remembering_keys(per_page: int, rising: int) -> None:
    """SIMs are made in series: each rises, and the next may begin anywhere."""
    listing = Listing([*names(100)[50 : 50 + rising], *names(40)], per_page)
    assert paged(listing.fetch, "ascending") == listing.keys


@pytest.mark.parametrize("per_page", [1, 2, 7, 25])
def test_a_page_size_that_the_server_ignores_makes_a_list_unsorted(per_page: int) -> None:
    for count in range(60):
        listing = Listing(names(count), per_page)

        def fetch(window: Window, listing: Listing = listing, per_page: int = per_page) -> Page | None:
            return listing.fetch(window._replace(size=per_page))

        assert paged(fetch, "ascending") == names(count)
        assert paged(fetch, "ascending", size=1) == names(count)


# ---- lists whose order the API does not document ----


@pytest.mark.parametrize("size", [3, 7, 50])
@pytest.mark.parametrize("heeds", [True, False])
def test_an_order_that_is_not_documented_is_trusted_where_the_list_also_falls(size: int, heeds: bool) -> None:
    """A list that rises by chance is read again until two readings agree."""
    rising, asked = Listing(names(30), size), []

    def fetch(window: Window) -> Page | None:
        asked.append(window.order)
        falling = heeds and window.order == Order.DESCENDING
        return (Listing(names(30)[::-1], size) if falling else rising).fetch(window)

    pages = PagedList(fetch, key_of, size, is_order_documented=False)
    assert [key_of(record) for records in pages.read_ascending() for record in records] == names(30)
    assert asked.count(Order.DESCENDING) == (size < 30)
    assert (Order.ANY in asked) == (size < 30 and (not heeds or size == 3))


def test_an_order_that_nobody_heeds_is_not_asked_for_again() -> None:
    shuffled = Listing(["05", *names(9)], 3)
    asked = []

    def fetch(window: Window) -> Page | None:
        asked.append(window.order)
        return shuffled.fetch(window)

    pages = PagedList(fetch, key_of, 3, is_order_documented=False)
    assert sum(len(records) for records in pages.read_ascending()) == 10
    assert asked[1:] == [Order.ANY] * 8


# ---- replies that contradict themselves ----

CONTRADICTIONS = {
    "the same page again and again": [page("a", "b", pages=3, records=6)],
    "the same page again and again, uncounted": [page("a", "b")],
    "the last page but one again for the last, only pages counted": [page("a", pages=3), page("b", pages=3)],
    "an empty page in the middle": [page("a", pages=3, records=3), page(pages=3, records=3), page("c", pages=3)],
    "an empty page in the middle, only pages counted": [page("a", pages=3), page(pages=3), page("c", pages=3)],
    "an empty first page, records counted": [page(records=3)],
    "an empty first page, pages counted": [page(pages=3)],
    "an empty first page, both counted": [page(pages=1, records=3)],
}


@each_reader
@pytest.mark.parametrize("pages", CONTRADICTIONS.values(), ids=CONTRADICTIONS)
def test_a_contradiction_is_an_error_after_few_requests(how: str, pages: list[Page]) -> None:
    asked: list[Window] = []

    def fetch(window: Window) -> Page | None:
        asked.append(window)
        return scripted(*pages)(window)

    with pytest.raises(UnstableListError, match=REASON):
        paged(fetch, how)
    assert len(asked) < 20


@each_reader
def test_a_temporary_contradiction_is_tolerated(how: str) -> None:
    listing = Listing(names(9), 3)

    def fetch(window: Window) -> Page | None:
        reply = listing.fetch(window)
        return page(pages=3, records=9) if listing.requests == 2 else reply

    assert paged(fetch, how) == names(9)


@each_reader
@pytest.mark.parametrize("per_page", [5, 7, 10])
@pytest.mark.parametrize("totals", [BOTH_TOTALS, ("total_pages",), ("total_records",), ()], ids=str)
def test_a_page_that_comes_again_in_place_of_another_loses_nothing(
    how: str, per_page: int, totals: tuple[str, ...]
) -> None:
    for count, request in itertools.product((8, 9, 11, 12, 23), range(2, 9)):
        listing, before = Listing(names(count), per_page, totals=totals), Page([])

        def fetch(window: Window, listing: Listing = listing, request: int = request) -> Page | None:
            nonlocal before
            reply = listing.fetch(window)
            before, again = reply or before, before
            return again if listing.requests == request else reply

        assert paged(fetch, how) == names(count)


# ---- max_pages ----


@each_reader
@pytest.mark.parametrize(
    ("totals", "max_pages", "left_out"),
    [
        (BOTH_TOTALS, 1, [7]),
        (BOTH_TOTALS, 2, [4]),
        (BOTH_TOTALS, 4, []),
        (BOTH_TOTALS, 9, []),
        (("total_pages",), 2, [None]),
        ((), 2, [None]),
    ],
)
def test_max_pages_ends_the_read_and_tells_what_was_left_out(
    how: str, totals: tuple[str, ...], max_pages: int, left_out: list[int | None]
) -> None:
    cuts: list[int | None] = []
    listing = Listing(names(10), 3, totals=totals)
    assert paged(listing.fetch, how, max_pages, cuts) == names(min(10, 3 * max_pages))
    assert cuts == left_out


@each_reader
def test_an_empty_page_is_no_end_where_more_records_are_counted_and_no_pages(how: str) -> None:
    pages = scripted(page("a", "b", records=6), page(records=6))
    with pytest.raises(UnstableListError):
        paged(pages, how)


def test_sorted_pages_of_an_unsorted_list_are_read_by_remembering_keys() -> None:
    pages = scripted(page("a", "d", pages=2, records=4), page("b", "e", pages=2, records=4))
    assert paged(pages, "ascending") == ["a", "d", "b", "e"]


@pytest.mark.parametrize(
    ("count", "per_page", "edits", "past_end"),
    [(7, 2, {4: ("delete", 0)}, "404"), (7, 1, {3: ("insert", 0)}, "empty")],
)
def test_a_pass_that_contradicts_itself_is_started_over(
    count: int, per_page: int, edits: dict[int, Edit], past_end: str
) -> None:
    listing = Listing(names(count), per_page, edits, past_end=past_end)
    assert_whole(listing, paged(listing.fetch, "unordered"))


def test_a_record_that_jumps_to_the_front_off_a_last_page_of_one_is_found() -> None:
    listing = Listing(names(19), 6)

    def fetch(window: Window) -> Page | None:
        if listing.requests == 3:
            listing.keys.insert(0, listing.keys.pop(18))
        return listing.fetch(window)

    assert_whole(listing, paged(fetch, "unordered"))


@dataclass
class BusyListing(Listing):
    """A list that many edits change between two requests."""

    bursts: Mapping[int, list[Edit]] = field(default_factory=dict)

    def fetch(self, window: Window) -> Page | None:
        for edit in self.bursts.get(self.requests + 1, []):
            self._edit(*edit)
        return super().fetch(window)


@pytest.mark.parametrize(
    ("how", "count", "per_page", "bursts"),
    [
        ("ascending", 5, 1, {3: [("insert", 9)] * 2, 4: [("delete", 0)] * 2}),
        (
            "unordered",
            9,
            1,
            {6: [("insert", 3), ("insert", 9), ("insert", 9)], 8: [("delete", 0), ("delete", 2), ("delete", 8)]},
        ),
    ],
)
def test_totals_that_return_to_what_they_were_do_not_hide_what_moved(
    how: str, count: int, per_page: int, bursts: dict[int, list[Edit]]
) -> None:
    listing = BusyListing(names(count), per_page, bursts=bursts)
    with contextlib.suppress(UnstableListError):
        assert_whole(listing, paged(listing.fetch, how))


@each_reader
@each_end
@each_page_size
def test_records_that_are_counted_and_never_come_are_an_error(how: str, past_end: str, per_page: int) -> None:
    for count in range(1, 16):
        listing = Listing(names(count), per_page, lies={"total_records": 3}, past_end=past_end)
        with pytest.raises(UnstableListError, match=REASON):
            paged(listing.fetch, how)


@each_reader
def test_a_page_that_stays_short_in_the_middle_is_an_error(how: str) -> None:
    pages = scripted(
        page("a", "b", "c", pages=3, records=8), page("d", pages=3, records=8), page("g", "h", pages=3, records=8)
    )
    with pytest.raises(UnstableListError):
        paged(pages, how)


@pytest.mark.parametrize("totals", [("total_pages",), BOTH_TOTALS])
def test_max_pages_that_cuts_nothing_off_takes_nothing_from_the_proof(totals: tuple[str, ...]) -> None:
    for request in range(2, 5):
        listing = Listing(names(10), 3, {request: ("delete", 0)}, totals=totals)
        assert_whole(listing, paged(listing.fetch, "unordered", max_pages=100))


# ---- what a page proves, and how much is asked for ----


@pytest.mark.parametrize(
    ("reply", "number", "position", "is_last", "promises_more"),
    [
        (page(pages=2), 3, 6, True, False),
        (page(pages=2), 2, 3, False, True),
        (page(pages=1, records=3), 2, 3, True, False),
        (page(pages=1, records=3), 1, 0, False, True),
        (page(pages=1, records=0), 1, 0, True, False),
        (page(records=3), 2, 3, False, False),
        (page(records=3), 2, 2, False, True),
        (page(), 1, 0, False, False),
        (page("a"), 1, 1, False, False),
        (page("a", pages=1), 1, 1, True, False),
        (page("a", pages=2), 1, 1, False, True),
        (page("a", pages=1, records=2), 1, 1, False, True),
    ],
)
def test_totals_tell_of_an_end_only_where_they_agree(
    reply: Page, number: int, position: int, is_last: bool, promises_more: bool
) -> None:
    assert reply.is_last(number, position) is is_last
    assert reply.promises_more(number, position) is promises_more


@pytest.mark.parametrize("action", ["insert", "delete"])
def test_one_change_in_a_long_list_costs_at_most_two_requests(action: str) -> None:
    pages = len(list(windows_between(0, 1000, 25)))
    listing = Listing(names(1000), 25, {15: (action, 0)})
    assert_whole(listing, paged(listing.fetch, "ascending", size=25))
    assert listing.requests <= pages + 2


@pytest.mark.parametrize(("size", "count", "most"), [(100, 1_000, 1.15), (100, 100_000, 1.15), (25, 10_000, 1.35)])
def test_overlapping_costs_few_requests_more(size: int, count: int, most: float) -> None:
    windows = list(windows_between(0, count, size))
    assert windows[-1].end >= count
    assert len(windows) <= most * count / size


@each_reader
@pytest.mark.parametrize("number", [1, 2])
@pytest.mark.parametrize(("times", "is_overcome"), [(3, True), (40, False)])
def test_a_contradiction_may_come_three_times(how: str, number: int, times: int, is_overcome: bool) -> None:
    listing, left = Listing(names(9), 3), [times]

    def fetch(asked: Window) -> Page | None:
        if asked.number != number or not left[0]:
            return listing.fetch(asked)
        left[0] -= 1
        return page(pages=3, records=9)

    if is_overcome:
        assert paged(fetch, how) == names(9)
    else:
        with pytest.raises(UnstableListError, match=REASON):
            paged(fetch, how)


def test_records_that_join_pages_already_read_are_not_missed_where_pages_are_not_counted() -> None:
    for request in range(2, 4):
        listing = Listing(names(7), 2, {request: ("insert", 0)}, totals=("total_records",), past_end="404")
        assert_whole(listing, paged(listing.fetch, "ascending"))


@each_reader
@pytest.mark.parametrize("totals", [BOTH_TOTALS, ()], ids=str)
def test_a_record_that_is_twice_in_one_reply_is_returned_once(how: str, totals: tuple[str, ...]) -> None:
    for count in range(1, 9):
        listing = Listing(sorted([*names(count), names(count)[count // 2]]), 50, totals=totals)
        assert paged(listing.fetch, how) == names(count)


@each_reader
def test_a_cut_that_leaves_nothing_out_as_far_as_is_counted_says_none(how: str) -> None:
    cuts: list[int | None] = []
    listing = Listing(names(6), 3, lies={"total_pages": 1, "total_records": -1})
    assert paged(listing.fetch, how, 2, cuts) == names(6)
    assert cuts == [0]
