"""`particle-bridge sync` that is ended by a signal, meets a full disk or another sync, and goes on with `--resume`."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq  # type: ignore[import-untyped]
import pytest
from pyspark.sql import SparkSession

from bridge.errors import TemporaryError
from bridge.export.folder import LOCK, target
from bridge.export.sync import sync
from bridge.tables.catalog import tables
from integration_tests.device_cloud import DeviceCloud, Fault
from unit_tests.support.paths import ROOT

# What the first sync reads in this order; a table is large enough for several requests.
NAMES = ["user", "products", "product_devices", "devices"]
DEVICES = "GET /v1/products/:p/devices"
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)


class Run:
    """`particle-bridge sync` in a process of its own."""

    def __init__(self, cloud: DeviceCloud, to: Path, *arguments: str) -> None:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("PARTICLE_")}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "bridge.cli", "sync", "--to", str(to), "--option", "retry_wait_factor=0"]
            + [argument for name in NAMES for argument in ("--table", name)]
            + list(arguments),
            cwd=ROOT,
            env={
                **clean,
                "COLUMNS": "200",
                "SPARK_LOCAL_IP": "127.0.0.1",
                "PARTICLE_ACCESS_TOKEN": cloud.token,
                "PARTICLE_BASE_URL": cloud.url,
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def end(self) -> tuple[int, str, str]:
        """Wait for the end; give the exit code and what was printed."""
        printed, complaints = self.process.communicate()
        return self.process.returncode, printed, complaints


def _rows(cloud: DeviceCloud, name: str) -> int:
    return len(cloud.ledger.records(name, dict.fromkeys(tables()[name].required_options, "*")))


def _tables_in(folder: Path) -> dict[str, int]:
    """What a reader of the folder finds: tables and how many rows each has."""
    return {
        path.name: pq.read_table(path).num_rows for path in folder.iterdir() if not path.name.startswith((".", "_"))
    }


def _connection(cloud: DeviceCloud) -> dict[str, str]:
    return {"access_token": cloud.token, "base_url": cloud.url, "retry_wait_factor": "0"}


def _processes_of(session: int) -> list[str]:
    """The processes of a session that are still there."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            state, _, _, its_session = path.read_text().rpartition(") ")[2].split()[:4]
            if int(its_session) == session and state != "Z":
                found.append(path.parent.name)
    return found


ENDS = [(number, at) for number in SIGNALS for at in (1, 4)]
CHOSEN = {(signal.SIGKILL, 4), (signal.SIGTERM, 4)}


@pytest.mark.parametrize(
    ("number", "at"), [pytest.param(*end, marks=[] if end in CHOSEN else pytest.mark.slow) for end in ENDS], ids=str
)
def test_a_sync_that_is_ended_leaves_whole_tables_and_a_rerun_does_the_rest(
    number: signal.Signals, at: int, spark: SparkSession, cloud: DeviceCloud, tmp_path: Path
) -> None:
    run, refusals = Run(cloud, tmp_path), []

    def end() -> None:
        with pytest.raises(TemporaryError) as refusal, target(tmp_path, resume=True):
            pass
        refusals.append(str(refusal.value))
        run.process.send_signal(number)

    cloud.faults.add(Fault(DEVICES, at=at, delay=0.5, run=end))
    code, _, complaints = run.end()
    assert code == (-number if number == signal.SIGKILL else 128 + number)
    assert "Traceback" not in complaints
    assert refusals == [f"Another sync writes into {tmp_path}. Wait until it has ended, or choose another folder."]
    assert _tables_in(tmp_path) == {name: _rows(cloud, name) for name in ("user", "products")}
    if number != signal.SIGKILL:
        assert {path.name for path in tmp_path.iterdir()} == {"user", "products", LOCK}
    deadline = time.monotonic() + 60
    while _processes_of(run.process.pid) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert _processes_of(run.process.pid) == []

    cloud.reset()
    results = sync(tmp_path, _connection(cloud), NAMES, spark=spark, resume=True)
    assert [(result.table, result.is_kept, result.error) for result in results] == [
        ("user", True, None),
        ("products", True, None),
        ("product_devices", False, None),
        ("devices", False, None),
    ]
    assert cloud.ledger.count("GET /v1/user") == 0
    assert _tables_in(tmp_path) == {name: _rows(cloud, name) for name in NAMES}
    assert {path.name for path in tmp_path.iterdir()} == {*NAMES, LOCK}


def _kept(cloud: DeviceCloud, to: Path, spark: SparkSession, **changes: Any) -> list[str]:
    """Go on with a sync of three small tables, and give the names of those that were not read again."""
    given = {"names": ["user", "products", "devices"], "connection": _connection(cloud), **changes}
    results = sync(to, given.pop("connection"), given.pop("names"), spark=spark, resume=True, **given)
    assert not any(result.error for result in results)
    return [result.table for result in results if result.is_kept]


def test_a_rerun_keeps_what_this_sync_has_finished_and_nothing_else(
    spark: SparkSession, cloud: DeviceCloud, tmp_path: Path
) -> None:
    # Nothing to go on with: everything is read.
    assert _kept(cloud, tmp_path, spark) == []
    assert _kept(cloud, tmp_path, spark) == ["user", "products", "devices"]
    # Another account, or another number of requests at once: only the first may hold other rows.
    assert _kept(cloud, tmp_path, spark, connection={**_connection(cloud), "num_workers": "2"}) == [
        *("user", "products", "devices")
    ]
    other = {**_connection(cloud), "access_token": cloud.issue_token()}
    assert _kept(cloud, tmp_path, spark, connection=other, names=["products"]) == []
    # A new sync is interrupted: what an older one has left does not count as finished.
    with pytest.raises(KeyboardInterrupt):
        sync(tmp_path, _connection(cloud), ["user", "devices"], spark=spark, on_start=_interrupt_at("devices"))
    assert _kept(cloud, tmp_path, spark) == ["user"]


def _interrupt_at(name: str) -> Callable[[str], None]:
    def on_start(table: str) -> None:
        if table == name:
            raise KeyboardInterrupt

    return on_start


def test_a_full_disk_fails_the_table_that_met_it_and_leaves_nothing_of_it(
    spark: SparkSession, cloud: DeviceCloud, tmp_path: Path
) -> None:
    with _small_disk(tmp_path) as disk:
        results = sync(disk, _connection(cloud), ["user", "diagnostics", "products"], spark=spark)
        assert [result.error is None for result in results] == [True, False, True]
        assert "No space left on device" in str(results[1].error)
        assert {path.name for path in disk.iterdir()} == {"user", "products", LOCK}


@contextmanager
def _small_disk(folder: Path) -> Iterator[Path]:
    mounting = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    if os.getuid() != 0 or subprocess.run(mounting, capture_output=True, check=False).returncode:
        pytest.skip("Only root may mount a small disk, and not everywhere.")
    try:
        yield folder
    finally:
        # Lazily, because Spark may not have closed yet what it could not write.
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
