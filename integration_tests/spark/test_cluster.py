"""More than one machine: a cluster of two workers divides a read, keeps the limit, and survives the loss of one."""

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from bridge.tables.catalog import table
from integration_tests.device_cloud import DeviceCloud, Fault, Fleet, FleetSize, Switches
from integration_tests.spark.cluster import Cluster, standalone_cluster
from integration_tests.spark.sessions import options_for, truth_of
from unit_tests.support.paths import ROOT

# A minute each.
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("cluster")]

DIAGNOSTICS = table("diagnostics")
SIZE = FleetSize(products=0, user_devices=60, days=1, samples=False)
LIMIT, WINDOW = 40, 3.0


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel as Spark ships it to the machines of a cluster: it takes only what is called zip."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(build, cwd=folder, check=True, capture_output=True)
    [built] = folder.glob("*.whl")
    return built.rename(folder / "source_particle.zip")


@pytest.fixture(scope="module")
def _running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with standalone_cluster(tmp_path_factory.mktemp("cluster")) as cluster:
        yield cluster


@pytest.fixture
def cluster(_running: Cluster) -> Cluster:
    """A master with two workers."""
    _running.start_workers(2)
    return _running


class Job:
    """A read on a cluster, by a driver that has nothing to do with this process."""

    def __init__(self, master: str, package: Path, folder: Path, options: dict[str, str]) -> None:
        self.to = folder / "rows.json"
        facts = {"master": master, "package": str(package), "options": options, "to": str(self.to)}
        # Spark hands the driver's PYTHONPATH on to the executors, which shall have what is shipped to them.
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        self.done = subprocess.run(
            [sys.executable, f"{ROOT}/integration_tests/spark/cluster_job.py", json.dumps(facts)],
            cwd=folder,
            env={**environment, "PYSPARK_PYTHON": sys.executable, "SPARK_LOCAL_IP": "127.0.0.1"},
            capture_output=True,
            text=True,
            check=False,
        )

    def rows(self) -> list[dict[str, Any]]:
        """What was read."""
        assert self.done.returncode == 0, self.done.stderr[-5000:]
        rows: list[dict[str, Any]] = json.loads(self.to.read_text())
        return rows


def keys(rows: list[dict[str, Any]]) -> Counter[tuple[str, str]]:
    return Counter((row["device_id"], row["updated_at"]) for row in rows)


def test_a_read_is_shared_out_and_keeps_the_limit(cluster: Cluster, package: Path, tmp_path: Path) -> None:
    """The server enforces a limit that the read meets twice over."""
    with DeviceCloud(Fleet.seeded(SIZE), Switches(rate_limit=(LIMIT, WINDOW))) as cloud:
        limit = {"requests_per_5_minutes": str(LIMIT), "budget_seconds": str(WINDOW)}
        rows = Job(
            cluster.address, package, tmp_path, options_for(cloud, DIAGNOSTICS, numPartitions="2", **limit)
        ).rows()
        assert keys(rows) == keys(truth_of(cloud, DIAGNOSTICS))
        assert cloud.ledger.rejected() == 0
    places = {tuple(json.loads(row["place"])) for row in rows}
    assert {Path(folder).parents[1] for folder, _ in places} == {worker.folder for worker in cluster.workers}
    # Not from this checkout, which the environment of the executors knows as well.
    assert [found for _, found in places if package.name not in found] == []


def test_a_worker_that_is_killed_in_the_middle_costs_a_retry_and_no_row(
    cluster: Cluster, package: Path, tmp_path: Path
) -> None:
    killed, left = cluster.workers
    numbers = count(1)

    # Slowly, so that neither worker is done before the other has begun.
    with DeviceCloud(Fleet.seeded(SIZE), Switches(latency=0.3)) as cloud:

        def kill_in_the_middle() -> None:
            if cloud.ledger.count("GET /v1/devices") == 2 and next(numbers) == 5:
                killed.kill()

        cloud.faults.add(Fault("GET /v1/diagnostics/:id", times=None, run=kill_in_the_middle))
        options = options_for(cloud, DIAGNOSTICS, numPartitions="2", num_workers="2")
        rows = Job(cluster.address, package, tmp_path, options).rows()
        assert keys(rows) == keys(truth_of(cloud, DIAGNOSTICS))
        assert len(cloud.ledger.requests("GET /v1/diagnostics/:id")) > SIZE.user_devices
    assert {Path(json.loads(row["place"])[0]).parents[1] for row in rows} == {left.folder}


def test_a_wrong_password_is_tried_once_in_the_whole_job(cluster: Cluster, package: Path, tmp_path: Path) -> None:
    with DeviceCloud(Fleet.seeded(SIZE)) as cloud:
        options = options_for(cloud, DIAGNOSTICS, username=cloud.username, password="mistyped-password")
        job = Job(cluster.address, package, tmp_path, options)
        assert job.done.returncode != 0
        assert "user name or password was refused" in job.done.stderr
        assert "mistyped-password" not in job.done.stdout + job.done.stderr
        assert len(cloud.ledger.requests("POST /oauth/token")) == 1
