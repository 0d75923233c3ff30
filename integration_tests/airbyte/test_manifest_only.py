"""The published image for manifest-only connectors: its files, run as it runs them."""

from pathlib import Path

import pytest

from integration_tests.airbyte.command import Command, python_command
from integration_tests.airbyte.command_suite import AnswersSuite, ReadSuite
from integration_tests.airbyte.manifest_only import laid_out

# `main.py` picks this one where the manifest is at an absolute path that only an image has.
MAIN = "from source_declarative_manifest.run import handle_local_manifest_command as run; import sys; run(sys.argv[1:])"


@pytest.fixture
def source(tmp_path: Path) -> Command:
    """The command of the image, in a folder away from its files."""
    (tmp_path / "image").mkdir()
    (tmp_path / "job").mkdir()
    return python_command(tmp_path / "job", laid_out(tmp_path / "image"), MAIN)


class TestRead(ReadSuite):
    """What every form of the source reads; the environment is empty, so code from elsewhere is not enabled."""


@pytest.mark.slow
class TestAnswers(AnswersSuite):
    """What every form of the source answers. A process of this form takes four seconds."""


def test_the_code_comes_from_the_layout(source: Command) -> None:
    [image] = source.environment.values()
    where = "import source_particle.components as found; import sys; sys.stderr.write(found.__file__)"
    done = Command((*source.words[:2], where), source.folder, source.environment).run("spec")
    assert Path(done.stderr).is_relative_to(image)
