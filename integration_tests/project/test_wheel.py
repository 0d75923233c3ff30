"""The wheel as a user installs it: in a clean environment, away from the checkout, without extras."""

import os
import re
import subprocess
import sys
import sysconfig
import venv
import zipfile
from email import message_from_bytes
from email.message import Message
from pathlib import Path

import pytest
import yaml

from integration_tests.airbyte.command import TABLES, Command, catalog_file, differing
from integration_tests.airbyte.syncs import with_password
from integration_tests.device_cloud import DeviceCloud
from unit_tests.support.kinds import one_of_each_kind
from unit_tests.support.paths import ROOT

# One worker builds and installs, however many there are.
pytestmark = pytest.mark.xdist_group("wheel")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    _run([sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)], cwd=folder)
    [built] = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module", params=["unpacked", pytest.param("installed", marks=pytest.mark.slow)])
def command(request: pytest.FixtureRequest, wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ...]:
    """The source from the wheel: beside the packages of the tests, or in an environment of its own without extras."""
    folder = tmp_path_factory.mktemp("environment")
    if request.param == "installed":
        venv.create(folder, with_pip=True)
        # Only what is imported is compiled, when it is: most of the packages' modules never are.
        options = ["-q", "--no-compile", "--disable-pip-version-check", "-c", str(ROOT / "constraints.txt")]
        _run([str(folder / "bin" / "python"), "-m", "pip", "install", *options, str(wheel)], cwd=folder)
        return (str(folder / "bin" / "source-particle"),)
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    # Without `site`, the link to the checkout is not followed.
    places = [str(folder), sysconfig.get_path("purelib")]
    return (
        sys.executable,
        "-S",
        "-c",
        f"import sys; sys.path[:1] = {places}; from source_particle.run import run; run()",
    )


def test_it_holds_the_manifest_and_both_packages_and_no_tests(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        assert archive.read("source_particle/manifest.yaml") == (ROOT / "manifest.yaml").read_bytes()
    folders = {name.split("/")[0] for name in names}
    assert {name for name in folders if not name.endswith(".dist-info")} == {"source_particle", "bridge"}
    modules = [path.relative_to(ROOT).as_posix() for path in (ROOT / "source_particle").glob("*.py")]
    assert set(modules) <= set(names)
    assert {"source_particle/py.typed", "bridge/py.typed"} <= set(names)
    assert any(name.endswith("licenses/LICENSE") for name in names)


def test_it_depends_on_neither_spark_nor_a_command_line_library(wheel: Path) -> None:
    required = _metadata(wheel).get_all("Requires-Dist", [])
    needed = {re.split(r"[^\w.-]", line)[0].lower() for line in required if "extra ==" not in line}
    assert needed == {"airbyte-cdk", "pyyaml"}


def test_it_links_to_the_pages_that_airbyte_links_to(wheel: Path) -> None:
    links = {line.split(", ")[1] for line in _metadata(wheel).get_all("Project-URL", [])}
    airbyte = yaml.safe_load((ROOT / "metadata.yaml").read_text("utf-8"))["data"]
    known = {airbyte["documentationUrl"], *(link["url"] for link in airbyte["externalDocumentationUrls"])}
    assert airbyte["documentationUrl"] in links <= known


def _metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        [path] = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        return message_from_bytes(archive.read(path))


def test_an_installed_source_says_its_spec(command: tuple[str, ...], tmp_path: Path) -> None:
    [spec] = Command(command, tmp_path).run("spec").parts("spec")
    assert "credentials" in spec.connectionSpecification["required"]


def test_an_installed_source_discovers_and_reads_all_that_the_fleet_holds(
    command: tuple[str, ...], tmp_path: Path, cloud: DeviceCloud
) -> None:
    source = Command(command, tmp_path)
    config = with_password(cloud)
    [found] = source.run("discover", config=config).parts("catalog")
    assert [stream.name for stream in found.streams] == list(TABLES)

    some = [part.name for part in one_of_each_kind()]
    done = source.run("read", config=config, catalog=catalog_file(*some))
    assert done.code == 0, done.errors
    assert differing(cloud, done.records, some) == []


def _run(command: list[str], cwd: Path) -> str:
    # The environment of the tests must not lend its packages.
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(command, cwd=cwd, env=clean, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command[:4])} …\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    return done.stdout
