"""`particle-bridge sync` as a person or a scheduler runs it: what it writes, and what it says when it fails."""

import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import duckdb
import pyarrow.parquet as pq  # type: ignore[import-untyped]
import pytest

from bridge.errors import OptionError, SignInError, TemporaryError, UnknownTableError
from bridge.export.formats.sink import LOCK
from bridge.export.sync import sync
from bridge.tables.catalog import chosen_tables, tables
from integration_tests.command.running import FULL, needs_full, run, run_after
from integration_tests.device_cloud import DeviceCloud, Fault
from unit_tests.support.paths import ROOT

# ---- whole syncs ----


# The addresses that are read for tables on request alone.
_ON_REQUEST = {address for part in tables().values() if part.on_request for address in part.endpoints} - {
    address for part in chosen_tables() for address in part.endpoints
}


@pytest.mark.usefixtures("half_past")
def test_sync_writes_every_table_that_is_not_on_request_and_reports_it(cloud: DeviceCloud, tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    # By the user's own path: one of a product would need its product named as well.
    vitals = cloud.ledger.records("diagnostics", {"device_id": "*"})
    device = next(record["device_id"] for record in vitals if record["product_id_or_slug"] is None)
    config.write_text(
        f"username: {cloud.username}\nnum_workers: 4\ntables:\n  diagnostics: {{start_date: 2020-01-01}}\n"
    )
    result = run(
        *(
            "sync",
            "--to",
            str(tmp_path / "out"),
            "--config",
            str(config),
            "--option",
            f"diagnostics.device_id={device}",
        ),
        PARTICLE_USERNAME=cloud.username,
        PARTICLE_PASSWORD=cloud.password,
        PARTICLE_BASE_URL=cloud.url,
    )
    assert result.returncode == 0, result.stderr
    for part in chosen_tables():
        name = part.name
        shown = re.search(rf"│ {name} +│ +([\d,]+) +│[^│]+│ (?:new, up to (\S+))?", result.stdout)
        assert shown
        options = {
            **dict.fromkeys(part.required_options, "*"),
            **({"device_id": device} if name == "diagnostics" else {}),
            **({"end_date": shown[2]} if part.cursor_field else {}),
        }
        rows = len(cloud.ledger.records(name, options))
        assert pq.read_table(tmp_path / "out" / name).num_rows == rows
        assert shown[1] == f"{rows:,}"
        assert f"{name}: {rows:,} {'new ' if part.cursor_field else ''}rows in " in result.stderr
    default = [part.name for part in chosen_tables()]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted([LOCK, *default])
    assert cloud.ledger.logins() == 1
    asked = {entry.path for entry in cloud.ledger.requests()}
    assert not [path for path in asked for address in _ON_REQUEST if _is_at(path, address)]
    assert not any(text in result.stdout + result.stderr for text in (cloud.password, cloud.username))


def _is_at(path: str, address: str) -> bool:
    return re.fullmatch(re.sub(r":\w+", "[^/]+", address), path) is not None


def test_tables_on_request_are_read_if_all_tables_are_wanted(cloud: DeviceCloud, tmp_path: Path) -> None:
    left_out = [text for part in chosen_tables() for text in ("--exclude", part.name)]
    account = {"PARTICLE_ACCESS_TOKEN": cloud.token, "PARTICLE_BASE_URL": cloud.url}
    result = run("sync", "--to", str(tmp_path), "--all-tables", *left_out, "--json", **account)
    assert result.returncode == 0, result.stderr
    written = {found["table"]: found["rows"] for found in json.loads(result.stdout)["tables"]}
    assert list(written) == [part.name for part in tables().values() if part.on_request]
    assert all(written.values())
    asked = {entry.path for entry in cloud.ledger.requests()}
    assert all(any(_is_at(path, address) for path in asked) for address in _ON_REQUEST)


def test_a_table_that_fails_keeps_its_old_files_and_the_others_go_on(cloud: DeviceCloud, tmp_path: Path) -> None:
    connection = {"access_token": cloud.token, "base_url": cloud.url, "retry_wait_factor": "0"}
    names = ["user", "products", "devices"]
    first = sync(tmp_path, connection, names)
    assert [result.error for result in first] == [None, None, None]
    before = pq.read_table(tmp_path / "products")
    cloud.faults.add(Fault("GET /v1/products", times=None, status=503))
    results = sync(tmp_path, connection, names)
    assert [result.table for result in results] == names
    assert [result.error is None for result in results] == [True, False, True]
    assert str(results[1].error).startswith("table products: http://127.0.0.1:")
    assert pq.read_table(tmp_path / "products").equals(before)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([LOCK, *names])


def test_a_sync_that_begins_when_the_limit_is_used_up_waits_for_it(cloud: DeviceCloud, tmp_path: Path) -> None:
    refused = Fault("GET /v1/access_tokens/current", times=3, status=429)
    account = {"PARTICLE_ACCESS_TOKEN": cloud.token, "PARTICLE_BASE_URL": cloud.url}
    cloud.faults.add(refused)
    # An interactive command would let its user wait for minutes.
    assert run("check", "--option", "retry_wait_factor=0", **account).returncode == 4
    cloud.faults.clear()
    cloud.faults.add(refused)
    to = tmp_path / "lake"
    result = run("sync", "user", "--to", str(to), "--option", "retry_wait_factor=0", **account)
    assert (result.returncode, pq.read_table(to / "user").num_rows) == (0, 1)


# ---- failing fast ----


def test_a_refused_token_is_said_once_for_all_tables(cloud: DeviceCloud, tmp_path: Path) -> None:
    result = run("sync", "--to", str(tmp_path / "out"), PARTICLE_ACCESS_TOKEN="unknown", PARTICLE_BASE_URL=cloud.url)
    assert (result.returncode, result.stdout, result.stderr.count("\n")) == (3, "", 1)
    assert "the access token was refused (401)" in result.stderr
    assert cloud.ledger.count() == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("command", ["plan", "sync"])
@pytest.mark.parametrize(
    "account", [{"PARTICLE_ACCESS_TOKEN": "x"}, {"PARTICLE_USERNAME": "x", "PARTICLE_PASSWORD": "y"}]
)
def test_where_nothing_answers_that_is_said_once(command: str, account: dict[str, str], tmp_path: Path) -> None:
    arguments = ["--option", "retry_wait_factor=0", *(["--to", str(tmp_path / "out")] if command == "sync" else [])]
    result = run(command, *arguments, PARTICLE_BASE_URL=f"http://127.0.0.1:{_closed_port()}", **account)
    assert (result.returncode, result.stdout, result.stderr.count("\n")) == (4, "", 1)
    assert result.stderr.startswith("Error: ")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("limit", ["100.0", "", " 100 "])
def test_a_limit_is_read_as_all_options_are(cloud: DeviceCloud, limit: str) -> None:
    arguments = ("plan", "products", "--json", "--option", f"requests_per_5_minutes={limit}")
    result = run(*arguments, PARTICLE_ACCESS_TOKEN=cloud.token, PARTICLE_BASE_URL=cloud.url)
    assert json.loads(result.stdout)["total"]["minutes_at_least"] == 0


def test_a_schema_of_somebody_else_is_refused_before_anything_is_read(cloud: DeviceCloud, tmp_path: Path) -> None:
    path = tmp_path / "fleet.duckdb"
    with duckdb.connect(str(path)) as database:
        database.execute("CREATE SCHEMA particle; CREATE TABLE particle.other AS SELECT 42")
    result = run("sync", "products", "--to", str(path), PARTICLE_ACCESS_TOKEN=cloud.token, PARTICLE_BASE_URL=cloud.url)
    assert (result.returncode, cloud.ledger.count()) == (2, 0)
    assert "has a schema particle with other" in result.stderr


@needs_full
def test_a_sync_goes_on_though_its_progress_can_be_written_nowhere(cloud: DeviceCloud, tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "bridge.cli",
        "sync",
        "devices",
        "products",
        "user",
        "--to",
        str(tmp_path),
        "--json",
    ]
    account = {"PARTICLE_ACCESS_TOKEN": cloud.token, "PARTICLE_BASE_URL": cloud.url}
    with FULL.open("w") as full:
        done = subprocess.run(
            command, check=False, stdout=subprocess.PIPE, stderr=full, cwd=ROOT, env={**os.environ, **account}
        )
    assert done.returncode == 0
    assert [part["error"] for part in json.loads(done.stdout)["tables"]] == [None, None, None]


@needs_full
def test_a_log_that_cannot_be_written_is_said_once_and_ends(cloud: DeviceCloud, tmp_path: Path) -> None:
    arguments = ("sync", "devices", "products", "--to", str(tmp_path), "--log-file", str(FULL))
    result = run(*arguments, PARTICLE_ACCESS_TOKEN=cloud.token, PARTICLE_BASE_URL=cloud.url)
    assert result.returncode == 0
    assert result.stderr.count(f"{FULL} is no longer written: No space left on device.") == 1
    assert "Traceback" not in result.stderr


def test_an_option_that_is_wrong_is_no_trouble_with_signing_in(cloud: DeviceCloud, tmp_path: Path) -> None:
    arguments = ("sync", "diagnostics", "--to", str(tmp_path / "out"), "--option", "diagnostics.start_date=2099-01-01")
    result = run(*arguments, PARTICLE_ACCESS_TOKEN=cloud.token, PARTICLE_BASE_URL=cloud.url)
    assert result.stderr.startswith("Error: options: start_date '2099-01-01' is in the future.")
    assert result.returncode == 2


def test_an_api_that_goes_away_is_said_once(cloud: DeviceCloud, tmp_path: Path) -> None:
    connection = {"access_token": cloud.token, "base_url": cloud.url, "retry_wait_factor": "0"}
    cloud.faults.add(Fault("*", at=2, times=None, cut="reset"))
    with pytest.raises(TemporaryError):
        sync(tmp_path, connection)
    assert not cloud.ledger.count("GET /v1/products")


def test_where_the_api_goes_away_the_failed_table_and_the_finished_ones_are_named(
    cloud: DeviceCloud, tmp_path: Path
) -> None:
    def go_away() -> None:
        cloud.faults.add(Fault("*", times=None, cut="reset"))

    cloud.faults.add(Fault("GET /v1/products/:p/devices", run=go_away))
    names = ["user", "products", "product_devices", "devices"]
    account = {"PARTICLE_ACCESS_TOKEN": cloud.token, "PARTICLE_BASE_URL": cloud.url}
    to = tmp_path / "fleet.duckdb"
    result = run("sync", *names, "--to", str(to), "--quiet", "--option", "retry_wait_factor=0", **account)
    assert result.returncode == 4
    finished, error = result.stderr.splitlines()
    assert finished == "Finished tables: user, products. To read only the others, run it again with --resume."
    assert error.startswith("Error: table product_devices: ")
    assert error.endswith(" The API answers nothing else now, either, so the sync ends.")
    with duckdb.connect(str(to), read_only=True) as database:
        [[count]] = database.execute("SELECT COUNT(*) FROM particle.product_names").fetchall()
    assert count == len(cloud.ledger.records("products"))


def test_the_engine_spark_says_what_it_lacks(cloud: DeviceCloud, tmp_path: Path) -> None:
    arguments = ("sync", "--to", str(tmp_path / "out"), "--engine", "spark", "--table", "user")
    account = {"PARTICLE_ACCESS_TOKEN": cloud.token, "PARTICLE_BASE_URL": cloud.url}
    result = run_after("pass", *arguments, **account, JAVA_HOME=str(tmp_path))
    assert (result.returncode, result.stderr.count("\n")) == (2, 1)
    assert "needs Java 17 or newer" in result.stderr
    result = run_after("import sys; sys.modules['pyspark'] = None", *arguments, **account)
    assert (result.returncode, result.stderr.count("\n")) == (2, 1)
    assert "pip install pyspark" in result.stderr, "the project itself is not in a registry"


def test_a_sync_needs_neither_spark_nor_java(cloud: DeviceCloud, tmp_path: Path) -> None:
    code = "import sys; sys.modules.update(dict.fromkeys(['pyspark', 'py4j', 'deltalake']))"
    account = {"PARTICLE_ACCESS_TOKEN": cloud.token, "PARTICLE_BASE_URL": cloud.url}
    result = run_after(code, "sync", "devices", "--to", str(tmp_path), **account, PATH="", JAVA_HOME="")
    assert result.returncode == 0, result.stderr


def test_without_names_a_sync_reads_what_the_token_can_serve_and_lists_the_rest(
    cloud: DeviceCloud, tmp_path: Path
) -> None:
    account = {"PARTICLE_ACCESS_TOKEN": cloud.api_user_token, "PARTICLE_BASE_URL": cloud.url}
    exclude = [text for name in ("diagnostics", "sim_data_usage") for text in ("--exclude", name)]
    result = run("sync", "--to", str(tmp_path), *exclude, "--json", **account)
    assert result.returncode == 0, result.stderr
    ended = {table["table"]: table for table in json.loads(result.stdout)["tables"]}
    assert ended.keys() == {part.name for part in chosen_tables()} - {"diagnostics", "sim_data_usage"}
    assert "API user" in ended["user"]["skipped"]
    assert ended["product_devices"]["skipped"] is None
    assert not (tmp_path / "user").exists()
    result = run("sync", "user", "--to", str(tmp_path), **account)
    assert result.returncode == 2
    assert "The token cannot read the table user" in result.stderr


def _closed_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def test_a_refused_password_is_tried_once_and_writes_nothing(cloud: DeviceCloud, tmp_path: Path) -> None:
    connection = {"username": cloud.username, "password": "not-the-password", "base_url": cloud.url}
    with pytest.raises(SignInError, match="The user name or password was refused"):
        sync(tmp_path / "out", connection)
    assert cloud.ledger.logins() == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("names", "options", "error"),
    [
        (["device"], {}, UnknownTableError),
        (["devices"], {"device": {}}, UnknownTableError),
        (["product_devices"], {"product_devices": {"per_page": "0"}}, OptionError),
        (["product_devices"], {"product_devices": {"perpage": "1"}}, OptionError),
    ],
)
def test_options_that_cannot_work_end_a_sync_before_it_starts(
    cloud: DeviceCloud, tmp_path: Path, names: list[str], options: dict[str, dict[str, str]], error: type[Exception]
) -> None:
    with pytest.raises(error):
        sync(tmp_path / "out", {"access_token": cloud.token, "base_url": cloud.url}, names, options)
    assert cloud.ledger.count() == 0
    assert not (tmp_path / "out").exists()
