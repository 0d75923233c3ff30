"""The wheel, as a user has it: in a clean environment, away from the checkout, without any extra."""

import json
import os
import re
import subprocess
import sys
import venv
import zipfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from email import message_from_bytes
from pathlib import Path
from typing import Any

import pytest

from bridge.catalog import tables
from integration_tests.device_cloud import DeviceCloud

ROOT = Path(__file__).parents[1]
Record = Mapping[str, Any]

# One worker builds and installs, however many there are.
pytestmark = pytest.mark.xdist_group("wheel")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    _run([sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)], cwd=folder)
    [built] = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def command(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`source-particle` of an environment that holds the wheel and what it depends on, nothing else."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=True)
    install = ["-m", "pip", "install", "-q", "--disable-pip-version-check", "-c", str(ROOT / "constraints.txt")]
    _run([str(folder / "bin" / "python"), *install, str(wheel)], cwd=folder)
    return folder / "bin" / "source-particle"


def test_it_holds_the_manifest_and_both_packages_and_no_tests(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        assert archive.read("source_particle/manifest.yaml") == (ROOT / "manifest.yaml").read_bytes()
    folders = {name.split("/")[0] for name in names}
    assert {name for name in folders if not name.endswith(".dist-info")} == {"source_particle", "bridge", "databricks"}
    ours = "databricks/labs/community_connector/sources/particle/__init__.py"
    assert [name for name in names if name.startswith("databricks/")] == [ours]
    modules = [path.relative_to(ROOT).as_posix() for path in (ROOT / "source_particle").glob("*.py")]
    assert set(modules) <= set(names)
    assert any(name.endswith("licenses/LICENSE") for name in names)


def test_it_depends_on_neither_spark_nor_a_command_line_library(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        [path] = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        required = message_from_bytes(archive.read(path)).get_all("Requires-Dist", [])
    needed = {re.split(r"[^\w.-]", line)[0].lower() for line in required if "extra ==" not in line}
    assert needed == {"airbyte-cdk", "pyyaml"}


def test_an_installed_source_says_its_spec(command: Path, tmp_path: Path) -> None:
    [message] = _messages(command, "spec", folder=tmp_path)["SPEC"]
    assert "credentials" in message["connectionSpecification"]["required"]


def test_an_installed_source_discovers_and_reads_all_that_the_fleet_holds(
    command: Path, tmp_path: Path, cloud: DeviceCloud
) -> None:
    credentials = {"auth_type": "password", "username": cloud.username, "password": cloud.password}
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"credentials": credentials, "base_url": cloud.url}))
    [found] = _messages(command, "discover", "--config", str(config), folder=tmp_path)["CATALOG"]
    modes = {"sync_mode": "full_refresh", "destination_sync_mode": "append"}
    streams = [{"stream": stream, **modes} for stream in found["streams"]]
    assert [stream["name"] for stream in found["streams"]] == list(tables())

    catalog = tmp_path / "catalog.json"
    catalog.write_text(json.dumps({"streams": streams}))
    arguments = ("--config", str(config), "--catalog", str(catalog))
    records: dict[str, list[Record]] = defaultdict(list)
    for record in _messages(command, "read", *arguments, folder=tmp_path)["RECORD"]:
        records[record["stream"]].append(record["data"])
    for name, table in tables().items():
        truth = cloud.ledger.records(name)
        assert len(records[name]) == len(truth), name
        assert _by_key(records[name], table.primary_key) == _by_key(truth, table.primary_key), name


def _messages(command: Path, *arguments: str, folder: Path) -> Mapping[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    bodies = {"SPEC": "spec", "CATALOG": "catalog", "RECORD": "record"}
    for line in _run([str(command), *arguments], cwd=folder).splitlines():
        message = json.loads(line)
        if message["type"] in bodies:
            found[message["type"]].append(message[bodies[message["type"]]])
    return found


def _run(command: list[str], cwd: Path) -> str:
    # The environment of the tests must not lend its packages.
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(command, cwd=cwd, env=clean, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command[:4])} …\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    return done.stdout


def _by_key(records: Sequence[Record], key: tuple[str, ...]) -> dict[tuple[Any, ...], Record]:
    # The CDK leaves a record's nulls out of the line that it writes.
    return {
        tuple(record[name] for name in key): {name: value for name, value in record.items() if value is not None}
        for record in records
    }
