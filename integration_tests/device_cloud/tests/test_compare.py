"""Compares a read with the ledger: lost, duplicated and altered records are found, even while data changes."""

from __future__ import annotations

import copy
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from integration_tests.device_cloud import DeviceCloud, Fault, FleetSize, Switches
from integration_tests.device_cloud.ledger import same
from integration_tests.device_cloud.tests.client import FIRST, PAGES, Records, emitted, pages, read_product_devices
from integration_tests.device_cloud.truth import KEYS
from unit_tests.support.kinds import one_of_each_kind

pytestmark = pytest.mark.fleet(FleetSize(products=3), seed=3)


# a bad reading


def lost(records: Records) -> None:
    del records[0]


def doubled(records: Records) -> None:
    records.append(records[0])


def renamed(records: Records) -> None:
    for name in ("id", "iccid", "username", "device_id", "product_id_or_slug", "owner"):
        if name in records[0]:
            records[0][name] = "of nobody"


def altered(records: Records) -> None:
    records[0]["unexpected_key"] = None


# Tables like another one with other columns.
SLOW = dict.fromkeys(KEYS.keys() - {part.name for part in one_of_each_kind()}, pytest.mark.slow)

VIOLATIONS: list[tuple[Callable[[Records], None], str, tuple[int, int, int, int]]] = [
    (lost, "1 missing", (1, 0, 0, 0)),
    (doubled, "1 doubled", (0, 1, 0, 0)),
    (renamed, "1 unexpected", (1, 0, 1, 0)),
    (altered, "1 different", (0, 0, 0, 1)),
]


@pytest.mark.parametrize("violation", VIOLATIONS, ids=lambda violation: violation[1])
@pytest.mark.parametrize("marked", [False, True])
@pytest.mark.parametrize("table", [pytest.param(name, marks=SLOW.get(name, ())) for name in KEYS])
def test_a_bad_reading_is_told_by_kind_and_key(
    cloud: DeviceCloud,
    table: str,
    marked: bool,
    violation: tuple[Callable[[Records], None], str, tuple[int, int, int, int]],
) -> None:
    violate, told, counts = violation
    # A month of hours is many records, which are all alike.
    options = {"bucket_size": "86400"} if table.startswith("metrics_") else {}
    mark = cloud.ledger.mark() if marked else None
    records = cloud.ledger.records(table, options)
    assert not cloud.ledger.compare(table, options, records, since=mark)
    key = str(records[0][KEYS[table][0]])
    violate(records)
    found = cloud.ledger.compare(table, options, records, since=mark)
    assert found
    assert told in str(found)
    assert key in str(found)
    assert (len(found.missing), len(found.doubled), len(found.unexpected), len(found.different)) == counts


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        (1, 1.0, True),
        (1, True, False),
        (0, False, False),
        (None, False, False),
        ("1", 1, False),
        ({"a": [1, {"b": None}]}, {"a": [1.0, {"b": None}]}, True),
        ({"a": None}, {}, False),
        ([1, 2], [2, 1], False),
        ([], {}, False),
        ({"a": {"b": True}}, {"a": {"b": 1}}, False),
    ],
)
def test_values_are_compared_as_json(one: Any, other: Any, equal: bool) -> None:
    assert same(one, other) is equal
    assert same(other, one) is equal


def test_a_long_difference_is_cut(cloud: DeviceCloud) -> None:
    text = str(cloud.ledger.compare("product_devices", {}, []))
    assert "missing" in text
    assert text.endswith(", …")
    assert len(text) < 500
    assert str(cloud.ledger.compare("user", {}, cloud.ledger.records("user"))) == "user: no difference"


# data that move


def test_a_careful_reader_is_perfect_while_devices_connect(cloud: DeviceCloud) -> None:
    cloud.switches = Switches(reorder=True)
    mark = cloud.ledger.mark()
    records = read_product_devices(cloud)
    difference = cloud.ledger.compare("product_devices", {}, records, since=mark)
    assert not difference, str(difference)


def test_a_reader_of_the_default_order_loses_and_duplicates_devices(cloud: DeviceCloud) -> None:
    cloud.switches = Switches(reorder=True)
    mark = cloud.ledger.mark()
    records = [
        emitted(record, product_id_or_slug="20001")
        for record in pages(cloud, f"{FIRST}/devices", "devices", sortAttr="lastConnection", sortDir="desc")
    ]
    found = cloud.ledger.compare("product_devices", {"product_id_or_slug": "20001"}, records, since=mark)
    assert found.missing
    assert found.doubled
    assert not found.different


def test_what_comes_and_goes_may_be_there_or_not(cloud: DeviceCloud) -> None:
    options = {"product_id_or_slug": "20001"}
    before = cloud.ledger.records("product_devices", options)
    mark = cloud.ledger.mark()
    passing = cloud.fleet.add_device(20_001)
    during = cloud.ledger.records("product_devices", options)
    cloud.fleet.remove_device(passing, 20_001)
    gone = before[0]["id"]
    cloud.fleet.remove_device(gone, 20_001)
    cloud.fleet.add_device(20_001)
    after = cloud.ledger.records("product_devices", options)
    for reading in (before, during, after):
        assert not cloud.ledger.compare("product_devices", options, reading, since=mark)
    assert cloud.ledger.compare("product_devices", options, before).unexpected
    assert cloud.ledger.compare("product_devices", options, after[1:], since=mark).missing


def test_what_was_taken_out_and_put_back_may_be_missed(cloud: DeviceCloud) -> None:
    options = {"product_id_or_slug": "20001"}
    device, record = next(iter(cloud.fleet.rows("devices", 20_001).items()))
    mark = cloud.ledger.mark()
    cloud.fleet.remove_device(device, 20_001)
    without = cloud.ledger.records("product_devices", options)
    cloud.fleet.add_device(20_001, record)
    assert not cloud.ledger.compare("product_devices", options, without, since=mark)


def test_every_value_of_the_time_between_is_accepted_and_no_other(cloud: DeviceCloud) -> None:
    options = {"product_id_or_slug": "20001"}
    device = list(cloud.fleet.rows("devices", 20_001))[3]
    readings = [cloud.ledger.records("product_devices", options)]
    mark = cloud.ledger.mark()
    for minutes in (3, 2, 1):
        cloud.fleet.touch(device, 20_001, datetime.now(timezone.utc) - timedelta(minutes=minutes))
        readings.append(cloud.ledger.records("product_devices", options))
    for reading in readings:
        assert not cloud.ledger.compare("product_devices", options, reading, since=mark)
    mixed = copy.deepcopy(readings[-1])
    changed = next(record for record in mixed if record["id"] == device)
    earlier = next(record for record in readings[1] if record["id"] == device)
    changed["last_heard"] = earlier["last_heard"]
    found = cloud.ledger.compare("product_devices", options, mixed, since=mark)
    assert "last_heard" in next(iter(found.different.values()))


def test_vitals_that_arrive_during_a_reading_may_be_there_or_not(cloud: DeviceCloud) -> None:
    options = {"product_id_or_slug": "*"}
    before = cloud.ledger.records("diagnostics", options)
    mark = cloud.ledger.mark()
    joined = cloud.fleet.add_device(20_001)
    cloud.fleet.add_vitals(joined)
    during = cloud.ledger.records("diagnostics", options)
    cloud.fleet.remove_device(joined, 20_001)
    assert len(during) == len(before) + 1
    for reading in (before, during):
        assert not cloud.ledger.compare("diagnostics", options, reading, since=mark)
    assert cloud.ledger.compare("diagnostics", options, before[1:], since=mark).missing


@pytest.mark.parametrize("named", [False, True])
def test_a_product_may_be_deleted_during_a_reading(cloud: DeviceCloud, named: bool) -> None:
    options = {"product_id_or_slug": "20001,20003"} if named else {}
    before = cloud.ledger.records("product_devices", options)
    mark = cloud.ledger.mark()
    cloud.fleet.delete_product(20_003)
    after = [record for record in before if record["product_id_or_slug"] != "20003"]
    for reading in (before, after, [*after, before[-1]] if named else before):
        assert not cloud.ledger.compare("product_devices", options, reading, since=mark)
    assert cloud.ledger.compare("product_devices", options, after[1:], since=mark).missing


def test_pages_that_move_under_a_reader_are_told(cloud: DeviceCloud) -> None:
    options = {"product_id_or_slug": "20001"}
    mark = cloud.ledger.mark()
    last = sorted(cloud.fleet.rows("devices", 20_001))[0]
    cloud.faults.add(Fault(PAGES, page=2, run=lambda: cloud.fleet.remove_device(last, 20_001)))
    records = [emitted(row, product_id_or_slug="20001") for row in pages(cloud, f"{FIRST}/devices", "devices")]
    found = cloud.ledger.compare("product_devices", options, records, since=mark)
    assert len(found.missing) == 1
    assert not found.doubled
