"""However a read is split, paged, ordered and parallelized, it returns the same rows."""

import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import bridge
from bridge.reading.times import iso_ms, moment_of
from bridge.tables.catalog import Table, table, tables
from integration_tests.device_cloud import DeviceCloud, Fleet, FleetSize, Switches
from source_particle import prefetch
from source_particle.settings import Settings
from unit_tests.support.kinds import table_parameters
from unit_tests.support.strategies import examples

Rows = Counter[str]
FANNED_OUT = table_parameters(part for part in tables().values() if part.fans_out)


@pytest.fixture(scope="module")
def fleet() -> Iterator[DeviceCloud]:
    """Two products with a few pages of a few devices and SIMs each."""
    size = FleetSize(products=2, devices=7, sims=5, user_devices=3, user_sims=2, days=1, samples=False)
    with DeviceCloud(Fleet.seeded(size)) as cloud:
        yield cloud


def _read(
    cloud: DeviceCloud, name: str, options: Mapping[str, str], start: Any = None, end: Any = None
) -> tuple[Rows, int]:
    """Read a table as Lakeflow does, task by task; give the rows as texts, and the number of tasks."""
    connection = {"access_token": cloud.token, "base_url": cloud.url, "retry_wait_factor": "0"}
    connector = bridge.ParticleLakeflowConnect({**connection, **options})
    tasks = connector.get_partitions(name, {}, start, end)
    # A worker may take them in any order.
    rows = [row for task in reversed(tasks) for row in connector.read_partition(name, task, {})]
    return Counter(json.dumps(row, sort_keys=True) for row in rows), len(tasks)


def _truth(cloud: DeviceCloud, name: str, **options: str) -> int:
    return len(cloud.ledger.records(name, {**dict.fromkeys(table(name).required_options, "*"), **options}))


@st.composite
def _ways(draw: st.DrawFn, name: str) -> tuple[dict[str, str], Switches]:
    """Return options and server behaviours that must not matter."""
    own = {option.name for option in table(name).options}
    options = {
        "numPartitions": str(draw(st.integers(1, 4))),
        "num_workers": str(draw(st.sampled_from([2, 3, 8, 32]))),
        "requests_per_5_minutes": str(draw(st.integers(5_000, 10_000))),
    }
    if "per_page" in own:
        options["per_page"] = str(draw(st.integers(1, 100)))
    if "sort_attr" in own:
        options["sort_attr"] = draw(st.sampled_from(["deviceName", "lastConnection"]))
    switches = Switches(
        per_page_cap=draw(st.integers(2, 100)),
        total_pages=draw(st.booleans()),
        page_past_end=draw(st.sampled_from(["empty", 404])),
    )
    return options, switches


@pytest.mark.parametrize("part", FANNED_OUT)
@settings(max_examples=examples(6), suppress_health_check=[*HealthCheck])
@given(data=st.data())
def test_the_way_of_reading_does_not_change_the_rows(part: Table, data: st.DataObject, fleet: DeviceCloud) -> None:
    whole = dict.fromkeys(part.required_options, "*")
    options, switches = data.draw(_ways(part.name))
    fleet.reset()
    fleet.switches = Switches()
    expected, _ = _read(fleet, part.name, {**whole, "numPartitions": "1"})
    fleet.switches = switches
    with pytest.MonkeyPatch.context() as patched:
        # As behind a fast network, and behind a slow one.
        patched.setattr(prefetch, "SLOW", data.draw(st.sampled_from([math.inf, -math.inf])))
        found, tasks = _read(fleet, part.name, {**whole, **options})
    assert found == expected
    assert sum(found.values()) == _truth(fleet, part.name)
    assert tasks == int(options["numPartitions"])


@settings(max_examples=examples(4), suppress_health_check=[*HealthCheck])
@given(data=st.data())
def test_where_windows_are_cut_does_not_change_the_rows(data: st.DataObject, fleet: DeviceCloud) -> None:
    fleet.reset()
    fleet.switches = Switches()
    eager = {"device_id": "*", "settle_seconds": "0", "min_window_seconds": "1", "numPartitions": "2"}
    times = sorted(moment_of(row["updated_at"]) for row in fleet.ledger.records("diagnostics", {"device_id": "*"}))
    # At the very moment of a report, and anywhere else.
    offsets = st.integers(-2, 2) | st.integers(-10_000, 10_000)
    cuts = data.draw(st.lists(st.tuples(st.sampled_from(times), offsets), min_size=1, max_size=4))
    ends = sorted({iso_ms(moment + timedelta(milliseconds=offset)) for moment, offset in cuts})
    bounds = [None, *({"until": end} for end in [*ends, iso_ms(times[-1] + timedelta(seconds=20))])]
    found: Rows = Counter()
    for start, end in pairwise(bounds):
        found += _read(fleet, "diagnostics", eager, start, end)[0]
    whole, _ = _read(fleet, "diagnostics", {"device_id": "*", "numPartitions": "1"})
    assert found == whole
    assert sum(whole.values()) == len(times)


def test_a_row_that_is_lost_or_duplicated_by_a_split_would_be_seen(
    fleet: DeviceCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    fleet.reset()
    fleet.switches = Switches()
    whole, _ = _read(fleet, "product_devices", {"product_id_or_slug": "*", "numPartitions": "1"})
    for parts in (
        lambda _router, _slice: True,
        lambda router, _slice: Settings.of(router.config).plan.part == 0 and "x" in str(_slice),
    ):
        monkeypatch.setattr("source_particle.router.ParticleRouter._is_in_part", parts)
        found, _ = _read(fleet, "product_devices", {"product_id_or_slug": "*", "numPartitions": "2"})
        assert found != whole
