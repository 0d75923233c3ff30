"""How many requests a read of each table takes, from the components that the manifest gives the table."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from airbyte_cdk.sources.declarative.parsers.manifest_reference_resolver import ManifestReferenceResolver

from bridge.tables.catalog import tables
from source_particle import manifest
from source_particle.paging import windows_between

Component = Mapping[str, Any]

PAGE = 100
DEVICES = (1_000, 10_000, 100_000)
"""The fleets of the table: each is one product with as many SIMs as devices."""
OWNERS = ("user", "product", "organization")
# What a list within a list is read for, by the name that its router gives it.
WITHIN = {
    "ledger": "ledger",
    "scope_value": "ledger instance",
    "agreement_id": "agreement",
    "logic_function_id": "function",
}


@dataclass(frozen=True)
class Cost:
    """The requests of one table: in words, and for fleets of these sizes; none where that says nothing about them."""

    table: str
    words: str
    counts: tuple[int, ...] = ()


def costs() -> Iterator[Cost]:
    """Yield the cost of each table, in the order of the manifest."""
    whole = ManifestReferenceResolver().preprocess_manifest(dict(manifest()))
    retrievers = {stream["name"]: stream["retriever"] for stream in whole["streams"] if "name" in stream}
    for name in tables():
        yield _cost(name, retrievers[name])


def _cost(name: str, retriever: Component) -> Cost:
    router = retriever.get("partition_router")
    if router is None:
        return Cost(name, "one", (1,) * len(DEVICES))
    if "name" in router:
        return Cost(name, f"one per {WITHIN[router['name']]}, and the lists of these")
    if "organizations" in router:
        *others, last = router.get("kinds", OWNERS)
        kinds = f"{', '.join(others)} and {last}" if others else last
        return Cost(name, f"one per {kinds}, and the lists of these")
    if "entity" in router:
        item = "SIM" if router["entity"] == "iccid" else "device"
        lists = 1 + ("own_entities" in router)
        counts = (lists + _pages(devices, router["product_entities"]) + devices for devices in DEVICES)
        return Cost(name, f"one per {item}, and the lists of them", tuple(counts))
    if "paginator" in retriever:
        words = "one per 100 rows of a product, and the list of products"
        # How many customers or places a fleet has is not known.
        is_of_devices = "sorting" in retriever["paginator"]["pagination_strategy"]
        return Cost(name, words, tuple(1 + _pages(count, retriever) for count in DEVICES) if is_of_devices else ())
    return Cost(name, "one per product, and the list of products", (2,) * len(DEVICES))


def _pages(records: int, retriever: Component) -> int:
    """Return the requests of a list, as the source plans them for an API that heeds the order that it documents."""
    if retriever["paginator"]["pagination_strategy"].get("is_order_documented", True):
        return sum(1 for _ in windows_between(0, records, PAGE))
    # Two readings that agree, after a request that tries for an order.
    return 2 * -(-records // PAGE) + 1
