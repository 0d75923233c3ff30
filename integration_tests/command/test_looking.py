"""The commands that look at an account and write nothing: `check`, `head`, and the trees of `schema`."""

import csv
import io
import json

import pytest

from bridge.tables.catalog import table, tables
from integration_tests.command.running import run
from integration_tests.device_cloud import DeviceCloud, FleetSize

LARGE = FleetSize(products=3, devices=1_000, sims=100, days=1, samples=False)


def _account(cloud: DeviceCloud, token: str | None = None) -> dict[str, str]:
    return {"PARTICLE_ACCESS_TOKEN": token or cloud.token, "PARTICLE_BASE_URL": cloud.url}


@pytest.mark.fleet(LARGE)
def test_check_says_who_the_token_is_and_how_large_the_fleet(cloud: DeviceCloud) -> None:
    found = json.loads(run("check", "--json", **_account(cloud)).stdout)
    assert cloud.ledger.count() <= 15
    assert found["username"] == cloud.username
    assert (found["products"], found["served"], found["unserved"]) == (LARGE.products, [*tables()], {})
    listed = cloud.ledger.records("product_devices", {"product_id_or_slug": "*"}) + cloud.ledger.records("devices")
    devices = {device["id"] for device in listed}
    # By the counts that the API keeps for products, which leave out devices in quarantine.
    assert len(devices) - 10 < found["devices"] <= len(devices)
    # Each product has a page of them.
    assert found["sims"] == len(cloud.ledger.records("product_sims", {"product_id_or_slug": "*"}))
    shown = run("check", **_account(cloud))
    assert shown.returncode == 0
    assert f"{found['devices']:,}" in shown.stdout
    assert cloud.token not in shown.stdout + shown.stderr


def test_check_says_which_tables_a_token_cannot_serve(cloud: DeviceCloud) -> None:
    found = json.loads(run("check", "--json", **_account(cloud, cloud.api_user_token)).stdout)
    assert "product_devices" in found["served"]
    assert "API user" in found["unserved"]["user"]
    assert {*found["served"], *found["unserved"]} == {*tables()}
    assert run("check", **_account(cloud, "unknown")).returncode == 3


def test_check_tells_when_a_token_ends(cloud: DeviceCloud) -> None:
    token = cloud.issue_token(expires_in=3600)
    found = json.loads(run("check", "--json", **_account(cloud, token)).stdout)
    assert found["expires_at"].endswith("Z")


@pytest.mark.fleet(LARGE)
@pytest.mark.parametrize("name", ["devices", "product_devices", "diagnostics"])
def test_head_shows_rows_and_stops(name: str, cloud: DeviceCloud) -> None:
    rows = json.loads(run("head", name, "-n", "3", "--json", **_account(cloud)).stdout)
    assert len(rows) == 3
    truth = cloud.ledger.records(name, dict.fromkeys(table(name).required_options, "*"))
    keys = [tuple(record[part] for part in table(name).primary_key) for record in truth]
    assert all(tuple(row[part] for part in table(name).primary_key) in keys for row in rows)
    # The lists of devices, and of vitals what was under way.
    assert cloud.ledger.count() <= 50


def test_head_takes_columns_and_fields(cloud: DeviceCloud) -> None:
    shown = run("head", "products", "-n", "2", "--csv", "--columns", "id,settings.location.rules", **_account(cloud))
    [titles, *rows] = csv.reader(io.StringIO(shown.stdout))
    assert titles == ["id", "settings.location.rules"]
    assert {int(row[0]) for row in rows} <= {record["id"] for record in cloud.ledger.records("products")}
    # A column that is empty in all rows is shown if it is named.
    emptied = run("head", "products", "--columns", "id,settings.location.nothing", **_account(cloud))
    assert "settings.location.nothing" in emptied.stdout
    wrong = run("head", "products", "--columns", "name,nothing", **_account(cloud))
    assert wrong.returncode == 2
    assert "products has no column 'nothing'; expected one of id, " in wrong.stderr


def test_head_fits_the_terminal_and_obeys_no_text_of_others(cloud: DeviceCloud) -> None:
    product = cloud.fleet.product_ids[0]
    record = {**cloud.fleet.rows("devices", product)[next(iter(cloud.fleet.rows("devices", product)))]}
    cloud.fleet.put("devices", record["id"], {**record, "name": "\x1b[31mred\nline"}, product)
    try:
        asked = ("head", "product_devices", "-n", "200", "-o", f"product_devices.product_id_or_slug={product}")
        shown = run(*asked, **{**_account(cloud), "COLUMNS": "80"})
        named = run(*asked, "--columns", "name", **_account(cloud))
    finally:
        cloud.fleet.put("devices", record["id"], record, product)
    assert max(map(len, shown.stdout.splitlines())) <= 80
    assert "more columns" in shown.stderr
    assert "\x1b" not in shown.stdout + named.stdout
    assert "\\x1b[31mred\\nline" in named.stdout


def test_schema_is_a_tree_with_a_line_for_each_field_at_any_width() -> None:
    lines = run("schema", "diagnostics", COLUMNS="20").stdout.splitlines()
    [charge] = [line for line in lines if "─ charge " in line]
    assert "double" in charge
    assert sum("─ device_id " in line for line in lines) == 1
    assert all("─" in line for line in lines[2:])
