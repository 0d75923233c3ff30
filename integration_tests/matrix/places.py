"""Where a trouble can occur: the requests of a table, according to the manifest."""

import re
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from airbyte_cdk.sources.declarative.parsers.manifest_reference_resolver import ManifestReferenceResolver

from source_particle import manifest

Node = Mapping[str, Any]

RETRIEVERS = tuple(f"source_particle.components.{name}" for name in ("ParticleRetriever", "ProductsRetriever"))
ROUTER = "source_particle.components.FleetRouter"
PLAIN = {"extractor": {"type": "DpathExtractor"}}
PLACEHOLDER = re.compile(r"{{ (?:config\['base_url'\] }}|(\w+) }})")


@dataclass(frozen=True)
class Place:
    """One request of a table, or all pages of one list.

    `path` has the names of the manifest in braces, `key` is that of the records in the reply (any, where they have
    none), `is_single` tells that the reply is the record, `takes_bare_list` that it may be a list. `skips` names what a
    refusal costs where `*` has led here: a `product` or the `entity`; None where nothing may be skipped. `named` tells
    that the options name what is read here, `has_other_way` that other lists are read where the API has no such one,
    `tries_order` that its first request tries an order that the API does not document, and may count for nothing.
    """

    name: str
    path: str = ""
    page: int | None = None
    key: str = "usage_by_day"
    is_single: bool = False
    takes_bare_list: bool = False
    skips: str | None = None
    named: bool = False
    has_other_way: bool = False
    tries_order: bool = False

    @property
    def is_later_page(self) -> bool:
        """Whether pages before it have told that it is there."""
        return self.page is not None and self.page > 1


ANYWHERE = Place("anywhere")


@cache
def is_tried(table: str) -> bool:
    """Return whether the matrix knows the requests of a table.

    It does not know histories other than vitals, whose range depends on this machine's clock, lists within lists, those
    of several kinds of owners, and pages of lists that the fleet of a cell does not fill.
    """
    retriever = _retriever(table)
    router = retriever.get("partition_router", {"class_name": ROUTER})
    strategy = retriever.get("paginator", {}).get("pagination_strategy", {"sorting": {}})
    return (
        retriever["class_name"] in RETRIEVERS
        and router["class_name"] == ROUTER
        and not retriever.get("absent_is_none")
        and retriever.get("record_selector", PLAIN)["extractor"]["type"] == PLAIN["extractor"]["type"]
        and "sorting" in strategy
    )


@cache
def kind_of(table: str) -> Hashable:
    """Return what tables have in common that are read in the same way."""
    return tuple((place.name, place.skips, place.is_single, place.takes_bare_list) for place in places(table))


@cache
def places(table: str) -> tuple[Place, ...]:
    """Return the places of a table, in the order in which they are read."""
    return tuple(_places(_retriever(table)))


@cache
def reads(table: str) -> frozenset[str]:
    """Return the paths that a table is read by, those of its parents included."""
    return frozenset(_paths(_retriever(table)))


def _places(retriever: Node) -> Iterator[Place]:
    router = retriever.get("partition_router")
    if router is None:
        only, other_ways = retriever.get("products", retriever), "products" in retriever
        yield _place("its only reply", only, has_other_way=other_ways)
        return
    yield _place("list of products", router["products"]["products"], has_other_way=True)
    if "entity" in router:
        entities = router["product_entities"]
        yield _place("list of one product", entities, skips="product", tries_order=_tries_order(entities))
    what = "entity" if "entity" in router else "product"
    if "paginator" not in retriever:
        yield _place("one of several", retriever, skips=what)
    else:
        for page, name in enumerate(("first page", "middle page", "last page"), start=1):
            tries_order = page == 1 and _tries_order(retriever)
            yield _place(name, retriever, skips=what, page=page, tries_order=tries_order)
        yield _place("all pages", retriever, skips=what)
    yield _place("one named in the options", retriever, named=True, tries_order=_tries_order(retriever))


def _place(name: str, retriever: Node, **more: Any) -> Place:
    key = next(iter(retriever["record_selector"]["extractor"]["field_path"]), None)
    single = retriever.get("single", False)
    bare = "bare_list_is" in retriever or (key is None and not single)
    url = _path(retriever["requester"]["url"])
    return Place(name, url, key=key or "usage_by_day", is_single=single, takes_bare_list=bare, **more)


def _tries_order(retriever: Node) -> bool:
    strategy = retriever.get("paginator", {}).get("pagination_strategy", {})
    return not strategy.get("is_order_documented", True)


def _path(url: str) -> str:
    return PLACEHOLDER.sub(lambda found: f"{{{found[1]}}}" if found[1] else "", url)


def _paths(node: Any) -> Iterator[str]:
    if isinstance(node, Mapping):
        if isinstance(node.get("url"), str):
            yield _path(node["url"])
        for child in node.values():
            yield from _paths(child)


@cache
def _streams() -> Node:
    whole = ManifestReferenceResolver().preprocess_manifest(dict(manifest()))
    return {stream["name"]: stream for stream in whole["streams"] if "name" in stream}


def _retriever(table: str) -> Node:
    retriever: Node = _streams()[table]["retriever"]
    return retriever
