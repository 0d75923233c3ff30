"""The open-source pipeline, run twice as its README says, with new vitals in between."""

import json
import runpy
from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from pyarrow import dataset  # type: ignore[import-untyped]
from pyspark import pipelines
from pyspark.sql import SparkSession

import bridge
from bridge.reading.times import moment_of
from bridge.tables.catalog import Table, chosen_tables, table
from integration_tests.device_cloud import DeviceCloud, FleetSize
from integration_tests.project.documents import blocks, environment_for, run_commands
from integration_tests.spark.sessions import truth_of
from unit_tests.support.paths import ROOT

DIAGNOSTICS = table("diagnostics")
EXAMPLE = ROOT / "examples" / "spark_pipeline"
# Each run of the pipeline takes a minute.
pytestmark = [pytest.mark.slow, pytest.mark.fleet(FleetSize(products=1, devices=5, sims=3, samples=False))]


def test_it_keeps_the_tables_and_a_second_run_adds_what_is_new(cloud: DeviceCloud, tmp_path: Path) -> None:
    commands = [block.text for block in blocks(EXAMPLE / "README.md") if block.kind == "sh"]
    _run("".join(commands), cloud, tmp_path)
    _assert_equals_the_fleet(tmp_path / "my-pipeline", cloud)

    [product] = cloud.fleet.product_ids
    removed, *_ = cloud.fleet.rows("devices", product)
    kept = [key for key in _keys(tmp_path / "my-pipeline", DIAGNOSTICS) if removed in key]
    assert kept
    cloud.fleet.remove_device(removed, product)
    # A stream reads a device from the batch on in which it joins, and this one has no vitals yet.
    added = cloud.fleet.add_device(product)
    assert not cloud.fleet.vitals(added)
    device, *_ = cloud.fleet.rows("devices")
    new = cloud.fleet.add_vitals(device)["updated_at"]
    # So that the new vitals have settled.
    cloud.fleet.clock.skew += timedelta(minutes=30).total_seconds()
    _run(f"cd my-pipeline\n{commands[-1]}", cloud, tmp_path)
    _assert_equals_the_fleet(tmp_path / "my-pipeline", cloud, kept)
    assert _keys(tmp_path / "my-pipeline", DIAGNOSTICS)[device, new] == 1


def test_a_run_with_a_refused_token_fails(cloud: DeviceCloud, tmp_path: Path) -> None:
    commands = "".join(block.text for block in blocks(EXAMPLE / "README.md") if block.kind == "sh")
    once = "--conf spark.sql.pipelines.maxFlowRetryAttempts=0 --refresh user"
    with pytest.raises(AssertionError, match=r"SignInError: .*the access token was refused"):
        _run(f"export PARTICLE_ACCESS_TOKEN=mistyped\n{commands.strip()} {once}", cloud, tmp_path)


def test_of_what_the_client_does_not_know_accumulators_alone_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARTICLE_ACCESS_TOKEN", "a-token")
    known: dict[str, str] = {}
    accumulator, unknown = SimpleNamespace(name="__python_accumulator__"), SimpleNamespace(name="other")
    client = SimpleNamespace(_execute_and_fetch_as_iterator=lambda *_: iter([known, accumulator, unknown]))
    monkeypatch.setattr(SparkSession, "active", lambda: SimpleNamespace(client=client))
    monkeypatch.setattr(bridge, "register", lambda _session: None)
    for name in ("materialized_view", "append_flow", "create_streaming_table"):
        monkeypatch.setattr(pipelines, name, lambda **_named: lambda _rows: None)
    runpy.run_path(str(EXAMPLE / "transformations" / "particle.py"))
    fetch = client._execute_and_fetch_as_iterator  # noqa: SLF001  (what the example puts in its place)
    assert list(fetch("request")) == [known, unknown]


def _run(script: str, cloud: DeviceCloud, folder: Path) -> None:
    """Run commands of the README, those from the root of the checkout in an empty folder.

    Spark Connect listens on a fixed port unless SPARK_TESTING is set, and the server of an earlier run may linger.
    """
    environment = {**environment_for(cloud), "SPARK_TESTING": "0"}
    run_commands(script.replace("cp -r examples", f"cp -r {ROOT}/examples"), folder, environment)


def _assert_equals_the_fleet(folder: Path, cloud: DeviceCloud, kept: Iterable[tuple[str, ...]] = ()) -> None:
    """Compare each table with the fleet; vitals of a device that is gone are kept, and old buckets of time."""
    for part in chosen_tables():
        until = _last_offset(folder, part) if part.cursor_field else None
        truth = truth_of(cloud, part, until)
        assert truth
        expected = Counter(tuple(str(record[name]) for name in part.primary_key) for record in truth)
        found = _keys(folder, part)
        assert found >= expected + Counter(kept if part is DIAGNOSTICS else ()), part.name
        assert found == expected + Counter(kept) if part is DIAGNOSTICS else set(found.values()) == {1}, part.name
        assert found.keys() == expected.keys() or part.cursor_field, part.name


def _keys(folder: Path, part: Table) -> Counter[tuple[str, ...]]:
    files = dataset.dataset(folder / "spark-warehouse" / part.name, format="parquet")
    rows = files.to_table(columns=list(part.primary_key)).to_pylist()
    return Counter(tuple(str(row[name]) for name in part.primary_key) for row in rows)


def _last_offset(folder: Path, part: Table) -> datetime:
    logs = [path for path in (folder / "pipeline-storage").rglob("offsets/[0-9]*") if f"{part.name}_from" in str(path)]
    newest = max(logs, key=lambda path: int(path.name))
    return moment_of(json.loads(newest.read_text().splitlines()[-1])["until"])
