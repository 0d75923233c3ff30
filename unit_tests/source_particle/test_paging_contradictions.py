"""Lists whose replies contradict themselves: tolerated for a while, and then an error with a reason."""

import itertools

import pytest

from source_particle.errors import UnstableListError
from source_particle.paging import Page, Window
from unit_tests.support.listings import (
    BOTH_TOTALS,
    REASON,
    Listing,
    each_reader,
    names,
    page,
    paged,
    scripted,
)

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


@pytest.mark.parametrize(
    ("size", "totals", "reason"),
    [
        (3, BOTH_TOTALS, "the API counts 9 records and gave 4"),
        (3, (), "page 1 of 3 brings nothing new"),
        (5, BOTH_TOTALS, "page 2 of 4 starts beyond the last record read"),
    ],
)
def test_a_list_of_which_only_the_first_page_still_comes_is_an_error_with_a_reason(
    size: int, totals: tuple[str, ...], reason: str
) -> None:
    listing = Listing(names(9), size, totals=totals)

    def fetch(window: Window) -> Page | None:
        reply = listing.fetch(window)
        return reply if listing.requests <= 2 or window.number == 1 else page(records=9 if totals else None)

    with pytest.raises(UnstableListError, match=f"^{reason}$"):
        paged(fetch, "ascending", size=size)


@pytest.mark.parametrize(
    ("size", "served", "starts", "requests"),
    [
        (4, 3, [0, 3, 4, 6, 4], 18),
        (40, 2, [0, 39, 76, 70, 58, 37], 16),
        # No window has overlapped: it asks four times, and then reads the list without an order.
        (40, 1, [0, 39, 33, 22], 11),
    ],
)
def test_a_read_steps_back_by_an_eighth_of_a_page_and_then_by_twice_as_much_each_time(
    size: int, served: int, starts: list[int], requests: int
) -> None:
    listing = Listing(names(4 * size), size)
    asked: list[int] = []

    def fetch(window: Window) -> Page | None:
        asked.append(window.start)
        return listing.fetch(window) if len(asked) <= served else page(records=4 * size)

    with pytest.raises(UnstableListError):
        paged(fetch, "ascending", size=size)
    # It asks for the first page until it has had a dozen replies without anything new, and one more for each page read.
    assert asked == [*starts, *[0] * (requests - len(starts))]


@pytest.mark.parametrize(
    ("pages", "reason"),
    [
        ([page("a", "b", pages=3, records=6)], "page 2 repeats 2 records of earlier pages"),
        (
            [page("a", pages=4, records=3), page(pages=4, records=3)],
            "page 2 is empty, but the API counts 3 records and gave 1 records",
        ),
        ([page("a", pages=3), page(pages=3)], "page 2 is empty, but the API counts 3 pages and gave 1 records"),
    ],
)
def test_a_pass_that_contradicts_itself_says_what_it_saw(pages: list[Page], reason: str) -> None:
    with pytest.raises(UnstableListError, match=f"^{reason}$"):
        paged(scripted(*pages), "unordered")


@each_reader
def test_a_list_that_does_not_exist_is_empty(how: str) -> None:
    assert paged(lambda window: None, how) == []


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


def test_a_page_from_further_back_with_the_totals_of_the_last_is_not_the_end() -> None:
    listing = Listing(names(20), 10)

    def fetch(window: Window) -> Page | None:
        reply = listing.fetch(window)
        return page(*names(19)[11:], pages=3, records=20) if listing.requests == 3 else reply

    assert paged(fetch, "ascending", size=10) == names(20)
