"""`particle-bridge sync` stopped by a signal, with a full disk or another sync, and resumed with `--resume`."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq  # type: ignore[import-untyped]
import pytest

from bridge.errors import TemporaryError
from bridge.export.folder import locked_folder
from bridge.export.formats.sink import LOCK
from bridge.export.sync import sync
from bridge.tables.catalog import tables
from integration_tests.command.lakes import InterruptingAt, interrupted_sync, target
from integration_tests.device_cloud import DeviceCloud, Fault
from unit_tests.support.paths import ROOT

# What the first sync reads in this order; a table is large enough for several requests.
NAMES = ["user", "products", "product_devices", "devices"]
DEVICES = "GET /v1/products/:p/devices"
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


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


ENDS = [(number, at) for number in SIGNALS for at in (1, 4)]
CHOSEN = {(signal.SIGKILL, 4), (signal.SIGTERM, 4)}


@pytest.mark.parametrize(
    ("number", "at"), [pytest.param(*end, marks=[] if end in CHOSEN else pytest.mark.slow) for end in ENDS], ids=str
)
def test_a_stopped_sync_leaves_complete_tables_and_a_rerun_finishes_it(
    number: signal.Signals, at: int, cloud: DeviceCloud, tmp_path: Path
) -> None:
    run, refusals = Run(cloud, tmp_path), []

    def end() -> None:
        with pytest.raises(TemporaryError) as refusal, locked_folder(tmp_path, [], "parquet", resume=True):
            pass
        refusals.append(str(refusal.value))
        run.process.send_signal(number)

    cloud.faults.add(Fault(DEVICES, at=at, delay=0.5, run=end))
    code, _, complaints = run.end()
    assert code == (-number if number == signal.SIGKILL else 128 + number)
    assert "Traceback" not in complaints
    assert refusals == [f"Another sync is writing to {tmp_path}. Wait until it has finished, or choose another folder."]
    assert _tables_in(tmp_path) == {name: _rows(cloud, name) for name in ("user", "products")}
    if number != signal.SIGKILL:
        assert {path.name for path in tmp_path.iterdir()} == {"user", "products", LOCK}

    cloud.reset()
    results = sync(tmp_path, _connection(cloud), NAMES, resume=True)
    assert [(result.table, result.is_kept, result.error) for result in results] == [
        ("user", True, None),
        ("products", True, None),
        ("product_devices", False, None),
        ("devices", False, None),
    ]
    assert cloud.ledger.count("GET /v1/user") == 0
    assert _tables_in(tmp_path) == {name: _rows(cloud, name) for name in NAMES}
    assert {path.name for path in tmp_path.iterdir()} == {*NAMES, LOCK}


def _kept(cloud: DeviceCloud, to: Path, **changes: Any) -> list[str]:
    """Go on with a sync of three small tables, and give the names of those that were not read again."""
    given = {"names": ["user", "products", "devices"], "connection": _connection(cloud), **changes}
    results = sync(to, given.pop("connection"), given.pop("names"), resume=True, **given)
    assert not any(result.error for result in results)
    return [result.table for result in results if result.is_kept]


def test_a_rerun_keeps_what_this_sync_has_finished_and_nothing_else(cloud: DeviceCloud, tmp_path: Path) -> None:
    # Nothing to go on with: everything is read. Nor is a sync that is complete.
    assert _kept(cloud, tmp_path) == []
    assert _kept(cloud, tmp_path) == []
    # Another account, or another number of requests at once: only the first may hold other rows.
    interrupted_sync(tmp_path, _connection(cloud), ["user", "products", "devices"])
    other = {**_connection(cloud), "access_token": cloud.issue_token()}
    with pytest.raises(KeyboardInterrupt):
        _kept(cloud, tmp_path, connection=other, names=["products", "devices"], observer=InterruptingAt("devices"))
    assert _kept(cloud, tmp_path, connection={**_connection(cloud), "num_workers": "2"}) == ["user"]
    # A new sync is interrupted: what an older one has left does not count as finished.
    interrupted_sync(tmp_path, _connection(cloud), ["user", "devices"])
    assert _kept(cloud, tmp_path) == ["user"]


@pytest.mark.parametrize("file_format", ["parquet", "delta", "duckdb"])
def test_vitals_that_were_finished_are_kept_by_a_rerun(file_format: str, cloud: DeviceCloud, tmp_path: Path) -> None:
    to = target(tmp_path, file_format)
    names = ["diagnostics", "products", "devices"]
    interrupted_sync(to, _connection(cloud), names, file_format=file_format)
    cloud.reset()
    assert _kept(cloud, to, names=names, file_format=file_format) == ["diagnostics", "products"]
    assert cloud.ledger.count("GET /v1/diagnostics/:id") == 0


def test_after_tables_failed_a_rerun_reads_only_those(cloud: DeviceCloud, tmp_path: Path) -> None:
    cloud.faults.add(Fault(DEVICES, at=1, times=None, status=500))
    results = sync(tmp_path, _connection(cloud), ["products", "product_devices", "user"])
    assert [bool(result.error) for result in results] == [False, True, False]
    cloud.reset()
    assert _kept(cloud, tmp_path, names=["products", "product_devices", "user"]) == ["products", "user"]


def test_a_full_disk_fails_the_table_that_met_it_and_leaves_nothing_of_it(cloud: DeviceCloud, tmp_path: Path) -> None:
    with _small_disk(tmp_path) as disk:
        results = sync(disk, _connection(cloud), ["user", "diagnostics", "products"])
        assert [result.error is None for result in results] == [True, False, True]
        assert "No space left on device" in str(results[1].error)
        assert {path.name for path in disk.iterdir()} == {"user", "products", LOCK}


@contextmanager
def _small_disk(folder: Path) -> Iterator[Path]:
    mounting = ["mount", "-t", "tmpfs", "-o", "size=48k", "tmpfs", str(folder)]
    if os.getuid() != 0 or subprocess.run(mounting, capture_output=True, check=False).returncode:
        pytest.skip("Only root may mount a small disk, and not everywhere.")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)
