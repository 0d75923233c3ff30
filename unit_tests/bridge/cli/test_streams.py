"""Standard output and standard error, wherever they lead."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from unit_tests.support.paths import ROOT

FULL = Path("/dev/full")
needs_full = pytest.mark.skipif(not FULL.exists(), reason=f"this system has no {FULL}")


def run(command: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a command of the shell; it finds this Python as $PYTHON."""
    environment = {**os.environ, "PYTHON": sys.executable, **variables}
    return subprocess.run(command, shell=True, check=False, capture_output=True, text=True, cwd=ROOT, env=environment)


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_are_no_error(closed: str) -> None:
    done = run(f'"$PYTHON" -m bridge.cli tables {closed}')
    assert (done.returncode, done.stderr) == (0, "")


@needs_full
def test_where_nothing_can_be_said_the_exit_code_says_it() -> None:
    assert run(f'"$PYTHON" -m bridge.cli schema nothing 2>{FULL}').returncode == 2


@pytest.mark.parametrize(("encoding", "expected"), [("ascii", "\\xe9 \\u4f60"), ("utf-8", "é 你")])
def test_a_character_that_the_encoding_lacks_is_escaped(encoding: str, expected: str) -> None:
    code = "from bridge.cli.streams import prepare_streams; prepare_streams(); print('\\u00e9 \\u4f60')"
    done = run(f'"$PYTHON" -c "{code}"', PYTHONIOENCODING=encoding)
    assert done.stdout.encode("utf-8", "surrogateescape").decode() == f"{expected}\n"


def test_json_is_json_in_every_encoding() -> None:
    code = "from bridge.cli.output import print_json; print_json('\\u00e9 \\u4f60')"
    assert json.loads(run(f'"$PYTHON" -c "{code}"', PYTHONIOENCODING="ascii").stdout) == "é 你"
