"""The small components, and that the manifest names every component there is."""

from collections.abc import Iterator
from typing import Any

import pytest
from airbyte_cdk.sources.types import StreamSlice

from source_particle import components
from source_particle.components import RecordFields
from unit_tests.support.built import MANIFEST, config

PACKAGE = "source_particle.components."


def class_names(node: Any) -> Iterator[str]:
    """Every class that the manifest names."""
    if isinstance(node, dict) and "class_name" in node:
        yield node["class_name"]
    for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from class_names(child)


def test_the_manifest_names_every_component_and_no_other_class() -> None:
    named = set(class_names(MANIFEST))
    assert named == {PACKAGE + name for name in components.__all__ if name != "sign_in"}


def test_all_that_is_exported_exists_and_is_sorted() -> None:
    assert components.__all__ == sorted(components.__all__)
    assert all(callable(getattr(components, name)) for name in components.__all__)


def test_every_component_tells_in_one_line_why_it_is_there() -> None:
    table = str(components.__doc__)
    assert all(f"\n{name}  " in table for name in components.__all__ if name != "sign_in")


# ---- RecordFields ----

SLICE = StreamSlice(
    partition={"device_id": "d1"}, cursor_slice={}, extra_fields={"product_id_or_slug": "p1", "found": True}
)


def transformed(record: dict[str, Any], stream_slice: StreamSlice | None = SLICE, **fields: Any) -> dict[str, Any]:
    RecordFields(config=config(), parameters={}, **fields).transform(record, config(), {}, stream_slice)
    return record


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ({"_id": "1"}, {"_id": "1", "iccid": "1"}),
        ({"iccid": "1"}, {"_id": "1", "iccid": "1"}),
        ({"iccid": None, "_id": "1"}, {"_id": "1", "iccid": "1"}),
        ({"iccid": "1", "_id": "2"}, {"_id": "2", "iccid": "1"}),
        ({}, {}),
    ],
    ids=str,
)
def test_an_alias_fills_only_what_is_missing(record: dict[str, Any], expected: dict[str, Any]) -> None:
    assert transformed(record, aliases={"iccid": "_id", "_id": "iccid"}) == expected


@pytest.mark.parametrize(
    ("record", "device_id"), [({}, "d1"), ({"device_id": None}, "d1"), ({"device_id": "own"}, "own")], ids=str
)
def test_the_keys_of_the_parents_are_added_where_the_record_lacks_them(record: dict[str, Any], device_id: str) -> None:
    expected = {"device_id": device_id, "product_id_or_slug": "p1"}
    assert transformed(record, from_slice=["device_id", "product_id_or_slug"]) == expected


def test_a_parent_that_there_is_not_is_null() -> None:
    alone = StreamSlice(partition={"device_id": "d1"}, cursor_slice={}, extra_fields={"product_id_or_slug": None})
    assert transformed({}, alone, from_slice=["product_id_or_slug"]) == {"product_id_or_slug": None}


def test_without_a_slice_nothing_is_added() -> None:
    assert transformed({"id": "1"}, None, from_slice=["device_id"]) == {"id": "1"}


def test_what_must_not_leave_is_removed_whether_it_is_there_or_not() -> None:
    assert transformed({"id": "1", "secret": "x"}, removed=["secret", "client_secret"]) == {"id": "1"}
