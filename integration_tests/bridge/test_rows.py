"""Every record of a fleet becomes a row that contains all of it."""

import json
from typing import Any

import pytest

from bridge.rows.batches import clean_records, record_batches
from bridge.tables.catalog import Table
from integration_tests.device_cloud import DeviceCloud, FleetSize
from unit_tests.support.kinds import table_parameters
from unit_tests.support.restoring import alike, restored


def rows_of(part: Table, records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [row for batch in record_batches(records, part) for row in batch.to_pylist(maps_as_pydicts="strict")]


pytestmark = pytest.mark.fleet(FleetSize(products=2, devices=8))


@pytest.mark.parametrize("part", table_parameters())
def test_every_record_of_a_fleet_is_kept_whole(part: Table, cloud: DeviceCloud) -> None:
    known = cloud.ledger.records(part.name, dict.fromkeys(part.required_options, "*"))
    assert known
    for record, row in zip(known, rows_of(part, known), strict=True):
        assert alike(record, restored(row))


@pytest.mark.parametrize("part", table_parameters())
def test_records_together_are_the_rows_that_they_are_alone(part: Table, cloud: DeviceCloud) -> None:
    records = cloud.ledger.records(part.name, dict.fromkeys(part.required_options, "*"))
    misfits: list[Any] = [{"err": -210}, 1.5, []]
    strange = [{**records[0], name: value, "new": 1} for name in part.columns for value in misfits]
    for sent in (records, [*records, *strange]):
        together = [row for batch in record_batches(sent, part) for row in batch.to_pylist()]
        alone = [row for record in sent for batch in record_batches([record], part) for row in batch.to_pylist()]
        assert list(map(_comparable, together)) == list(map(_comparable, alone))


def _comparable(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, "_rescued_data": json.loads(row["_rescued_data"] or "{}")}


@pytest.mark.parametrize("part", table_parameters())
def test_clean_records_are_what_batches_hold(part: Table, cloud: DeviceCloud) -> None:
    known = cloud.ledger.records(part.name, dict.fromkeys(part.required_options, "*"))
    assert list(clean_records(known, part)) == rows_of(part, known)
