"""Judges the outcome of a read; any other outcome than the allowed ones is a failure."""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from integration_tests.device_cloud.ledger import Mark, same
from integration_tests.device_cloud.truth import KEYS
from integration_tests.matrix.cells import AIRBYTE, Cell, Outcome
from integration_tests.matrix.readers import Reading, options_of
from integration_tests.matrix.trouble import UNHEARD_OF
from integration_tests.matrix.world import World
from unit_tests.support.restoring import alike

ADVICE = re.compile(r"\b(check|correct|configure|create|set|report|again)\b", re.IGNORECASE)
PLACE = re.compile(r"https?://[^ ]+: ")
LONGEST_ERROR = 1200


def outcome_of(world: World, cell: Cell, reading: Reading, before: Mark) -> Outcome:
    """Return how a read ended; raises AssertionError for an end that no read may have."""
    assert_hit(world, cell)
    for secret in world.secrets():
        assert secret not in reading.error + reading.said, "a message holds a secret"
    if world.elsewhere is not None:
        assert not any(entry.token_sent for entry in world.elsewhere.ledger.requests()), "another host got the token"
    if reading.error or not reading.is_success:
        assert_named(cell, reading)
        return Outcome.ERROR
    truth = {_key(cell, record): record for record in world.cloud.ledger.records(cell.table, options_of(world, cell))}
    difference = world.cloud.ledger.compare(
        cell.table,
        options_of(world, cell),
        _without_what_was_added(cell, reading.records),
        since=before,
        alike=same if cell.reader == AIRBYTE else alike,
    )
    if not difference:
        return Outcome.EQUAL
    skipped = world.skipped(cell.place)
    difference.missing = [key for key in difference.missing if not _belongs(truth.get(key, {}), skipped)]
    assert not difference, str(difference)
    assert reading.reported is None or f"{skipped} (" in reading.reported, f"{skipped} was skipped in silence"
    return Outcome.SKIPPED


def assert_hit(world: World, cell: Cell) -> None:
    """Make sure that the trouble came up at all: the place was asked for."""
    if cell.trouble.fault is None:
        return
    path, page = world.path(cell.place), cell.place.page
    asked = [entry for entry in world.cloud.ledger.requests() if entry.path == path]
    assert any(page in (None, int(entry.query.get("page", "1"))) for entry in asked), "nobody went there"


def assert_named(cell: Cell, reading: Reading) -> None:
    """Check that an error says where it happened and what to do, and that nothing counts as a success."""
    error = reading.error
    assert not reading.is_success, f"a success in spite of {error}"
    assert error, "no success, and no error that says why"
    assert PLACE.search(error) or f"{cell.table} of {{" in error, f"no place: {error}"
    assert ADVICE.search(error), f"no advice: {error}"
    assert len(error) < LONGEST_ERROR, error
    assert "Traceback" not in error, error


def _without_what_was_added(cell: Cell, records: Iterable[Mapping[str, Any]]) -> Iterable[Mapping[str, Any]]:
    """Take away the field that a trouble adds, whose value has to be exactly what was sent."""
    if cell.trouble.adds is None:
        return list(records)
    kept = [{name: value for name, value in record.items() if name != UNHEARD_OF} for record in records]
    added = [record[UNHEARD_OF] for record in records if UNHEARD_OF in record]
    assert added or cell.meets_tried_order or cell.place.name.startswith("list of"), "what was added is lost"
    assert all(value == json.loads(cell.trouble.kept or cell.trouble.adds) for value in added), (
        "what was added has changed"
    )
    return kept


def _key(cell: Cell, record: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(record.get(name) for name in KEYS[cell.table])


def _belongs(record: Mapping[str, Any], name: str) -> bool:
    return name in (record.get("product_id_or_slug"), record.get("device_id"), record.get("iccid"))
