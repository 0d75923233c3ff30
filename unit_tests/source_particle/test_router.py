"""The items of a fleet: those that the user named, those that `*` finds, and those that the API refuses."""

import logging
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast
from urllib.parse import unquote

import pytest
from airbyte_cdk.sources.declarative.retrievers.retriever import Retriever
from airbyte_cdk.sources.types import StreamSlice

from source_particle.errors import Refused
from source_particle.router import FleetRouter, ParticleRouter, path_segment
from unit_tests.support.built import config

OWN = "own"


def test_a_router_has_to_say_its_slices() -> None:
    @dataclass
    class Without(ParticleRouter):
        pass

    with pytest.raises(TypeError, match="slices"):
        Without(config=config(), parameters={}, table="a_table")  # type: ignore[abstract]


@dataclass
class Lists:
    """Stands for a retriever: gives the ids it holds under a product, or refuses with a status."""

    holds: Mapping[str, list[str] | int]
    names: Mapping[str, str] = field(default_factory=dict)
    key: str = "id"
    asked: list[str] = field(default_factory=list)

    def read_records(self, _: Any, stream_slice: StreamSlice | None = None) -> Iterable[dict[str, str]]:
        product = str(stream_slice.partition["product_id_or_slug"]) if stream_slice else OWN
        self.asked.append(product)
        held = self.holds.get(product, 404)
        if isinstance(held, int):
            raise Refused(f"{product} is refused", held, may_skip=held in (403, 404))
        for name in held:
            yield {self.key: name, **({"name": self.names[name]} if name in self.names else {})}


class Closed(Lists):
    """Stands for a list that belongs to users."""

    def read_records(self, _: Any, stream_slice: StreamSlice | None = None) -> Iterable[dict[str, str]]:
        raise Refused("API users are not allowed", 400, may_skip=True, code="unauthorized")


def router(
    options: Mapping[str, Any] | None,
    *,
    entity: str | None = None,
    products: list[str] | int | None = None,
    own: list[str] | int | None = None,
    key: str = "id",
    plan: Mapping[str, Any] | None = None,
    on_refused: str = "skip",
    **in_products: list[str] | int,
) -> FleetRouter:
    """A router over products p1, p2 …, each with what it holds, and over the user's own list."""
    found = list(in_products) if products is None else products
    return FleetRouter(
        config=config(plan=plan or {}, on_refused=on_refused, **({} if options is None else {"a_table": options})),
        parameters={},
        table="a_table",
        products=cast(Retriever, Lists({OWN: found})),
        entity=entity,
        own_entities=cast(Retriever, Lists({OWN: own if own is not None else 403}, key=key)) if entity else None,
        product_entities=cast(Retriever, Lists(in_products, key=key)) if entity else None,
    )


def named(fan: FleetRouter) -> list[tuple[str, Any, bool]]:
    """Every slice as (name, product it is read through, whether `*` found it)."""
    return [
        (
            next(iter(piece.partition.values())),
            piece.extra_fields.get("product_id_or_slug"),
            piece.extra_fields["found"],
        )
        for piece in fan.stream_slices()
    ]


# ---- products ----


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (None, [("p1", True), ("p2", True)]),
        ({}, [("p1", True), ("p2", True)]),
        ({"product_id_or_slug": "*"}, [("p1", True), ("p2", True)]),
        ({"product_id_or_slug": " * "}, [("p1", True), ("p2", True)]),
        ({"product_id_or_slug": ",,"}, [("p1", True), ("p2", True)]),
        ({"product_id_or_slug": "p9"}, [("p9", False)]),
        ({"product_id_or_slug": "p9, p8 ,p9,,"}, [("p9", False), ("p8", False)]),
        ({"product_id_or_slug": 12857}, [("12857", False)]),
    ],
    ids=str,
)
def test_products_are_those_named_or_all(options: Mapping[str, Any] | None, expected: list[tuple[str, bool]]) -> None:
    assert [(name, found) for name, _, found in named(router(options, p1=[], p2=[]))] == expected


def test_named_products_are_not_looked_up() -> None:
    assert named(router({"product_id_or_slug": "p9"}, products=403)) == [("p9", None, False)]


def test_a_refused_list_of_products_is_an_error_because_nothing_can_be_found() -> None:
    with pytest.raises(Refused):
        named(router(None, products=403))


# ---- devices and SIMs ----

STAR = {"device_id": "*"}
ALL = {"device_id": "*", "product_id_or_slug": "*"}


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (None, [("a", "p1", True), ("b", "p1", True), ("c", "p2", True), ("o", None, True)]),
        (STAR, [("a", "p1", True), ("b", "p1", True), ("c", "p2", True), ("o", None, True)]),
        ({"device_id": "x"}, [("x", None, False)]),
        ({"device_id": "x,y, x"}, [("x", None, False), ("y", None, False)]),
        ({"device_id": "x,y", "product_id_or_slug": "p1"}, [("x", "p1", False), ("y", "p1", False)]),
        ({**STAR, "product_id_or_slug": "p2"}, [("b", "p2", True), ("c", "p2", True)]),
        ({**STAR, "product_id_or_slug": "p2,p1"}, [("b", "p2", True), ("c", "p2", True), ("a", "p1", True)]),
        (ALL, [("a", "p1", True), ("b", "p1", True), ("c", "p2", True), ("o", None, True)]),
        ({"device_id": "c,a", "product_id_or_slug": "p1,p2"}, [("a", "p1", False), ("c", "p2", False)]),
        ({"device_id": "o,b", "product_id_or_slug": "*"}, [("b", "p1", False), ("o", None, False)]),
    ],
    ids=str,
)
@pytest.mark.parametrize("key", ["id", "_id", "iccid"])
def test_entities_come_once_and_by_their_product_where_they_are_in_one(
    options: Mapping[str, Any] | None, expected: list[tuple[str, Any, bool]], key: str
) -> None:
    fan = router(options, entity="device_id", own=["a", "o"], p1=["a", "b"], p2=["b", "c"], key=key)
    assert named(fan) == expected


# ---- two spellings of one thing ----

A, B = "a" * 24, "b" * 24


@pytest.mark.parametrize(
    ("option", "given", "expected"),
    [
        ("device_id", f"{A},{A.upper()}", [A]),
        ("device_id", f"{A.upper()},{B},{A}", [A.upper(), B]),
        ("device_id", f"kitchen,{A},{B}", ["kitchen", B]),
        ("device_id", f"{A},kitchen,cellar", [A, "cellar"]),
        ("device_id", "kitchen,Kitchen", ["kitchen"]),
        ("product_id_or_slug", "12857,my-product", ["12857"]),
        ("product_id_or_slug", "my-product,12857,my-product", ["my-product"]),
        ("product_id_or_slug", "my-product,12858", ["my-product", "12858"]),
    ],
)
def test_of_two_spellings_the_first_one_counts(option: str, given: str, expected: list[str]) -> None:
    fan = router({option: given}, entity="device_id" if option == "device_id" else None, products=["12857", "12858"])
    fan.products = cast(Retriever, Lists({OWN: ["12857", "12858"]}, names={"12857": "my-product"}))
    fan.own_entities = cast(Retriever, Lists({OWN: [A, B]}, names={A: "kitchen"}))
    assert [name for name, _, _ in named(fan)] == expected


@pytest.mark.parametrize("given", ["12857,12858", "my-product,other"])
def test_nothing_is_listed_where_nothing_can_be_the_same(given: str) -> None:
    assert len(named(router({"product_id_or_slug": given}, products=403))) == 2


def test_where_nothing_can_be_listed_all_spellings_are_read_and_that_is_said(caplog: pytest.LogCaptureFixture) -> None:
    fan = router({"product_id_or_slug": "12857,my-product"}, products=403)
    assert [name for name, _, _ in named(fan)] == ["12857", "my-product"]
    assert "Name each by its id." in caplog.text


def test_devices_of_several_products_are_found_by_id_in_either_case_and_by_name() -> None:
    fan = router({"device_id": f"{B.upper()},kitchen,gone", "product_id_or_slug": "p1,p2"}, entity="device_id", p1=[])
    fan.product_entities = cast(Retriever, Lists({"p1": [A], "p2": [B]}, names={A: "kitchen"}))
    names, refusal = outcome(fan)
    assert names == [A, B]
    assert refusal is not None
    assert "device_id gone is in none" in str(refusal.message)


@pytest.mark.parametrize(
    ("given", "only", "expected"),
    [
        (A.upper(), A, [A.upper()]),
        (A, A.upper(), [A]),
        (A, B, []),
        ("kitchen", A, ["kitchen"]),
        (f"kitchen,{B}", A, ["kitchen"]),
    ],
)
def test_a_filter_finds_what_the_option_names_in_another_way(given: str, only: str, expected: list[str]) -> None:
    plan: dict[str, Any] = {"only": {"device_id": [only]}}
    fan = router({"device_id": given}, entity="device_id", own=[A, B], plan=plan)
    assert [name for name, _, _ in named(fan)] == expected


def test_paths_are_made_of_encoded_names() -> None:
    fan = router({"iccid": "a b?", "product_id_or_slug": "my/product"}, entity="iccid")
    (piece,) = fan.stream_slices()
    assert piece.partition == {"iccid": "a b?"}
    assert piece.extra_fields["iccid_path"] == "a%20b%3F"
    assert piece.extra_fields["product_prefix"] == "products/my%2Fproduct/"
    (piece,) = router({"product_id_or_slug": "my/product"}).stream_slices()
    assert piece.extra_fields["product_path"] == "my%2Fproduct"
    (piece,) = router({"iccid": "1"}, entity="iccid").stream_slices()
    assert piece.extra_fields["product_prefix"] == ""


def test_the_users_own_list_is_not_asked_for_where_only_products_are_named() -> None:
    fan = router({**STAR, "product_id_or_slug": "p1"}, entity="device_id", p1=["a"])
    assert named(fan) == [("a", "p1", True)]
    assert cast(Lists, fan.own_entities).asked == []


@pytest.mark.parametrize("entity", [None, "device_id"])
@pytest.mark.parametrize("parts", [1, 2, 3, 7, 60])
def test_parts_of_a_fan_out_are_together_the_whole_and_share_nothing(entity: str | None, parts: int) -> None:
    names = [f"{number:024x}" for number in range(50)]
    dealt = [
        [name for name, _, _ in named(router(None, entity=entity, products=names, own=names, plan=plan))]
        for plan in ({"part": part, "parts": parts} for part in range(parts))
    ]
    assert sorted(name for part in dealt for name in part) == names
    assert parts > 7 or all(dealt), "Fix: a part that is always empty does no work"


@pytest.mark.parametrize(("option", "entity"), [("product_id_or_slug", None), ("device_id", "device_id")])
def test_what_is_named_is_dealt_out_evenly(option: str, entity: str | None) -> None:
    options = {option: "20001,20002,20003,20004,20001"}
    plans = ({"part": part, "parts": 2} for part in range(2))
    dealt = [[name for name, _, _ in named(router(options, entity=entity, plan=plan))] for plan in plans]
    assert dealt == [["20001", "20003"], ["20002", "20004"]]


# ---- what the API refuses ----


def outcome(fan: FleetRouter) -> tuple[list[str], Refused | None]:
    """The names of the slices, and the refusal that came after them."""
    names: list[str] = []
    try:
        for piece in fan.stream_slices():
            names.append(next(iter(piece.partition.values())))
            fan.skips.served()
            fan.skips.slice_read()
    except Refused as refusal:
        return names, refusal
    return names, None


def test_a_named_entity_that_is_in_no_named_product_is_an_error_after_the_rest() -> None:
    options = {"device_id": "a,gone,c", "product_id_or_slug": "p1,p2"}
    names, refusal = outcome(router(options, entity="device_id", p1=["a"], p2=["c"]))
    assert names == ["a", "c"]
    assert refusal is not None
    assert "a_table: device_id gone is in none of the products p1,p2" in str(refusal.message)


@pytest.mark.parametrize("status", [403, 404, 400])
def test_a_named_product_that_is_refused_is_an_error_after_the_rest(status: int) -> None:
    fan = router({**STAR, "product_id_or_slug": "p1,p2,p3"}, entity="device_id", p1=["a"], p2=status, p3=["c"])
    names, refusal = outcome(fan)
    assert names == ["a", "c"]
    assert refusal is not None
    assert (refusal.status, refusal.message) == (status, "p2 is refused")


@pytest.mark.parametrize("status", [403, 404])
def test_a_found_product_that_is_refused_is_skipped_and_named_once(
    status: int, caplog: pytest.LogCaptureFixture
) -> None:
    fan = router(ALL, entity="device_id", own=["o"], p1=["a"], p2=status, p3=["c"])
    with caplog.at_level(logging.WARNING):
        assert outcome(fan) == (["a", "c", "o"], None)
    (warning,) = caplog.messages
    skipped = "a_table: skipped 1 that this token may not read (403) or for which there is nothing (404)"
    assert warning == f"{skipped}: product p2 ({status})"


def test_a_found_product_that_is_refused_for_another_reason_is_an_error() -> None:
    names, refusal = outcome(router(ALL, entity="device_id", own=[], p1=400, p2=["b"]))
    assert names == ["b"]
    assert refusal is not None


def test_a_token_without_the_users_list_still_reads_all_products(caplog: pytest.LogCaptureFixture) -> None:
    fan = router(ALL, entity="device_id", own=403, p1=["a"])
    with caplog.at_level(logging.WARNING):
        assert outcome(fan) == (["a"], None)
    assert "the user's own list (403)" in caplog.text


@pytest.mark.parametrize("lists", [{"own": 403}, {"own": 403, "p1": 403, "p2": 404}], ids=str)
def test_a_read_whose_lists_are_all_refused_is_no_empty_table(lists: dict[str, Any]) -> None:
    with pytest.raises(Refused, match=r"a_table: the API refused everything that \* found"):
        named(router(STAR, entity="device_id", **lists))


def test_an_empty_product_beside_a_refused_one_is_an_empty_table() -> None:
    assert named(router(ALL, entity="device_id", own=403, p1=[], p2=403)) == []


def test_an_api_user_has_no_list_of_its_own_and_loses_nothing_by_it() -> None:
    fan = router(ALL, entity="device_id", p1=["a"], on_refused="fail")
    fan.own_entities = cast(Retriever, Closed({}))
    assert named(fan) == [("a", "p1", True)]


def test_a_refusal_is_an_error_where_the_user_says_so() -> None:
    with pytest.raises(Refused, match="p2 is refused It is an error because on_refused is fail"):
        named(router(ALL, entity="device_id", own=[], p1=["a"], p2=403, on_refused="fail"))


def test_nothing_is_logged_if_nothing_was_skipped(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        assert outcome(router(None, p1=[], p2=[])) == (["p1", "p2"], None)
    assert caplog.messages == []


# ---- names as one segment of a path ----

LEAVING = ["", ".", "..", "...", "a\nb", "a\r\nHost: b", "\x00", "a\x7f", "\t", "\u2028", "\ud83d"]


@pytest.mark.parametrize("name", LEAVING, ids=ascii)
def test_a_name_that_would_leave_its_place_in_the_path_is_refused(name: str) -> None:
    with pytest.raises(Refused, match=r"cannot be the id or name of a product, device or SIM") as caught:
        path_segment(name)
    assert caught.value.status == 400


@pytest.mark.parametrize(
    "name", ["a/b", "../user", "a?b=c", "a#b", "a b", "100%", "ä", "a\\b", "a;b", "a&b", "..a", "🦆"]
)
def test_any_other_name_is_encoded_and_stays_itself(name: str) -> None:
    segment = path_segment(name)
    assert unquote(segment) == name
    assert re.fullmatch(r"[A-Za-z0-9._~%-]+", segment)


@pytest.mark.parametrize("options", [{"product_id_or_slug": "p1,.."}, {"product_id_or_slug": "."}], ids=str)
def test_a_named_product_that_would_leave_the_path_is_refused(options: dict[str, str]) -> None:
    names, refusal = outcome(router(options))
    assert ".." not in names
    assert refusal is not None


def test_a_router_sends_nothing_but_the_path_and_keeps_no_state() -> None:
    fan = router(None)
    assert fan.get_stream_state() is None  # type: ignore[func-returns-value]
    for part in (
        fan.get_request_params,
        fan.get_request_headers,
        fan.get_request_body_data,
        fan.get_request_body_json,
    ):
        assert part() == {}


@pytest.mark.parametrize("value", ["*,x", "x,*", "*, *,y"])
def test_everything_and_names_together_are_refused(value: str) -> None:
    with pytest.raises(Refused, match="either \\* or names"):
        named(router({"device_id": value}, entity="device_id", own=["a", "x"]))
