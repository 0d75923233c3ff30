"""Reading a paged list that changes, or has no order: nothing lost, nothing repeated, or a clear error.

`test_moving_lists` has the same for lists that change at random between any two requests.
"""

import contextlib
import itertools
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from source_particle.errors import UnstableListError
from source_particle.paging import Order, Page, PagedList, Window
from unit_tests.support.listings import (
    REASON,
    BusyListing,
    Edit,
    Listing,
    assert_whole,
    each_end,
    each_page_size,
    each_reader,
    key_of,
    names,
    page,
    paged,
)

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


@pytest.mark.parametrize(
    ("falling", "is_trusted"),
    [
        (["f", "d", "c"], True),
        (["e"], True),
        (["d", "b", "a"], False),
        (["f", "b", "c"], False),
        (["a", "c", "e"], False),
        ([], False),
    ],
)
def test_a_list_that_falls_by_chance_is_not_trusted(falling: list[str], is_trusted: bool) -> None:
    asked = []

    def fetch(window: Window) -> Page | None:
        asked.append(window.order)
        if window.order != Order.DESCENDING:
            return page("a", "c", "e", pages=2)
        return page(*falling, pages=2) if falling else None

    assert next(PagedList(fetch, key_of, 3, is_order_documented=False).read_ascending()) == page("a", "c", "e").records
    assert asked == [Order.ASCENDING, Order.DESCENDING, *([] if is_trusted else [Order.ANY])]


def test_an_order_that_nobody_heeds_is_not_asked_for_again() -> None:
    shuffled = Listing(["05", *names(9)], 3)
    asked = []

    def fetch(window: Window) -> Page | None:
        asked.append(window.order)
        return shuffled.fetch(window)

    pages = PagedList(fetch, key_of, 3, is_order_documented=False)
    assert sum(len(records) for records in pages.read_ascending()) == 10
    assert asked[1:] == [Order.ANY] * 8


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
