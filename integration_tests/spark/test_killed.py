"""A stream whose whole process is killed, at several points, and a fleet of which the API refuses two devices."""

import json
import os
import re
import signal
import subprocess
import sys
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq  # type: ignore[import-untyped]
import pytest

from bridge.reading.tasks import MARGIN
from bridge.reading.times import iso_ms, moment_of
from bridge.spark.versions import KNOWS_START
from bridge.tables.catalog import table
from integration_tests.device_cloud import DeviceCloud, Fault, Fleet, FleetSize
from integration_tests.spark.sessions import EAGER, options_for, truth_of
from unit_tests.support.paths import ROOT

DIAGNOSTICS = table("diagnostics")
VITALS = "GET /v1/diagnostics/:id"


class Run:
    """One run of the stream, in a process group of its own."""

    def __init__(self, cloud: DeviceCloud, folder: Path) -> None:
        options = {**options_for(cloud, DIAGNOSTICS, **EAGER), "numPartitions": "2"}
        arguments = {"table": "diagnostics", "options": options, "folder": str(folder)}
        paths = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
        environment = {"PYSPARK_PYTHON": sys.executable, "SPARK_LOCAL_IP": "127.0.0.1", "PYTHONPATH": paths}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "integration_tests.spark.stream_once", json.dumps(arguments)],
            env={**os.environ, **environment},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def kill(self) -> None:
        """Kill the driver and the JVM as a power cut would; Spark's workers end when these are gone."""
        os.killpg(self.process.pid, signal.SIGKILL)

    def end(self) -> str:
        """Wait for the end; give what was printed to standard error."""
        _, printed = self.process.communicate()
        return printed


def killed(cloud: DeviceCloud, folder: Path, *, at: int, **query: str) -> None:
    """Run the stream, and kill it when it asks for vitals, with such a query, the so-many-th time."""
    run = Run(cloud, folder)
    cloud.faults.add(Fault(VITALS, at=at, query=query, run=run.kill))
    run.end()
    assert run.process.returncode == -signal.SIGKILL
    cloud.faults.clear()


def offsets(folder: Path) -> list[datetime]:
    files = sorted((folder / "checkpoint" / "offsets").glob("[0-9]*"), key=lambda path: int(path.name))
    return [moment_of(json.loads(path.read_text().splitlines()[-1])["until"]) for path in files]


def keys_in(folder: Path) -> Counter[Any]:
    """Count the keys in the sink; only the files that its log names are part of it."""
    names = {
        json.loads(line)["path"].rsplit("/", 1)[-1]
        for log in (folder / "files" / "_spark_metadata").glob("[0-9]*")
        for line in log.read_text().splitlines()[1:]
    }
    keys: Counter[Any] = Counter()
    for name in names:
        rows = pq.read_table(folder / "files" / name, columns=list(DIAGNOSTICS.primary_key)).to_pylist()
        keys.update((row["device_id"], row["updated_at"]) for row in rows)
    return keys


@pytest.mark.slow
def test_a_killed_stream_loses_and_duplicates_nothing(tmp_path: Path) -> None:
    with DeviceCloud(Fleet.seeded(FleetSize(products=0, user_devices=8, samples=False))) as cloud:
        devices = list(cloud.fleet.rows("devices"))
        killed(cloud, tmp_path, at=len(devices) - 1)
        [first] = offsets(tmp_path)
        assert keys_in(tmp_path) == Counter()
        for device in devices:
            cloud.fleet.add_vitals(device)
        cloud.fleet.clock.skew += 2
        # The first batch is read once more: up to Spark 4.1 by a run that ends with it, else by the one that goes on.
        if not KNOWS_START:
            replay = Run(cloud, tmp_path)
            printed = replay.end()
            assert replay.process.returncode == 0, printed
        killed(cloud, tmp_path, at=4, start_date=iso_ms(first - MARGIN))
        assert offsets(tmp_path)[0] == first
        run = Run(cloud, tmp_path)
        printed = run.end()
        assert run.process.returncode == 0, printed
        truth = truth_of(cloud, DIAGNOSTICS, offsets(tmp_path)[-1])
        assert keys_in(tmp_path) == Counter((record["device_id"], record["updated_at"]) for record in truth)
        assert len(truth) > len(devices)


@pytest.mark.slow
def test_two_devices_of_a_large_fleet_that_the_api_refuses_are_named_and_all_others_arrive(tmp_path: Path) -> None:
    with DeviceCloud(Fleet.seeded(FleetSize(products=0, user_devices=2_000, days=1, samples=False))) as cloud:
        gone, hidden = list(cloud.fleet.rows("devices"))[500:502]
        for device, status in ((gone, 404), (hidden, 403)):
            cloud.faults.add(Fault(VITALS, path=f"/v1/diagnostics/{device}", times=None, status=status))
        run = Run(cloud, tmp_path)
        printed = run.end()
        assert run.process.returncode == 0, printed
        truth = truth_of(cloud, DIAGNOSTICS, offsets(tmp_path)[-1])
        wanted = [record for record in truth if record["device_id"] not in (gone, hidden)]
        assert keys_in(tmp_path) == Counter((record["device_id"], record["updated_at"]) for record in wanted)
        skipped = " ".join(re.findall(r"skipped \d that this token may not read [^:]+: (.*)", printed))
        assert f"{gone} (404)" in skipped
        assert f"{hidden} (403)" in skipped
