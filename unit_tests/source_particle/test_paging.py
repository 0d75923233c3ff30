"""Reading a paged list: completely, each record once, or a clear error."""

from collections.abc import Mapping

import pytest

from source_particle.errors import UnstableListError
from source_particle.paging import Order, Page, PagedList, Window, window_across, window_after, windows_between
from unit_tests.support.listings import (
    BOTH_TOTALS,
    REASON,
    BusyListing,
    Listing,
    assert_whole,
    each_end,
    each_page_size,
    each_reader,
    key_of,
    names,
    page,
    paged,
    scripted,
)

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
@pytest.mark.parametrize("totals", [BOTH_TOTALS, ("total_pages",)], ids=str)
def test_totals_spare_the_request_beyond_the_last_page(how: str, totals: tuple[str, ...]) -> None:
    for count, pages in ((0, 1), (1, 1), (10, 1), (11, 2), (18, 2)):
        listing = Listing(names(count), per_page=10, totals=totals)
        paged(listing.fetch, how)
        assert listing.requests == (pages if how == "ascending" or pages == 1 else 2 * pages)


def test_a_list_that_is_not_counted_takes_a_request_more_where_its_last_page_brought_news() -> None:
    for count, requests in ((0, 1), (10, 2), (11, 3), (18, 3)):
        listing = Listing(names(count), per_page=10, totals=())
        paged(listing.fetch, "ascending", size=10)
        assert listing.requests == requests


def test_a_page_that_comes_once_more_and_again_is_the_last() -> None:
    asked = []

    def fetch(window: Window) -> Page | None:
        asked.append(window)
        return page(*names(10)) if len(asked) == 1 else page("009", "010")

    assert paged(fetch, "ascending", size=10) == names(11)
    assert len(asked) == 4


def test_a_list_that_comes_to_end_where_it_was_read_takes_no_further_request() -> None:
    listing = BusyListing(names(12), 10, bursts={2: [("insert", 0)] * 8 + [("delete", 18)] * 2})
    assert paged(listing.fetch, "ascending", size=10) == names(10)
    assert listing.requests == 2


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


# ---- which windows are requested ----

SIZES = (1, 2, 3, 5, 7, 12)


def _every_window(size: int, count: int, order: Order) -> list[Window]:
    return [Window(number, any_size, order) for any_size in range(1, size + 1) for number in range(1, count + 2)]


@pytest.mark.parametrize("size", SIZES)
def test_the_next_window_has_the_last_record_read_and_reaches_furthest(size: int) -> None:
    assert window_after(0, size) == Window(1, size)
    for position in range(1, 3 * size + 1):
        reaching = [w for w in _every_window(size, 40, Order.ASCENDING) if w.start < position < w.end]
        found = window_after(position, size)
        assert (found in reaching and found.end == max(w.end for w in reaching)) if found else not reaching


@pytest.mark.parametrize("size", SIZES)
def test_a_window_of_the_reversed_list_reaches_furthest_too(size: int) -> None:
    for total in range(3 * size + 1):
        for position in range(1, total + 1):
            # Counted from the end of the list, as the reversed one is, the record after the position comes first.
            left = total - position
            reaching = [w for w in _every_window(size, 40, Order.DESCENDING) if w.start < left < w.end]
            found = window_across(position, total, size)
            assert (found in reaching and found.start == min(w.start for w in reaching)) if found else not reaching


@pytest.mark.parametrize("count", [*range(25), 59, 60, 61, 75, 119, 120, 121])
@pytest.mark.parametrize("size", [2, 5, 6])
def test_the_windows_that_are_announced_are_those_that_are_requested(size: int, count: int) -> None:
    listing = Listing(names(count), per_page=size, reverses=True)
    requested: list[Window] = []
    announced: list[list[Window]] = []

    def fetch(window: Window) -> Page | None:
        requested.append(window)
        return listing.fetch(window)

    pages = PagedList(fetch, key_of, size, expect=lambda windows: announced.append(list(windows)))
    assert [key_of(record) for records in pages.read_ascending() for record in records] == names(count)
    # Where windows cannot overlap, the list is read again without an order.
    ordered = [window for window in requested if window.order != Order.ANY]
    # A list that ends with a reversed window is asked for its end once more.
    known = ordered[:-1] if len(ordered) > 1 and ordered[-2].order == Order.DESCENDING else ordered
    assert list(windows_between(0, count, size)) == (known if count else [])
    for done, ahead in enumerate(announced[: len(ordered)], start=1):
        assert ahead == known[done:]


@pytest.mark.parametrize("max_pages", [None, 1, 3])
@pytest.mark.parametrize("count", [0, 1, 10, 11, 39])
def test_the_pages_of_an_unordered_list_are_announced_up_to_its_end(count: int, max_pages: int | None) -> None:
    listing = Listing(names(count), per_page=10)
    requested: list[Window] = []
    announced: list[list[Window]] = []

    def fetch(window: Window) -> Page | None:
        requested.append(window)
        return listing.fetch(window)

    pages = PagedList(fetch, key_of, 10, max_pages, expect=lambda windows: announced.append(list(windows)))
    list(pages.read_unordered())
    # Each pass begins with none, because what was fetched ahead in an earlier one shows the list as it was then.
    in_a_pass = min(-(-count // 10) or 1, max_pages or 4)
    every = [Window(number, 10, Order.ANY) for number in range(1, in_a_pass + 1)]
    passes = len(requested) // in_a_pass
    assert requested == every * passes
    assert announced == [[], *(every[done:] for done in range(1, in_a_pass + 1))] * passes


@each_reader
@pytest.mark.parametrize("max_pages", [1, 2, 3, 5])
@pytest.mark.parametrize("totals", [BOTH_TOTALS, ()], ids=str)
def test_a_limit_of_pages_gives_as_many_records_and_says_how_many_it_left_out(
    how: str, max_pages: int, totals: tuple[str, ...]
) -> None:
    for count in (0, 9, 10, 19, 20, 21, 29, 30, 49, 50, 75):
        listing, cuts = Listing(names(count), 10, totals=totals), list[int | None]()
        assert paged(listing.fetch, how, max_pages, cuts, size=10) == names(min(count, 10 * max_pages))
        if count > 10 * max_pages:
            assert cuts == [count - 10 * max_pages if totals else None]


def test_nothing_is_announced_while_a_read_steps_back() -> None:
    listing = BusyListing(names(40), 10, bursts={3: [("delete", 0)] * 12})
    announced: list[list[Window]] = []
    pages = PagedList(listing.fetch, key_of, 10, expect=lambda windows: announced.append(list(windows)))
    assert_whole(listing, [key_of(record) for records in pages.read_ascending() for record in records])
    is_empty = [not ahead for ahead in announced]
    # Two pages, the step back, pages again, and the end.
    assert is_empty[:3] == [False, False, True]
    assert any(announced[3:])


@pytest.mark.parametrize(
    ("counted", "at_most"),
    [(Page([]), 0), (Page([], total_pages=3), 30), (Page([], 3, 25), 25), (Page([], None, 7), 7), (Page([], 3, 0), 0)],
)
def test_the_totals_say_how_many_records_there_are_at_most(counted: Page, at_most: int) -> None:
    assert counted.records_up_to(10) == at_most


@pytest.mark.parametrize(
    ("first", "at_most"),
    [
        (Page([{}, {}], total_pages=1), 2),
        (Page([{}, {}], total_pages=3), 6),
        (Page([{}, {}], total_pages=3, total_records=5), 5),
        (Page([{}, {}], total_records=5), 5),
        (Page([], total_pages=0), 0),
        (Page([{}, {}]), None),
    ],
)
def test_the_first_page_says_how_many_records_the_list_has_at_most(first: Page, at_most: int | None) -> None:
    assert first.most_records() == at_most


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


@pytest.mark.parametrize("twice", range(9))
@pytest.mark.parametrize("totals", [BOTH_TOTALS, ()], ids=str)
def test_a_record_that_is_twice_in_a_sorted_list_of_several_pages_is_returned_once(
    totals: tuple[str, ...], twice: int
) -> None:
    listing = Listing(sorted([*names(9), names(9)[twice]]), 4, totals=totals)
    assert paged(listing.fetch, "ascending") == names(9)


@each_reader
def test_a_cut_that_leaves_nothing_out_as_far_as_is_counted_says_none(how: str) -> None:
    cuts: list[int | None] = []
    listing = Listing(names(6), 3, lies={"total_pages": 1, "total_records": -1})
    assert paged(listing.fetch, how, 2, cuts) == names(6)
    assert cuts == [0]
