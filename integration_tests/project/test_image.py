"""The image of the source, run as Airbyte runs it: not as root, and on a file system that it cannot write to.

`make test-image` builds the image and runs these; they need root and buildah, so `make test` leaves them out.
"""

import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from integration_tests.airbyte.command import Command
from integration_tests.airbyte.command_suite import SourceCommandSuite
from integration_tests.airbyte.manifest_only import laid_out
from integration_tests.project import image
from unit_tests.support.paths import ROOT

# Where the platform puts the files of a job, and where a manifest-only image has its code.
CONFIG = Path("/config")
CODE = Path("/airbyte/integration_code")
ENTRYPOINT = "/airbyte/source-particle/bin/source-particle"
NOT_FOR_RUNNING = {"pyspark", "pyarrow", "pytest", "hatchling", "mypy", "ruff", "pip", "build"}

pytestmark = pytest.mark.image_tests


@pytest.fixture(scope="module")
def container() -> Iterator[Path]:
    """A container of the image."""
    with image.container() as root:
        yield root


@pytest.fixture
def job(tmp_path: Path) -> Path:
    """A folder with the files of a job, and beside it one that everybody may write to."""
    (tmp_path / "job").mkdir()
    (tmp_path / "tmp").mkdir()
    (tmp_path / "tmp").chmod(0o1777)
    return tmp_path / "job"


@pytest.fixture
def source(container: Path, job: Path) -> Command:
    """The command of the image."""
    return _command(container, job, [ENTRYPOINT])


class TestImage(SourceCommandSuite):
    """What every form of the source does."""


class TestManifestOnlyImage(SourceCommandSuite):
    """The same with the files of the manifest-only layout where its image has them."""

    @pytest.fixture
    def source(self, container: Path, job: Path) -> Command:
        """The command of a manifest-only image; its base holds this `main.py`."""
        (job.parent / "code").mkdir()
        code = laid_out(job.parent / "code")
        (code / "main.py").write_text("from source_declarative_manifest.run import run\n\nrun()\n")
        python = str(Path(ENTRYPOINT).with_name("python"))
        return _command(container, job, [python, str(CODE / "main.py")], {code: f"{CODE}:ro"})


def test_it_says_how_to_run_it_and_what_it_is() -> None:
    found = image.configuration()
    assert found["User"] == "airbyte"
    assert found["Entrypoint"] == [ENTRYPOINT]
    assert f"AIRBYTE_ENTRYPOINT={ENTRYPOINT}" in found["Env"]
    labels = {name: value for name, value in found["Labels"].items() if name.startswith("io.airbyte.")}
    assert labels == {"io.airbyte.name": "airbyte/source-particle", "io.airbyte.version": _version()}


def test_it_runs_without_rights_and_on_a_file_system_that_it_cannot_write_to(container: Path, job: Path) -> None:
    done = _shell(container, job, 'echo "$(id -un) $(id -u)"; touch /tmp/may; touch /airbyte/may-not')
    assert done.stdout == "airbyte 1000\n"
    assert "Read-only file system" in done.stderr
    assert [path.name for path in (job.parent / "tmp").iterdir()] == ["may"]


def test_what_is_installed_is_pinned_and_for_running_only(container: Path, job: Path) -> None:
    done = _shell(container, job, "ls -d /airbyte/source-particle/lib/python3*/site-packages/*.dist-info")
    installed = {
        _normal(name): version
        for name, version in re.findall(r"/([\w.]+)-([\w.+]+)\.dist-info$", done.stdout, re.MULTILINE)
    }
    pins = re.findall(r"^([\w.-]+)==([\w.]+)", (ROOT / "constraints.txt").read_text("utf-8"), re.MULTILINE)
    pinned = {(_normal(name), version) for name, version in pins}
    assert installed.pop("source-particle") == _version()
    assert "airbyte-cdk" in installed
    assert set(installed.items()) - pinned == set()
    assert set(installed) & NOT_FOR_RUNNING == set()
    assert _shell(container, job, "command -v gcc cc make git; ls / /airbyte | grep -i test").stdout == ""


def test_size_and_start(source: Command, capsys: pytest.CaptureFixture[str]) -> None:
    seconds = min(source.run("spec").seconds for _ in range(3))
    with capsys.disabled():
        print(f"\nsize of the image: {image.size()}; from its start to the end of spec: {seconds:.1f} s")


def _command(container: Path, job: Path, command: list[str], mounts: Mapping[Path, str] | None = None) -> Command:
    seen = {job: f"{CONFIG}:ro", job.parent / "tmp": "/tmp", **(mounts or {})}
    return Command(image.words(container, seen, command), job, dict(os.environ), seen_at=CONFIG)


def _shell(container: Path, job: Path, script: str) -> subprocess.CompletedProcess[str]:
    command = _command(container, job, ["sh", "-c", script])
    return subprocess.run(command.words, env=command.environment, capture_output=True, text=True, check=False)


def _version() -> str:
    [version] = re.findall(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text("utf-8"), re.MULTILINE)
    return str(version)


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
