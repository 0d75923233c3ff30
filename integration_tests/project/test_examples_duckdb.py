"""A fleet in DuckDB with the command line alone, following the README of the example."""

from pathlib import Path

import duckdb
import pytest

from examples.duckdb.load import load
from integration_tests.device_cloud import DeviceCloud, Fleet, FleetSize
from integration_tests.project.documents import blocks, environment_for, run_commands
from unit_tests.support.paths import ROOT


def test_what_it_loads_is_what_the_fleet_holds(tmp_path: Path) -> None:
    with DeviceCloud(Fleet.seeded(FleetSize(products=2, devices=8, sims=0, user_sims=0, samples=False))) as cloud:
        for block in blocks(ROOT / "examples" / "duckdb" / "README.md"):
            run_commands(block.text, tmp_path, environment_for(cloud))
        held = {name: len(cloud.ledger.records(name)) for name in ("products", "product_devices", "diagnostics")}

    with duckdb.connect(str(tmp_path / "fleet.duckdb"), read_only=True) as database:
        tables = [name for (name,) in database.sql("SHOW TABLES").fetchall()]
        assert {name: database.table(name).shape[0] for name in tables} == held
        [(charge,)] = database.sql("SELECT max(payload.device.power.battery.charge) FROM diagnostics").fetchall()
        assert 0 < charge <= 100
    # A second load replaces the first.
    assert load(tmp_path / "particle", tmp_path / "fleet.duckdb") == held


def test_a_folder_without_files_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "particle" / "devices").mkdir(parents=True)
    with pytest.raises(duckdb.IOException, match="No files found"):
        load(tmp_path / "particle", tmp_path / "fleet.duckdb")
