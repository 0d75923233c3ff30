"""A sync that is stopped by a signal at any point resumes from the state that it emitted, without loss."""

import json
import logging
import signal
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from airbyte_cdk.models import (
    AirbyteStateMessageSerializer,
    ConfiguredAirbyteCatalog,
    ConfiguredAirbyteCatalogSerializer,
)

from bridge.tables.catalog import Table, tables
from integration_tests.airbyte.syncs import Sync, sync, with_token
from integration_tests.device_cloud import DeviceCloud, Fault, Fleet, FleetSize
from source_particle.source import SourceParticle
from unit_tests.support.catalogs import catalog_of
from unit_tests.support.kinds import one_of_each_kind
from unit_tests.support.paths import ROOT

TABLES = tuple(one_of_each_kind())
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
PRODUCTS = "GET /v1/products"
VITALS = "GET /v1/diagnostics/:id"
PRODUCT_VITALS = "GET /v1/products/:p/diagnostics/:id"
USAGE = "GET /v1/sims/:iccid/data_usage"
DEVICES = "GET /v1/products/:p/devices"

Rows = dict[str, list[dict[str, Any]]]


# A shell lets its background jobs ignore SIGINT, and what they start inherits that.
INTERRUPTIBLE = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
from source_particle.run import run
run()
"""


class Run:
    """`source-particle read` of one table of each kind, in a process of its own; what it prints is read as it comes."""

    def __init__(self, cloud: DeviceCloud, folder: Path) -> None:
        catalog = ConfiguredAirbyteCatalogSerializer.dump(_catalog())
        files = {"config": with_token(cloud, num_workers=2), "catalog": catalog}
        for name, content in files.items():
            (folder / f"{name}.json").write_text(json.dumps(content))
        self.rows: Rows = defaultdict(list)
        self.states: dict[str, Any] = {}
        self.count = 0
        self.process = subprocess.Popen(
            [sys.executable, "-c", INTERRUPTIBLE, "read"]
            + [argument for name in files for argument in (f"--{name}", str(folder / f"{name}.json"))],
            cwd=folder,
            env={"PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def end(self, after: int | None = None, number: int = 0) -> int:
        """Read to the end and return the exit code; with `after`, send a signal after so many records."""
        assert self.process.stdout
        for line in self.process.stdout:
            # The last line of a process that was killed may be half a line.
            if line.endswith("\n"):
                self._take(json.loads(line))
            if self.count == after:
                # Once: a second signal would interrupt the end of the process.
                after = None
                self.process.send_signal(number)
        self.process.stdout.close()
        return self.process.wait()

    def _take(self, message: Mapping[str, Any]) -> None:
        if record := message.get("record"):
            self.rows[record["stream"]].append(record["data"])
            self.count += 1
        elif state := message.get("state"):
            self.states[state["stream"]["stream_descriptor"]["name"]] = message["state"]


@pytest.fixture(scope="module")
def fleet() -> Iterator[DeviceCloud]:
    """A fleet of which every table has some rows, and not many."""
    size = FleetSize(products=2, devices=5, sims=4, user_devices=6, user_sims=4, samples=False)
    with DeviceCloud(Fleet.seeded(size)) as cloud:
        yield cloud


@dataclass(frozen=True)
class Point:
    """Where a sync is when the signal arrives: after so many records, or waiting for the n-th answer of a route."""

    count: int
    route: str | None = None

    def __str__(self) -> str:
        return f"{self.count} of {self.route or 'records'}"


RECORDS = [Point(1), Point(20)]
ANSWERS = [
    Point(1, PRODUCTS),
    Point(2, DEVICES),
    Point(1, VITALS),
    Point(4, VITALS),
    Point(7, PRODUCT_VITALS),
    Point(2, USAGE),
]
EVERYWHERE = [(number, point) for number in SIGNALS for point in (*RECORDS, *ANSWERS)]
CHOSEN = {(signal.SIGKILL, Point(4, VITALS)), (signal.SIGTERM, Point(2, DEVICES)), (signal.SIGINT, Point(20))}


@pytest.mark.parametrize(
    ("number", "point"),
    [pytest.param(*where, marks=[] if where in CHOSEN else pytest.mark.slow) for where in EVERYWHERE],
    ids=str,
)
def test_the_state_of_a_stopped_sync_resumes_without_loss(
    number: signal.Signals, point: Point, fleet: DeviceCloud, tmp_path: Path
) -> None:
    run = _interrupted(fleet, tmp_path, number, point)
    resumed = _resumed(fleet, run.states)
    for part in TABLES:
        known = {_key(part, record): record for record in fleet.ledger.records(part.name)}
        found = {_key(part, record): record for record in (*run.rows[part.name], *resumed[part.name])}
        assert known
        assert found == {key: _without_top_level_nulls(record) for key, record in known.items()}, part.name


def test_a_state_that_runs_ahead_of_its_records_would_be_seen(fleet: DeviceCloud, tmp_path: Path) -> None:
    """The guard of the test above: with the state of a whole sync, the records of a part of one are not enough."""
    part = tables()["diagnostics"]
    ahead = sync(with_token(fleet), part.name, incremental=True).state
    resumed = sync(with_token(fleet), part.name, state=ahead).records[part.name]
    assert len({_key(part, record) for record in resumed}) < len(fleet.ledger.records(part.name))


def _interrupted(cloud: DeviceCloud, folder: Path, number: signal.Signals, point: Point) -> Run:
    cloud.reset()
    run = Run(cloud, folder)
    if point.route is None:
        code = run.end(point.count, number)
    else:
        stop = Fault(point.route, at=point.count, delay=0.2, run=lambda: run.process.send_signal(number))
        cloud.faults.add(stop)
        code = run.end()
    cloud.reset()
    # During a read, Ctrl-C ends the command by an exit code of its own.
    assert code in ({128 + number, -number} if number == signal.SIGINT else {-number})
    return run


def _resumed(cloud: DeviceCloud, states: Mapping[str, Any]) -> Rows:
    """Read the tables again, with the state that had been emitted, as a platform does."""
    config, catalog = with_token(cloud), _catalog()
    state = [AirbyteStateMessageSerializer.load(part) for part in states.values()]
    source = SourceParticle(config=config, catalog=catalog, state=state)
    result = Sync()
    for message in source.read(logging.getLogger("airbyte"), config, catalog, state):
        result.add(message)
    assert not result.errors
    return {name: [_without_top_level_nulls(record) for record in records] for name, records in result.records.items()}


def _catalog() -> ConfiguredAirbyteCatalog:
    """One table of each kind, those with a cursor in increments."""
    streams = [
        stream for part in TABLES for stream in catalog_of(part.name, incremental=bool(part.cursor_field)).streams
    ]
    return ConfiguredAirbyteCatalog(streams=streams)


def _key(part: Table, record: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(record[name] for name in part.primary_key)


def _without_top_level_nulls(record: Mapping[str, Any]) -> dict[str, Any]:
    """The CDK leaves a record's top-level nulls out of the line it writes."""
    return {name: value for name, value in record.items() if value is not None}
