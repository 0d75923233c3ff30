"""PyAirbyte reads the installed connector into DuckDB, by the example and its README: `make test-pyairbyte`.

Not collected by a plain run: PyAirbyte has an environment of its own. Nothing here may reach another machine.
"""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import pytest

from bridge.tables.catalog import chosen_tables
from integration_tests.device_cloud import DeviceCloud, FleetSize
from unit_tests.support.paths import ROOT

EXAMPLE = ROOT / "examples" / "pyairbyte"
DATABASE = Path(".cache", "particle", "db_particle.duckdb")
# Python runs a module of this name when it starts: here, in PyAirbyte's process and in the connector's.
GUARD = """
import os, socket
connect, resolve = socket.socket.connect, socket.getaddrinfo
HERE = (None, "localhost", "127.0.0.1", "::1")
def refuse(host):
    if host not in HERE:
        with open(os.environ["ATTEMPTS"], "a") as attempts:
            attempts.write(f"{host}\\n")
        raise OSError(f"a test tried to reach {host}")
def guarded_connect(self, address):
    if self.family in (socket.AF_INET, socket.AF_INET6):
        refuse(address[0])
    return connect(self, address)
def guarded_resolve(host, *rest, **more):
    refuse(host)
    return resolve(host, *rest, **more)
socket.socket.connect, socket.getaddrinfo = guarded_connect, guarded_resolve
"""

pytestmark = pytest.mark.fleet(FleetSize(products=2, devices=30, days=3))


def _run(arguments: list[str], folder: Path, **more: str) -> str:
    """Run Python with the guard and return what it prints; nothing may have tried to reach another machine."""
    (folder / "guard").mkdir(exist_ok=True)
    (folder / "guard" / "sitecustomize.py").write_text(GUARD)
    attempts = folder / "attempts"
    environment = {
        **{name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ},
        "PYTHONPATH": str(folder / "guard"),
        "ATTEMPTS": str(attempts),
        "DO_NOT_TRACK": "1",
        "AIRBYTE_OFFLINE_MODE": "1",
        "AIRBYTE_LOGGING_ROOT": str(folder / "logs"),
        **more,
    }
    done = subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert not attempts.exists(), f"reached for {attempts.read_text()}"
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    return done.stdout


def _load(cloud: DeviceCloud, folder: Path) -> dict[str, int]:
    """Run the example and return the rows of each table as it prints them."""
    access = {"PARTICLE_ACCESS_TOKEN": cloud.token, "PARTICLE_BASE_URL": cloud.url}
    printed = _run([str(EXAMPLE / "load.py")], folder, **access)
    assert cloud.token not in printed
    return {name: int(count) for name, count in re.findall(r"^(\w+): (\d+) rows$", printed, re.M)}


def _held(cloud: DeviceCloud) -> dict[str, int]:
    return {part.name: len(cloud.ledger.records(part.name)) for part in chosen_tables()}


def _query(folder: Path, sql: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(folder / DATABASE), read_only=True) as connection:
        return connection.sql(sql).fetchall()


def test_every_table_that_is_not_on_request_arrives_and_a_second_run_brings_what_is_new(
    cloud: DeviceCloud, tmp_path: Path
) -> None:
    assert _load(cloud, tmp_path) == _held(cloud)
    requests = cloud.ledger.requests("GET /v1/diagnostics/:id")

    device = next(key for key in cloud.fleet.rows("devices") if cloud.fleet.vitals(key))
    new = cloud.fleet.add_vitals(device)["updated_at"]
    gone = list(cloud.fleet.rows("devices"))[-1]
    before = _held(cloud)
    cloud.fleet.remove_device(gone)
    cloud.reset()

    # PyAirbyte merges: what is gone stays.
    assert _load(cloud, tmp_path) == before
    again = cloud.ledger.requests("GET /v1/diagnostics/:id")
    assert len(again) == len(requests) - 1
    starts = {entry.path: entry.query["start_date"] for entry in requests}
    assert all(entry.query["start_date"] >= starts[entry.path] for entry in again)
    assert any(entry.query["start_date"] > starts[entry.path] for entry in again)
    for part in chosen_tables():
        columns = ", ".join(f'"{column.lower()}"' for column in part.primary_key)
        [(rows, keys)] = _query(tmp_path, f"SELECT count(*), count(DISTINCT ({columns})) FROM {part.name}")
        assert rows == keys == before[part.name], part.name
    [(found,)] = _query(
        tmp_path, f"SELECT count(*) FROM diagnostics WHERE device_id = '{device}' AND updated_at = '{new}'"
    )
    assert found == 1


def test_values_arrive_as_they_were_sent(cloud: DeviceCloud, tmp_path: Path) -> None:
    _load(cloud, tmp_path)

    rows = _query(tmp_path, "SELECT id, name, serial_number, platform_id, online FROM product_devices")
    truth = [
        tuple(record.get(name) for name in ("id", "name", "serial_number", "platform_id", "online"))
        for record in cloud.ledger.records("product_devices")
    ]
    assert sorted(map(str, rows)) == sorted(map(str, truth))


def test_the_readme_names_the_files_and_the_commands_that_are_run() -> None:
    text = (EXAMPLE / "README.md").read_text(encoding="utf-8")
    assert f"`{DATABASE.as_posix()}`" in text
    assert ".venv-pyairbyte/bin/pip install -c examples/pyairbyte/constraints.txt . airbyte" in text
    assert ".venv-pyairbyte/bin/python examples/pyairbyte/load.py" in text
    assert len((EXAMPLE / "load.py").read_text(encoding="utf-8").splitlines()) <= 20


@pytest.mark.parametrize("host", ["192.0.2.1", "example.com"])
def test_an_attempt_to_reach_another_machine_is_found(tmp_path: Path, host: str) -> None:
    script = f"import socket\ntry: socket.create_connection(({host!r}, 9), timeout=1)\nexcept OSError: pass"
    with pytest.raises(AssertionError, match=f"reached for {host}"):
        _run(["-c", script], tmp_path)
