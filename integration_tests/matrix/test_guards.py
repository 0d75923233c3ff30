"""The matrix itself: it covers what it claims, and finds a violation in a read or in the source."""

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any, Literal

import pytest
import requests

from integration_tests.device_cloud.ledger import Mark
from integration_tests.matrix import readers
from integration_tests.matrix.cells import (
    AIRBYTE,
    COVERED,
    READERS,
    SPARK,
    Cell,
    Outcome,
    batches,
    cells_of,
    every_cell,
)
from integration_tests.matrix.judgement import outcome_of
from integration_tests.matrix.places import kind_of, reads
from integration_tests.matrix.readers import Reading
from integration_tests.matrix.run import run
from integration_tests.matrix.tally import Tally, summary
from integration_tests.matrix.world import World, new_world
from source_particle import error_handler
from source_particle.budget import OneOriginSession
from source_particle.errors import MalformedBodyError
from source_particle.paging import Page
from source_particle.replies import BodyShape, remember_page


def cell_of(table: str, trouble: str, times: str = "always", place: str = "") -> Cell:
    """Return Airbyte's first cell of this name."""
    return next(
        cell
        for cell in every_cell(AIRBYTE)
        if (cell.table, cell.trouble.name, cell.times) == (table, trouble, times) and place in cell.place.name
    )


# ---- the plan ----


@pytest.mark.parametrize("reader", READERS)
def test_a_subset_covers_all_aspects_of_the_whole(reader: str) -> None:
    shown = {aspect for cell in cells_of(reader, whole=False) for aspect in COVERED[reader](cell)}
    assert shown == {aspect for cell in every_cell(reader) for aspect in COVERED[reader](cell)}


def test_a_subset_has_every_trouble_and_combines_each_kind_of_it_with_every_possible_kind_of_table() -> None:
    cells = cells_of(AIRBYTE, whole=False)
    assert {(cell.trouble.kind, kind_of(cell.table)) for cell in cells} == {
        (cell.trouble.kind, kind_of(cell.table)) for cell in every_cell(AIRBYTE)
    }
    assert {cell.trouble for cell in cells} == {cell.trouble for cell in every_cell(AIRBYTE)}
    assert {cell.table for cell in cells} == {cell.table for cell in every_cell(AIRBYTE)}


def test_cells_that_share_a_sync_do_not_read_what_is_changed_for_another() -> None:
    for batch in batches(every_cell(AIRBYTE)):
        for cell in batch:
            others = [other for other in batch if other is not cell]
            assert all(other.table != cell.table and cell.place.path not in reads(other.table) for other in others)
            assert all((other.trouble, other.times) == (cell.trouble, cell.times) for other in others)


# ---- violations in a reading ----


@pytest.fixture
def world() -> Iterator[World]:
    with new_world() as world:
        yield world


def judged(world: World, cell: Cell, change: Callable[[World, Reading], Reading]) -> Outcome:
    """How a real reading is judged after it was changed."""
    world.add_fault(cell.trouble.fault, 1 if cell.times == "once" else None, cell.place)
    before: Mark = world.cloud.ledger.mark()
    [reading] = readers.airbyte(world, [cell])
    return outcome_of(world, cell, change(world, reading), before)


def with_records(change: Callable[[list[Any]], object]) -> Callable[[World, Reading], Reading]:
    def changed(_world: World, reading: Reading) -> Reading:
        records = [dict(record) for record in reading.records]
        change(records)
        return dataclasses.replace(reading, records=records)

    return changed


def with_values(**values: Any) -> Callable[[World, Reading], Reading]:
    return lambda _world, reading: dataclasses.replace(reading, **values)


IN_RECORDS: dict[str, tuple[Callable[[list[Any]], object], str]] = {
    "one is missing": (lambda records: records.pop(), "1 missing"),
    "one is duplicated": (lambda records: records.append(records[0]), "1 doubled"),
    "one is nobody's": (lambda records: records.append({**records[0], "id": "nobody"}), "1 unexpected"),
    "one has another value": (lambda records: records[0].update(name="another"), "1 different"),
}


@pytest.mark.parametrize("what", IN_RECORDS)
def test_a_record_that_is_not_as_in_the_ledger_is_found(world: World, what: str) -> None:
    change, problem = IN_RECORDS[what]
    with pytest.raises(AssertionError, match=problem):
        judged(world, cell_of("devices", "503", "once"), with_records(change))


AN_ADDRESS = "https://api.particle.io/v1/devices"
IN_ERRORS: dict[str, tuple[dict[str, Any], str]] = {
    "a success in spite of an error": ({"is_success": True}, "a success in spite of"),
    "an error that says nothing": ({"error": ""}, "no error that says why"),
    "an error without a place": ({"error": "Something is wrong: check it."}, "no place"),
    "an error that names the table alone": ({"error": "table devices: check it."}, "no place"),
    "an error without advice": ({"error": f"{AN_ADDRESS}: something is wrong."}, "no advice"),
    "an error with a traceback": ({"error": f"{AN_ADDRESS}: check. Traceback (most recent call last)"}, "Traceback"),
    "an error without an end": ({"error": f"{AN_ADDRESS}: check " + "x" * 2000}, "xxx"),
}


@pytest.mark.parametrize("what", IN_ERRORS)
def test_an_error_that_does_not_help_is_found(world: World, what: str) -> None:
    values, problem = IN_ERRORS[what]
    with pytest.raises(AssertionError, match=problem):
        judged(world, cell_of("devices", "503"), with_values(**values))


def test_a_secret_in_a_message_is_found(world: World) -> None:
    with pytest.raises(AssertionError, match="a message holds a secret"):
        judged(
            world, cell_of("devices", "503"), lambda world, reading: with_values(said=world.cloud.token)(world, reading)
        )


def test_something_that_is_skipped_in_silence_is_found(world: World) -> None:
    with pytest.raises(AssertionError, match="was skipped in silence"):
        judged(world, cell_of("fleet_data_usage", "403", place="one of several"), with_values(reported=""))


def test_a_trouble_that_never_occurs_is_found(world: World) -> None:
    cell = cell_of("devices", "503", "once")
    elsewhere = dataclasses.replace(cell, place=dataclasses.replace(cell.place, path="/v1/user"))
    with pytest.raises(AssertionError, match="nobody went there"):
        judged(world, elsewhere, lambda _world, reading: reading)


@pytest.mark.parametrize("value", [1.2345678901234568e29, "123456789012345678901234567890"])
def test_a_value_that_is_rounded_on_the_way_is_found(world: World, value: object) -> None:
    cell = cell_of("devices", "an integer beyond 64 bits")
    with pytest.raises(AssertionError, match="what was added has changed"):
        judged(world, cell, with_records(lambda records: records[0].update(unheard_of=value)))


# ---- violations in the source ----


def test_a_source_that_takes_anything_for_no_records_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def trust(response: requests.Response, shape: BodyShape) -> None:
        try:
            remember_page(response, shape)
        except MalformedBodyError:
            vars(response)["_particle_page"] = Page([])

    monkeypatch.setattr(error_handler, "remember_page", trust)
    noted: list[object] = []

    with pytest.raises(AssertionError, match="devices, its only reply: HTML, always: devices: 3 missing"):
        run([cell_of("devices", "HTML")], readers.airbyte, Tally(lambda _name, value: noted.append(value)))

    assert noted == [[AIRBYTE, "failure"]]


def test_a_token_that_follows_to_another_host_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requests.Session, "should_strip_auth", lambda *_: False)
    monkeypatch.setattr(OneOriginSession, "get_redirect_target", requests.Session.get_redirect_target)

    with pytest.raises(AssertionError, match="another host got the token"):
        run([cell_of("devices", "redirected to another host")], readers.airbyte, Tally(lambda *_: None))


def test_a_login_too_many_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    cell = cell_of("devices", "a wrong password")
    twice = dataclasses.replace(cell, trouble=dataclasses.replace(cell.trouble, logins=0))

    with pytest.raises(AssertionError, match="1 logins in place of 0"):
        run([twice], readers.airbyte, Tally(lambda *_: None))


# ---- the sum ----


def test_the_sum_counts_every_cell_by_reader_and_end() -> None:
    def report(*notes: object, when: Literal["setup", "call"] = "call") -> pytest.TestReport:
        properties = [("matrix cell", note) for note in notes]
        return pytest.TestReport(
            "name",
            ("file", 1, "name"),
            {},
            "passed",
            None,
            when,
            user_properties=properties,
        )

    equal, failure = [AIRBYTE, Outcome.EQUAL.value], [SPARK, "failure"]
    lines = summary([report(equal, equal), report(failure), report(equal, when="setup"), object()])

    assert [line.split()[-5:] for line in lines[1:]] == [
        ["2", "2", "0", "0", "0"],
        ["1", "0", "0", "0", "1"],
        ["3", "2", "0", "0", "1"],
    ]
    assert summary([report()]) == []
