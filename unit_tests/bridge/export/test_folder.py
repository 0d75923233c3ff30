"""The folder of a sync: locked, and tidy whatever happened before."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bridge.errors import ConfigurationError, TemporaryError
from bridge.export.folder import LOCK, MARK, target
from unit_tests.support.paths import ROOT


def _written(folder: Path, content: str) -> Path:
    folder.mkdir()
    (folder / "part-0.parquet").write_text(content)
    return folder


def _finish(to: Path, *, resume: bool = False, content: str = "new") -> None:
    with target(to, resume=resume) as held:
        held.replace("devices", _written(held.aside("devices"), content), "hash")


def _is_finished(to: Path, options_hash: str = "hash", *, resume: bool = True) -> bool:
    with target(to, resume=resume) as held:
        return held.is_finished("devices", options_hash)


def test_a_table_is_replaced_as_a_whole_and_marked(tmp_path: Path) -> None:
    _finish(tmp_path, content="old")
    _finish(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"devices", LOCK}
    assert {path.name for path in (tmp_path / "devices").iterdir()} == {"part-0.parquet", MARK}
    assert (tmp_path / "devices" / "part-0.parquet").read_text() == "new"


def test_what_is_finished_is_so_for_the_same_sync_and_the_same_options(tmp_path: Path) -> None:
    _finish(tmp_path)
    assert _is_finished(tmp_path)
    assert not _is_finished(tmp_path, "another hash")
    assert not _is_finished(tmp_path, resume=False)
    # That was another sync, and it is now the last one.
    assert not _is_finished(tmp_path)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"sync": 5}', "{}", "\x00"])
def test_a_damaged_note_of_the_last_sync_means_that_nothing_is_finished(content: str, tmp_path: Path) -> None:
    _finish(tmp_path)
    (tmp_path / LOCK).write_text(content)
    assert not _is_finished(tmp_path)
    assert json.loads((tmp_path / LOCK).read_text())["sync"]


def test_a_table_that_was_about_to_be_replaced_comes_back(tmp_path: Path) -> None:
    _written(tmp_path / ".devices.old", "old")
    _written(tmp_path / ".devices.1f.aside", "half")
    _finish_nothing(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"devices", LOCK}
    assert (tmp_path / "devices" / "part-0.parquet").read_text() == "old"


def test_a_table_that_was_replaced_but_not_tidied_up_is_the_new_one(tmp_path: Path) -> None:
    _written(tmp_path / ".devices.old", "old")
    _written(tmp_path / "devices", "new")
    _finish_nothing(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"devices", LOCK}
    assert (tmp_path / "devices" / "part-0.parquet").read_text() == "new"


# Ends the process by SIGKILL in place of the n-th step of a replacement: a renaming, or the removal of what was there.
KILLED = """
import os, pathlib, shutil, signal, sys
steps = [int(sys.argv[2])]
def killing(step):
    def run(*args, **options):
        steps[0] -= 1
        if steps[0] < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return step(*args, **options)
    return run
pathlib.Path.rename, shutil.rmtree = killing(pathlib.Path.rename), killing(shutil.rmtree)
from unit_tests.bridge.export.test_folder import _finish
_finish(pathlib.Path(sys.argv[1]))
"""


@pytest.mark.parametrize(("step", "left"), list(enumerate(["old", "old", "new"])))
def test_a_kill_in_the_middle_of_a_replacement_leaves_a_whole_table(step: int, left: str, tmp_path: Path) -> None:
    _finish(tmp_path, content="old")
    killed = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path), str(step)], cwd=ROOT, check=False)
    assert killed.returncode == -signal.SIGKILL
    # Whether a sync goes on or a new one begins, nothing is left of the one that was killed but a whole table.
    assert _is_finished(tmp_path, resume=True) == (left == "new")
    assert {path.name for path in tmp_path.iterdir()} == {"devices", LOCK}
    assert (tmp_path / "devices" / "part-0.parquet").read_text() == left


def _finish_nothing(to: Path) -> None:
    with target(to, resume=False):
        pass


def test_two_syncs_never_write_aside_to_the_same_place(tmp_path: Path) -> None:
    with target(tmp_path, resume=False) as held:
        first, second = held.aside("devices"), held.aside("devices")
    assert first != second
    assert first.parent == tmp_path


def test_a_second_sync_is_refused_until_the_first_has_ended(tmp_path: Path) -> None:
    with target(tmp_path, resume=False) as held:
        for resume in (True, False):
            with pytest.raises(TemporaryError, match="Another sync writes into"), target(tmp_path, resume=resume):
                pass
        # Nor has it taken the place of the first.
        held.replace("devices", _written(held.aside("devices"), "new"), "hash")
    assert _is_finished(tmp_path)


def test_a_folder_that_cannot_be_is_a_named_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="cannot be written to"), target(tmp_path / "file", resume=False):
        pass
