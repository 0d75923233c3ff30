"""Lists of owners, and lists within them: what they find, what the API refuses, and when nothing was served."""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from airbyte_cdk.sources.declarative.retrievers.retriever import Retriever
from airbyte_cdk.sources.types import StreamSlice

from source_particle.errors import Refused
from source_particle.owners import OwnerRouter, WithinRouter
from source_particle.router import ParticleRouter
from unit_tests.support.built import config

Held = list[str] | int
TABLE = "a_table"
# What no list that is not named holds.
MISSING = 404
CLOSED = 400
OWNERS = {"products": ["p1", "p2"], "organizations": ["o1"]}
ALL_REFUSED = dict.fromkeys(("user/me", "product/p1", "product/p2", "organization/o1"), 403)


@dataclass
class Lists:
    """Stands for a retriever: gives what it holds for a slice, or refuses with a status; 400 is closed to API users."""

    holds: Mapping[str, Held]
    streams: list[str] = field(default_factory=list)

    def read_for(self, stream: str) -> None:
        self.streams.append(stream)

    def read_records(self, _: Any, stream_slice: StreamSlice | None = None) -> Iterable[dict[str, str]]:
        place = "/".join(map(str, stream_slice.partition.values())) if stream_slice else ""
        held = self.holds.get(place, MISSING)
        if isinstance(held, int):
            code = "unauthorized" if held == CLOSED else ""
            raise Refused(f"{place or 'the list'} is refused", held, may_skip=True, code=code)
        for name in held:
            yield {"id": name, "slug": name}


def owners(options: Mapping[str, Any] | None = None, **given: Any) -> OwnerRouter:
    """A router over the user, two products and an organization, or what is given."""
    lists: dict[str, Held] = {**OWNERS, **{name: given.pop(name) for name in OWNERS if name in given}}
    kinds = given.pop("kinds", ["user", "product", "organization"])
    products, organizations = (cast(Retriever, Lists({"": lists[name]})) for name in OWNERS)
    return OwnerRouter(
        config=config(**given, **({TABLE: options} if options else {})),
        parameters={},
        table=TABLE,
        products=products,
        organizations=organizations,
        kinds=kinds,
    )


def within(outer: ParticleRouter, holds: Mapping[str, Held], name: str = "ledger") -> WithinRouter:
    """A router over what is in the lists of what another one finds."""
    parent = cast(Retriever, Lists(holds))
    return WithinRouter(
        config=outer.config, parameters={}, table=TABLE, outer=outer, parent=parent, name=name, key=["id"]
    )


def named(router: ParticleRouter) -> list[str]:
    """The partitions of all slices."""
    return ["/".join(map(str, piece.partition.values())) for piece in router.stream_slices()]


def refused_everything() -> Any:
    return pytest.raises(Refused, match=rf"{TABLE}: the API refused everything that \* found")


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (None, ["user/me", "product/p1", "product/p2", "organization/o1"]),
        ({"owner_type": "product"}, ["product/p1", "product/p2"]),
        ({"owner_type": "organization", "owner": "*"}, ["organization/o1"]),
        ({"owner_type": "product", "owner": "p9,p1"}, ["product/p9", "product/p1"]),
    ],
    ids=str,
)
def test_owners_are_those_named_or_all(options: Mapping[str, Any] | None, expected: list[str]) -> None:
    assert named(owners(options)) == expected


def test_a_named_owner_without_its_kind_is_refused() -> None:
    with pytest.raises(Refused, match="owner names p1, but not of which kind"):
        named(owners({"owner": "p1"}))


def test_a_list_of_owners_that_is_refused_is_skipped_and_named(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        router = owners(organizations=403)
        assert named(router) == ["user/me", "product/p1", "product/p2"]
        for _ in range(3):
            router.skips.slice_read()
        router.skips.served()
        router.skips.report_when_done()
    assert f"{TABLE}: skipped 1" in caplog.text
    assert "the list of organizations (403)" in caplog.text


def test_owners_of_one_kind_whose_list_is_refused_are_no_empty_table() -> None:
    with refused_everything():
        named(owners(organizations=403, kinds=["organization"]))


def test_no_owners_are_an_empty_table() -> None:
    assert named(owners(organizations=[], kinds=["organization"])) == []


# ---- lists within lists ----

LEDGERS: Mapping[str, Held] = {
    "user/me": ["a"],
    "product/p1": ["b", "c"],
    "product/p2": [],
    "organization/o1": ["d"],
}


def test_what_is_in_the_lists_of_all_owners_is_named() -> None:
    found = [*within(owners(), LEDGERS).stream_slices()]
    assert ["/".join(piece.partition.values()) for piece in found] == [
        "user/me/a",
        "product/p1/b",
        "product/p1/c",
        "organization/o1/d",
    ]
    assert found[1].extra_fields == {"owner_path": "products/p1/", "ledger_path": "b", "found": True}


def test_what_is_in_lists_within_lists_is_named() -> None:
    instances = {"user/me/a": ["x"], "product/p1/b": [], "product/p1/c": ["y", "z"], "organization/o1/d": []}
    router = within(within(owners(), LEDGERS), instances, "scope_value")
    assert named(router) == ["user/me/a/x", "product/p1/c/y", "product/p1/c/z"]


@pytest.mark.parametrize(
    "changed",
    [{}, {"user/me": 404}, {"product/p2": CLOSED}, {"organization/o1": 404, "user/me": CLOSED}],
    ids=str,
)
def test_lists_that_are_all_refused_are_no_empty_table(changed: Mapping[str, Held]) -> None:
    with refused_everything():
        named(within(owners(), {**ALL_REFUSED, **changed}))


def test_lists_within_lists_that_are_all_refused_are_no_empty_table() -> None:
    instances = dict.fromkeys(("user/me/a", "product/p1/b", "product/p1/c", "organization/o1/d"), 403)
    with refused_everything():
        named(within(within(owners(), {**LEDGERS, "product/p2": ["e"]}), {**instances, "product/p2/e": 403}, "scope"))


def test_the_error_about_everything_tells_why_and_not_that_api_users_have_nothing() -> None:
    with pytest.raises(Refused, match="The last refusal: product/p2 is refused"):
        named(within(owners(organizations=CLOSED), {**ALL_REFUSED, "user/me": CLOSED}))


@pytest.mark.parametrize("empty", ["user/me", "product/p1", "organization/o1"])
def test_an_empty_list_beside_refused_ones_is_an_empty_table(empty: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert named(within(owners(), {**ALL_REFUSED, empty: []})) == []
    assert f"{TABLE}: skipped 3" in caplog.text


def test_an_empty_list_of_lists_beside_refused_ones_is_an_empty_table(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert named(within(within(owners(), {**ALL_REFUSED, "user/me": []}), {}, "scope")) == []
    assert f"{TABLE}: skipped 3" in caplog.text


@pytest.mark.parametrize("depth", [1, 2])
def test_what_is_refused_at_any_depth_is_reported_once_and_by_name(
    depth: int, caplog: pytest.LogCaptureFixture
) -> None:
    router = within(owners(organizations=403), {**LEDGERS, "product/p2": 403})
    if depth > 1:
        router = within(router, {"user/me/a": ["x"], "product/p1/b": ["y"], "product/p1/c": ["z"]}, "scope")
    with caplog.at_level(logging.WARNING):
        for _ in named(router):
            router.skips.served()
            router.skips.slice_read()
        router.skips.report_when_done()
    assert len(caplog.messages) == 1
    assert f"{TABLE}: skipped 2 " in caplog.text
    assert "product/p2 (403), the list of organizations (403)" in caplog.text


@pytest.mark.parametrize("refused", [{"organizations": 403}, {}], ids=["the list of owners", "the list of one"])
def test_a_refusal_is_an_error_where_the_user_says_so(refused: Mapping[str, Any]) -> None:
    router = within(owners(on_refused="fail", **refused), {**LEDGERS, "organization/o1": 403})
    with pytest.raises(Refused, match="because on_refused is fail"):
        named(router)


def test_a_named_owner_that_is_refused_is_an_error_after_the_rest() -> None:
    router = within(owners({"owner_type": "product", "owner": "p9,p1"}), LEDGERS)
    found: list[str] = []
    with pytest.raises(Refused, match="product/p9 is refused"):
        found.extend("/".join(piece.partition.values()) for piece in router.stream_slices())
    assert found == ["product/p1/b", "product/p1/c"]


@pytest.mark.parametrize("parts", [1, 2, 3])
def test_each_slice_is_in_one_part(parts: int) -> None:
    found = []
    for part in range(parts):
        router = within(owners(plan={"part": part, "parts": parts}), LEDGERS)
        found += named(router)
    assert sorted(found) == sorted(named(within(owners(), LEDGERS)))


def test_all_lists_are_read_in_the_name_of_the_stream() -> None:
    outer = owners()
    router = within(outer, LEDGERS)
    for part in (outer.products, outer.organizations, router.parent):
        assert cast(Lists, part).streams == [TABLE]
