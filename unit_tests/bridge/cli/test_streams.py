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


@needs_full
@pytest.mark.parametrize(
    ("command", "code", "said"),
    [
        ("print('text'); raise TemporaryError('Later.')", 4, "Error: Later.\n"),
        ("print('text'); sys.exit(143)", 143, "Error: standard output cannot be written: "),
        ("print('text'); sys.exit(0)", 2, "Error: standard output cannot be written: "),
        ("raise OSError('something else')", 1, "OSError: something else\n"),
    ],
)
def test_output_that_cannot_be_written_hides_nothing_else(command: str, code: int, said: str) -> None:
    script = (
        "import sys; from bridge.cli import app as module, main; from bridge.errors import TemporaryError\n"
        f"def app(): {command}\n"
        "module.app = app; main()"
    )
    done = run(f'"$PYTHON" -c "$SCRIPT" >{FULL}', SCRIPT=script, PYTHONUNBUFFERED="")
    assert done.returncode == code
    assert said in done.stderr


def test_a_file_that_is_opened_later_gets_no_number_of_a_closed_stream() -> None:
    code = "from bridge.cli.streams import prepare_streams as prepare; prepare(); exit(open('pyproject.toml').fileno())"
    assert run(f'"$PYTHON" -c "{code}" <&- >&- 2>&-').returncode > 2


def test_a_file_has_every_character(tmp_path: Path) -> None:
    code = "from bridge.cli.streams import prepare_streams; prepare_streams(); print('\\u00e9 \\u4f60')"
    run(f'PYTHONUTF8=0 PYTHONCOERCECLOCALE=0 LC_ALL=POSIX "$PYTHON" -c "{code}" >{tmp_path}/file')
    assert (tmp_path / "file").read_text("utf-8") == "é 你\n"


@pytest.mark.parametrize(("encoding", "expected"), [("ascii", "\\xe9 \\u4f60"), ("utf-8", "é 你")])
def test_a_character_that_the_encoding_lacks_is_escaped(encoding: str, expected: str) -> None:
    code = "from bridge.cli.streams import prepare_streams; prepare_streams(); print('\\u00e9 \\u4f60')"
    done = run(f'"$PYTHON" -c "{code}"', PYTHONIOENCODING=encoding)
    assert done.stdout.encode("utf-8", "surrogateescape").decode() == f"{expected}\n"


def test_json_is_json_in_every_encoding() -> None:
    code = "from bridge.cli.output import print_json; print_json('\\u00e9 \\u4f60')"
    assert json.loads(run(f'"$PYTHON" -c "{code}"', PYTHONIOENCODING="ascii").stdout) == "é 你"


def test_a_command_looks_for_no_garbage_when_it_ends() -> None:
    script = (
        "import atexit, gc, sys; atexit.register(lambda: print(gc.get_freeze_count() > 0, file=sys.stderr))\n"
        "sys.argv[1:] = ['tables']; from bridge.cli import main; main()"
    )
    assert run('"$PYTHON" -c "$SCRIPT"', SCRIPT=script).stderr == "True\n"
