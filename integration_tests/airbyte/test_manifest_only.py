"""The published image for manifest-only connectors: its files, laid out as its build does, and run as it runs them.

That build copies what its list allows beside the base's `main.py`, and the manifest into `source_declarative_manifest`.
"""

import fnmatch
import shutil
import subprocess
from importlib.resources import as_file, files
from pathlib import Path

import pytest

from integration_tests.airbyte.command import Command, python_command
from integration_tests.airbyte.command_suite import SourceCommandSuite

ROOT = Path(__file__).parents[2]

# What the build lets in of a connector's folder.
ALLOWED = ("manifest.yaml", "components.py", "metadata.yaml", "pyproject.toml", "README.md", "source_*")
# `main.py` picks this one where the manifest is at an absolute path that only an image has.
MAIN = "from source_declarative_manifest.run import handle_local_manifest_command as run; import sys; run(sys.argv[1:])"


def laid_out(folder: Path) -> Path:
    """Put the files into a folder that stands for the image's; return it."""
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in tracked.splitlines():
        if any(fnmatch.fnmatch(name.split("/")[0], pattern) for pattern in ALLOWED):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    package = folder / "source_declarative_manifest"
    package.mkdir()
    (package / "__init__.py").touch()
    with as_file(files("airbyte_cdk.cli.source_declarative_manifest")) as cdk:
        shutil.copy(cdk / "_run.py", package / "run.py")
        shutil.copy(cdk / "spec.json", package)
    shutil.copy(folder / "manifest.yaml", package)
    return folder


@pytest.fixture
def source(tmp_path: Path) -> Command:
    """The command of the image, in a folder away from its files."""
    (tmp_path / "image").mkdir()
    (tmp_path / "job").mkdir()
    return python_command(tmp_path / "job", laid_out(tmp_path / "image"), MAIN)


class TestManifestOnly(SourceCommandSuite):
    """What every form of the source does; the environment is empty, so code from elsewhere is not enabled."""


def test_the_code_comes_from_the_layout(source: Command) -> None:
    [image] = source.environment.values()
    where = "import source_particle.components as found; import sys; sys.stderr.write(found.__file__)"
    done = Command((*source.words[:2], where), source.folder, source.environment).run("spec")
    assert Path(done.stderr).is_relative_to(image)
