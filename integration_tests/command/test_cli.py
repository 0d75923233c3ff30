"""The console script `particle-bridge` without a network, as a person or a scheduler runs it."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from bridge.rows.schema import RESCUED_DATA
from bridge.tables.catalog import table, tables
from integration_tests.command.running import FULL, needs_full, run
from unit_tests.support.paths import ROOT


def test_tables_lists_every_table() -> None:
    for columns in ("80", "200"):
        shown = run("tables", COLUMNS=columns).stdout
        assert all(f" {name} " in shown for name in tables())
    listed = json.loads(run("tables", "--json").stdout)
    assert [part["name"] for part in listed] == list(tables())
    assert listed[5]["options"]["product_id_or_slug"]["required"] is True
    assert listed[7]["cursor_field"] == "updated_at"
    documented = re.findall(
        r"^## (\w+)$.*?^- Scope: (?:`(.+?)`|no)", (ROOT / "docs/tables.md").read_text(), re.M | re.S
    )
    assert [(part["name"], part["scope"] or "") for part in listed] == documented


def test_schema_shows_the_columns_of_a_table() -> None:
    assert "Device id, 24 lower-case hex digits." in run("schema", "devices").stdout
    columns = json.loads(run("schema", "devices", "--json").stdout)["columns"]
    assert [column["name"] for column in columns] == [*table("devices").columns, RESCUED_DATA]
    assert {column["name"]: column["type"] for column in columns}["variables"] == "map<string,string>"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("schema", "device"), "There is no table 'device'; expected one of devices, products,"),
        (
            ("sync", "--to", "out"),
            "Received nothing to sign in with; expected the environment variable PARTICLE_ACCESS_TOKEN, or ",
        ),
        (("sync", "--to", "out", "--access-token", "x", "--table", "device"), "There is no table 'device'"),
        (("check", "--access-token", "x", "--option", "nothing.a=1"), "There is no table 'nothing'"),
        (("check", "--access-token", "x", "--option", "products.a=1"), "There is no option 'a' of table products; "),
        (("schema", "ab12" * 10), "There is no table '****'; expected one of "),
        (("check", "--access-token", "x", "--option", f"{'ab12' * 10}=1"), "There is no option '****' of the "),
        (
            ("sync", "--to", "out", "--access-token", "x", "--option", "diagnostics.start=1"),
            "There is no option 'start' of table diagnostics; expected one of: device_id, product_id_or_slug, ",
        ),
        (
            ("sync", "--to", "out", "--access-token", "x", "--option", "num_worker=1"),
            "There is no option 'num_worker' of the connection; expected one of: access_token, ",
        ),
        (("sync", "--to", "out", "--access-token", "x", "--option", "num_workers=1"), "an integer from 2 to 32."),
        (
            ("sync", "user", "--to", "out", "--access-token", "x", "--option", "sims.icid=1"),
            "There is no option 'icid' of table sims; it has no options.",
        ),
        (
            ("sync", "user", "--to", "s3://out/fleet", "--access-token", "x"),
            "expected a folder or file of this machine",
        ),
        (("sync", "--to", "out", "--access-token", "x", "--option", "a-secret"), "An --option has no value"),
        (("head", "devices", "--json", "--csv", "--access-token", "x"), "Received --json and --csv"),
        (
            ("head", "products", "--columns", "id,settings.known_application.opt", "--access-token", "x"),
            "settings.known_application of products has no field 'opt'; expected one of opt_in.",
        ),
        (
            ("head", "products", "--columns", "id.x", "--access-token", "x"),
            "id of products has no field 'x'; it has no",
        ),
        (("sync", "user", "--all-tables", "--to", "out", "--access-token", "x"), "and that all tables are wanted"),
        (("plan", "user", "--all-tables", "--access-token", "x"), "and that all tables are wanted"),
    ],
)
def test_what_the_user_must_correct_is_one_line_without_a_traceback(arguments: tuple[str, ...], message: str) -> None:
    result = run(*arguments)
    assert result.returncode == 2
    assert result.stderr.startswith("Error: ")
    assert message in result.stderr
    assert "Traceback" not in result.stderr
    assert "a-secret" not in result.stderr + result.stdout
    assert not (ROOT / "out").exists()


def test_help_shows_the_names_of_the_variables_and_never_their_values() -> None:
    secret = "a-secret-of-the-environment"
    shown = run("sync", "--help", PARTICLE_PASSWORD=secret, PARTICLE_ACCESS_TOKEN=secret, PARTICLE_USERNAME=secret)
    assert "PARTICLE_PASSWORD" in shown.stdout
    assert "retry_wait_factor" not in shown.stdout
    assert secret not in shown.stdout + shown.stderr


@needs_full
@pytest.mark.parametrize("buffering", ["", "1"])
@pytest.mark.parametrize("arguments", [("tables",), ("schema", "devices", "--json")])
def test_output_that_cannot_be_written_is_an_error_of_one_line(arguments: tuple[str, ...], buffering: str) -> None:
    command = [sys.executable, "-m", "bridge.cli", *arguments]
    with FULL.open("w") as full:
        done = subprocess.run(
            command,
            check=False,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={**os.environ, "PYTHONUNBUFFERED": buffering},
        )
    assert done.stderr == "Error: standard output cannot be written: No space left on device.\n"
    assert done.returncode == 2


@pytest.mark.parametrize("arguments", [("tables",), ("schema", "devices", "--json")])
def test_a_reader_that_has_seen_enough_is_no_error(arguments: tuple[str, ...]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "bridge.cli", *arguments]
    done = subprocess.run(command, check=False, stdout=writing, stderr=subprocess.PIPE, text=True, cwd=ROOT)
    os.close(writing)
    assert (done.returncode, done.stderr) == (1, "")


@pytest.mark.parametrize("text", ["password: [a-secret", "password: {a: a-secret}", "- a-secret", "tables: [a-secret]"])
def test_config_file_that_makes_no_sense_is_an_error_that_does_not_quote_it(text: str, tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(text)
    result = run("sync", "--to", str(tmp_path / "out"), "--config", str(path))
    assert result.returncode == 2
    assert result.stderr.startswith(f"Error: {path}")
    assert "a-secret" not in result.stderr


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("devices: {}\nsims: [", "cannot be read as YAML or JSON (ParserError in line 2)."),
        ("tables:\n  devices: {}\n  devices: {}", "cannot be read as YAML or JSON (NameGivenTwiceError in line 3)."),
        ("product_devices:\n  product_id_or_slug: a", "product_devices is a table; its options belong under tables."),
    ],
)
def test_config_file_with_a_common_mistake_is_an_error_that_says_what_it_is(
    text: str, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(text)
    result = run("plan", "user", "--access-token", "x", "--config", str(path))
    assert result.returncode == 2
    assert result.stderr == f"Error: {path}{' ' if message.startswith('cannot') else ': '}{message}\n"
