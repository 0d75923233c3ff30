"""Kinds of tables: those of one kind are read in the same way, so one stands for all where a test costs much."""

from collections.abc import Hashable, Iterable, Iterator, Mapping
from functools import cache
from typing import Any

import pytest
from airbyte_cdk.sources.declarative.parsers.manifest_reference_resolver import ManifestReferenceResolver

from bridge.tables.catalog import Table, tables
from source_particle import manifest

Node = Mapping[str, Any]


def one_of_each_kind() -> list[Table]:
    """Return the first table of each kind, in the order of the manifest."""
    return [part for part, is_first in _with_place(tables().values()) if is_first]


def one_of_each_shape() -> list[Table]:
    """Return the first table of each shape: what Spark sees of it, where a minute of Spark is spent on each."""
    first: dict[Hashable, Table] = {}
    for part in tables().values():
        first.setdefault((bool(part.cursor_field), part.fans_out, bool(part.changes_for)), part)
    return list(first.values())


def few_table_parameters() -> list[Any]:
    """Return all tables as the parameters of a test that takes seconds: those of the same shape as slow ones."""
    first = one_of_each_shape()
    return [
        pytest.param(part, id=part.name, marks=() if part in first else pytest.mark.slow) for part in tables().values()
    ]


def table_parameters(parts: Iterable[Table] | None = None) -> list[Any]:
    """Return tables as the parameters of a test: the first of each kind, and the others as slow ones."""
    return [
        pytest.param(part, id=part.name, marks=() if is_first else pytest.mark.slow)
        for part, is_first in _with_place(tables().values() if parts is None else parts)
    ]


@cache
def kind_of(name: str) -> Hashable:
    """Return what tables have in common that are read in the same way: the components, and how they are set."""
    stream = _streams()[name]
    retriever = stream["retriever"]
    router = retriever.get("partition_router", {})
    return (
        retriever["class_name"],
        router.get("class_name"),
        "entity" in router,
        tuple(retriever.get("paginator", {}).get("pagination_strategy", ())),
        retriever.get("record_selector", {}).get("extractor", {}).get("class_name"),
        "incremental_sync" in stream,
    )


def _with_place(parts: Iterable[Table]) -> Iterator[tuple[Table, bool]]:
    """Yield each table, and whether it is the first of its kind."""
    seen: set[Hashable] = set()
    for part in parts:
        yield part, kind_of(part.name) not in seen
        seen.add(kind_of(part.name))


@cache
def _streams() -> Mapping[str, Node]:
    whole = ManifestReferenceResolver().preprocess_manifest(dict(manifest()))
    return {stream["name"]: stream for stream in whole["streams"] if "name" in stream}
