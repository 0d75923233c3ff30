"""Append tables keep their history: after three runs, a long pause and SIGKILL anywhere, every row is there once."""

import os
import signal
import subprocess
import sys
from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest

from bridge.errors import ConfigurationError
from bridge.export.places import FORMATS
from bridge.export.sync import TableResult, sync
from bridge.tables.catalog import table
from integration_tests.command.lakes import counted, keys_of, rows_of, target, truth_of
from integration_tests.device_cloud import DeviceCloud, Fault, FleetSize, Switches
from unit_tests.support.paths import ROOT

pytestmark = pytest.mark.fleet(FleetSize(products=1, devices=6, sims=1, days=3, user_devices=2, samples=False))

VITALS = ("GET /v1/products/:p/diagnostics/:id", "GET /v1/diagnostics/:id")
DAY = 86_400.0


def _run(cloud: DeviceCloud, to: Path, file_format: str, **options: bool) -> TableResult:
    connection = {"access_token": cloud.token, "base_url": cloud.url, "retry_wait_factor": "0"}
    [result] = sync(to, connection, ["diagnostics"], file_format=file_format, **options)  # type: ignore[arg-type]
    return result


def _pass(cloud: DeviceCloud, seconds: float) -> None:
    """Let time pass by the API's clock."""
    cloud.switches = Switches(clock_skew=cloud.switches.clock_skew + seconds)


def _report(cloud: DeviceCloud, days_ago: float = 0.01) -> None:
    """Let every device report."""
    for scope in cloud.fleet.scopes("devices"):
        for device in list(cloud.fleet.rows("devices", scope)):
            cloud.fleet.add_vitals(device, cloud.fleet.clock.now() - timedelta(days=days_ago))


def _truth(cloud: DeviceCloud, until: str | None) -> Counter[tuple[str, ...]]:
    return counted(table("diagnostics"), truth_of(cloud, "diagnostics", until))


@pytest.mark.parametrize("file_format", FORMATS)
def test_each_run_adds_what_is_new_once(file_format: str, cloud: DeviceCloud, tmp_path: Path) -> None:
    to, seen = target(tmp_path, file_format), Counter[tuple[str, ...]]()
    for number in range(3):
        result = _run(cloud, to, file_format)
        assert result.error is None
        before, seen = seen, seen | _truth(cloud, result.until)
        assert result.rows == (seen - before).total()
        assert (result.rows > 0) or number == 0
        assert keys_of(to, file_format, "diagnostics") == seen
        # What the API forgets in between stays.
        _pass(cloud, 14 * DAY)
        _report(cloud)
        _pass(cloud, DAY)
    assert len(seen - _truth(cloud, result.until)) > 0


@pytest.mark.parametrize("file_format", FORMATS)
def test_a_pause_that_is_too_long_is_an_error_that_names_the_gap(
    file_format: str, cloud: DeviceCloud, tmp_path: Path
) -> None:
    to = target(tmp_path, file_format)
    first = _run(cloud, to, file_format)
    kept = keys_of(to, file_format, "diagnostics")
    _pass(cloud, 31 * DAY)
    _report(cloud)
    _pass(cloud, 0.1 * DAY)
    gap = _run(cloud, to, file_format)
    assert f"was read up to {first.until}, but the API keeps nothing from before 20" in str(gap.error)
    assert "--allow-data-loss" in str(gap.error)
    assert keys_of(to, file_format, "diagnostics") == kept
    after = _run(cloud, to, file_format, allow_data_loss=True)
    assert after.error is None
    assert keys_of(to, file_format, "diagnostics") == kept + _truth(cloud, after.until)


def test_a_run_that_fails_adds_nothing_and_the_next_one_reads_its_window(cloud: DeviceCloud, tmp_path: Path) -> None:
    _run(cloud, tmp_path, "parquet")
    kept = keys_of(tmp_path, "parquet", "diagnostics")
    _pass(cloud, DAY)
    _report(cloud, days_ago=0.5)
    cloud.faults.add(*(Fault(route, at=2, times=None, status=503) for route in VITALS))
    assert _run(cloud, tmp_path, "parquet").error
    assert keys_of(tmp_path, "parquet", "diagnostics") == kept
    cloud.reset()
    after = _run(cloud, tmp_path, "parquet")
    assert keys_of(tmp_path, "parquet", "diagnostics") == _truth(cloud, after.until)


def test_other_devices_are_not_mixed_in(cloud: DeviceCloud, tmp_path: Path) -> None:
    _run(cloud, tmp_path, "parquet")
    connection = {"access_token": cloud.token, "base_url": cloud.url}
    one = truth_of(cloud, "diagnostics")[0]["device_id"]
    with pytest.raises(ConfigurationError, match="earlier rows would be missing"):
        sync(tmp_path, connection, ["diagnostics"], {"diagnostics": {"device_id": one}})


def test_vitals_of_another_api_are_not_mixed_in(cloud: DeviceCloud, tmp_path: Path) -> None:
    _run(cloud, tmp_path, "parquet")
    with DeviceCloud() as other:
        connection = {"access_token": other.token, "base_url": other.url}
        with pytest.raises(ConfigurationError) as raised:
            sync(tmp_path, connection, ["diagnostics"])
    was, reads = f"was read from {cloud.url}", f"and this sync reads from {other.url}. Write to another place."
    assert str(raised.value) == f"{tmp_path / 'diagnostics'} {was}, {reads}"


def test_a_clock_that_was_ahead_is_an_error(cloud: DeviceCloud, tmp_path: Path) -> None:
    cloud.switches = Switches(clock_skew=DAY)
    _run(cloud, tmp_path, "parquet")
    cloud.switches = Switches()
    assert "ahead of the API's clock" in str(_run(cloud, tmp_path, "parquet").error)


FILES = {"parquet": "*.parquet", "delta": "*.parquet", "csv": "*.csv", "jsonl": "*.jsonl"}


def _two_windows(cloud: DeviceCloud, to: Path, file_format: str) -> Path:
    """Sync twice, with new vitals in between, and return the file of the first window."""
    _run(cloud, to, file_format)
    [first] = (to / "diagnostics").glob(FILES[file_format])
    _pass(cloud, DAY)
    _report(cloud, days_ago=0.5)
    _run(cloud, to, file_format)
    return first


@pytest.mark.parametrize("empty", [True, False])
@pytest.mark.parametrize("file_format", FILES)
def test_windows_whose_files_are_gone_or_emptied_are_not_taken_for_read(
    file_format: str, empty: bool, cloud: DeviceCloud, tmp_path: Path
) -> None:
    first = _two_windows(cloud, tmp_path, file_format)
    if empty:
        first.write_bytes(b"")
    else:
        first.unlink()
    result = _run(cloud, tmp_path, file_format, resume=True)
    assert f"has lost rows of earlier syncs: {first.name} is missing, or was changed" in str(result.error)
    if file_format != "delta" and not empty:
        _pass(cloud, DAY)
        _report(cloud, days_ago=0.5)
        kept = keys_of(tmp_path, file_format, "diagnostics")
        after = _run(cloud, tmp_path, file_format, allow_data_loss=True)
        assert keys_of(tmp_path, file_format, "diagnostics") > kept
        assert (after.error, _run(cloud, tmp_path, file_format).error) == (None, None), "said once"


@pytest.mark.parametrize("file_format", [name for name in FILES if name != "delta"])
def test_a_window_that_is_gone_behind_the_others_is_read_again(
    file_format: str, cloud: DeviceCloud, tmp_path: Path
) -> None:
    first = _two_windows(cloud, tmp_path, file_format)
    [second] = {*(tmp_path / "diagnostics").glob(FILES[file_format])} - {first}
    second.unlink()
    result = _run(cloud, tmp_path, file_format, resume=True)
    assert result.error is None
    assert keys_of(tmp_path, file_format, "diagnostics") == _truth(cloud, result.until)


@pytest.mark.parametrize("file_format", [name for name in FILES if name != "delta"])
def test_a_history_of_which_nothing_is_left_is_not_begun_anew_without_a_word(
    file_format: str, cloud: DeviceCloud, tmp_path: Path
) -> None:
    _run(cloud, tmp_path, file_format)
    [only] = (tmp_path / "diagnostics").glob(FILES[file_format])
    only.unlink()
    _pass(cloud, DAY)
    assert f"has lost rows of earlier syncs: {only.name} is missing" in str(_run(cloud, tmp_path, file_format).error)
    result = _run(cloud, tmp_path, file_format, allow_data_loss=True)
    assert result.error is None
    assert keys_of(tmp_path, file_format, "diagnostics") == _truth(cloud, result.until)


# ---- history of snapshots ----


@pytest.mark.parametrize("file_format", FORMATS)
def test_history_keeps_the_snapshot_of_each_day(file_format: str, cloud: DeviceCloud, tmp_path: Path) -> None:
    to, name = target(tmp_path, file_format), "product_devices"
    connection = {"access_token": cloud.token, "base_url": cloud.url}
    expected: Counter[tuple[str, ...]] = Counter()
    product = cloud.fleet.product_ids[0]
    for day in range(2):
        for _again in range(2):
            cloud.fleet.add_device(product)
            [result] = sync(to, connection, [name], file_format=file_format, history=True)
            assert result.error is None
        today = str(cloud.fleet.clock.now().date())
        expected += Counter((today, *key) for key in counted(table(name), truth_of(cloud, name)))
        if file_format in ("parquet", "delta", "duckdb"):
            rows = rows_of(to, file_format, name)
            days = Counter((str(row["snapshot_date"]), row["product_id_or_slug"], row["id"]) for row in rows)
            assert days == expected
        assert len(rows_of(to, file_format, name)) == expected.total()
        if not day:
            _pass(cloud, DAY)
    # It is not replaced by the latest snapshot unasked.
    with pytest.raises(ConfigurationError, match=r"keeps the snapshot of each day.* Add --history, or"):
        sync(to, connection, [name], file_format=file_format)
    assert len(rows_of(to, file_format, name)) == expected.total()


@pytest.mark.parametrize("file_format", FORMATS)
def test_a_latest_snapshot_is_not_turned_into_a_history(file_format: str, cloud: DeviceCloud, tmp_path: Path) -> None:
    to, connection = target(tmp_path, file_format), {"access_token": cloud.token, "base_url": cloud.url}
    [before] = sync(to, connection, ["products"], file_format=file_format)
    with pytest.raises(ConfigurationError, match=r"keeps the latest snapshot; .* Write the history to another place"):
        sync(to, connection, ["products"], file_format=file_format, history=True)
    [after] = sync(to, connection, ["products"], file_format=file_format)
    assert (before.rows, after.rows, after.error) == (after.rows, len(rows_of(to, file_format, "products")), None)


# ---- SIGKILL ----

# Ends the process by SIGKILL at the n-th step that changes a disk: before it (even n) or right after it (odd n).
KILLED = """
import os, pathlib, shutil, signal, sys
left = [int(sys.argv[4])]
def counted(step):
    def run(*args, **options):
        left[0] -= 1
        if left[0] == -1:
            os.kill(os.getpid(), signal.SIGKILL)
        done = step(*args, **options)
        left[0] -= 1
        if left[0] == -1:
            os.kill(os.getpid(), signal.SIGKILL)
        return done
    return run
for owner, name in ((pathlib.Path, "rename"), (pathlib.Path, "replace"), (pathlib.Path, "mkdir"), (shutil, "rmtree")):
    setattr(owner, name, counted(getattr(owner, name)))
from bridge.export.formats import delta, duckdb
delta._commit = counted(delta._commit)
duckdb._run = counted(duckdb._run)
from bridge.export.sync import sync
connection = {"access_token": os.environ["PARTICLE_ACCESS_TOKEN"], "base_url": sys.argv[3]}
results = sync(pathlib.Path(sys.argv[1]), connection, ["diagnostics"], file_format=sys.argv[2])
sys.exit(1 if results[0].error else 0)
"""
STEPS = {"parquet": range(0, 26), "delta": range(0, 34), "duckdb": range(0, 16)}
CASES = [(file_format, step) for file_format, steps in STEPS.items() for step in steps]
# One kill for each kind of format; all of them are slow.
FEW = {("parquet", 4, True), ("parquet", 4, False), ("delta", 5, False), ("duckdb", 7, True)}


@pytest.mark.parametrize(
    ("file_format", "step", "first"),
    [
        pytest.param(*case, first, marks=[] if (*case, first) in FEW else pytest.mark.slow)
        for case in CASES
        for first in (True, False)
    ],
    ids=str,
)
def test_after_sigkill_anywhere_a_rerun_has_every_row_once(
    file_format: str, step: int, first: bool, cloud: DeviceCloud, tmp_path: Path
) -> None:
    to = target(tmp_path, file_format)
    if not first:
        assert _run(cloud, to, file_format).error is None
        _pass(cloud, DAY)
        _report(cloud)
    code = [sys.executable, "-c", KILLED, str(to), file_format, cloud.url, str(step)]
    variables = {**os.environ, "PARTICLE_ACCESS_TOKEN": cloud.token}
    killed = subprocess.run(code, cwd=ROOT, env=variables, capture_output=True, text=True, check=False)
    assert killed.returncode in (-signal.SIGKILL, 0), killed.stderr
    _pass(cloud, DAY)
    _report(cloud)
    after = _run(cloud, to, file_format)
    assert after.error is None
    assert keys_of(to, file_format, "diagnostics") == _truth(cloud, after.until)
