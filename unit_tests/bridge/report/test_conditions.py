"""The numbers that `report --fail-if` compares."""

import os
import re
import time
from contextlib import closing, suppress
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bridge.cli.app import app
from bridge.cli.commands.report import MEASURES
from bridge.errors import OptionError
from bridge.models.lake import open_lake
from bridge.report import conditions
from bridge.report.conditions import conditions_met
from unit_tests.support.lakes import Records, write_table
from unit_tests.support.paths import ROOT


@pytest.mark.parametrize(
    ("condition", "is_met"),
    [
        ("sims_at_limit = 2", True),
        ("sims_stopped = 1", True),
        ("sims_at_limit > 2", False),
        # Two days ago, and the test itself takes a while.
        ("hours_since_sync BETWEEN 48 AND 72", True),
        ("hours_since_sync < 48", False),
    ],
)
def test_conditions_can_ask_for_sims_and_for_the_last_sync(tmp_path: Path, condition: str, is_met: bool) -> None:
    sims: Records = [
        {"iccid": "1", "status": "inactive_data_limit_reached"},
        {"iccid": "2", "mb_limit": 5},
        {"iccid": "3"},
    ]
    usage: Records = [{"iccid": "2", "usage_by_day": [{"date": "2026-11-01", "mbs_used": 6.0}]}]
    for name, rows in {"sims": sims, "sim_data_usage": usage}.items():
        write_table(tmp_path, name, rows)
        os.utime(tmp_path / name / "part-0.parquet", (time.time() - 48 * 3600,) * 2)
    lake = open_lake(tmp_path)
    assert conditions_met(lake, [condition]) == [condition] * is_met
    lake.close()


@pytest.mark.parametrize(("condition", "is_met"), [("online_percent < 67", True), ("online_percent > 66.7", False)])
def test_a_share_is_compared_as_it_is_and_not_rounded(tmp_path: Path, condition: str, is_met: bool) -> None:
    write_table(tmp_path, "devices", [{"id": str(number), "online": number < 2} for number in range(3)])
    lake = open_lake(tmp_path)
    assert conditions_met(lake, [condition]) == [condition] * is_met
    lake.close()


@pytest.mark.parametrize("condition", ["silent / never_heard >= 0", "1 / never_heard > 5"])
def test_a_condition_that_divides_by_zero_is_not_met(tmp_path: Path, condition: str) -> None:
    write_table(tmp_path, "devices", [])
    lake = open_lake(tmp_path)
    with closing(lake), suppress(OptionError):
        assert conditions_met(lake, [condition]) == []


def test_the_help_and_the_recipes_list_every_number(tmp_path: Path) -> None:
    write_table(tmp_path, "user", [])
    lake = open_lake(tmp_path)
    names = [column[0] for column in lake.connection.execute(conditions.MEASURES).description or ()]
    lake.close()
    shown = CliRunner().invoke(app, ["report", "-h"], env={"COLUMNS": "100"}).stdout
    assert ", ".join(names) == MEASURES
    assert f"these numbers: {MEASURES}." in " ".join(shown.split())
    recipes = (ROOT / "docs" / "recipes.md").read_text("utf-8")
    rows = re.findall(r"^\| (`.+?`) \| ", recipes.split("| Number |")[1].split("\n\n")[0], re.MULTILINE)
    assert re.findall(r"\w+", " ".join(rows)) == names


@pytest.mark.parametrize(
    ("there", "condition", "missing"),
    [
        ("product_devices", "battery_low > 0", "battery_low is not known: diagnostics is not in"),
        ("product_devices", "NOT (SIGNAL_WEAK = 0)", "signal_weak is not known: diagnostics is not in"),
        ("devices", "behind > 0", "behind is not known: product_devices is not in"),
        ("diagnostics", "battery_low > 0", "battery_low is not known: neither product_devices nor devices is in"),
        ("diagnostics", "silent > 0", "silent is not known: neither product_devices nor devices is in"),
        ("sim_data_usage", "sims_at_limit > 0", "sims_at_limit is not known: neither product_sims nor sims is in"),
        ("sims", "sims_at_limit > 0", "sims_at_limit is not known: sim_data_usage is not in"),
    ],
)
def test_a_number_that_is_not_known_is_no_zero(tmp_path: Path, there: str, condition: str, missing: str) -> None:
    write_table(tmp_path, there, [])
    lake = open_lake(tmp_path)
    with pytest.raises(OptionError, match=missing):
        conditions_met(lake, [condition])
    lake.close()


def test_every_number_has_its_tables() -> None:
    assert ", ".join(conditions.NEEDS) == MEASURES
