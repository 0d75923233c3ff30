"""The folder of a sync: locked, cleaned up after any interruption, and no foreign files touched."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from bridge.errors import ConfigurationError, TemporaryError
from bridge.export.folder import OLD, check_folder, locked_folder, write_mark
from bridge.export.formats.sink import LOCK, MARK, Mark
from bridge.tables.catalog import tables
from unit_tests.support.paths import ROOT

OURS = Mark("snapshot", "a sync", "hash")


def _finish(to: Path, *, resume: bool = False, content: str = "new") -> None:
    with locked_folder(to, ["devices"], "parquet", resume=resume) as held:
        held.note(["devices"])
        mark = replace(OURS, sync=held.sync_id)
        with held.aside("devices") as aside:
            (aside / "part-0.parquet").write_text(content)
            held.put("devices", aside, mark)


def _is_finished(to: Path, options: str = "hash", *, resume: bool = True) -> bool:
    with locked_folder(to, ["devices"], "parquet", resume=resume) as held:
        held.note(["devices"])
        mark = held.mark_of("devices")
        assert mark is not None
        return mark.is_result_of(Mark("snapshot", held.sync_id, options)) and held.is_whole("devices")


def _ours(folder: Path, content: str) -> Path:
    folder.mkdir()
    write_mark(folder, OURS)
    (folder / "part-0.parquet").write_text(content)
    return folder


def _tidy(to: Path) -> None:
    with locked_folder(to, [], "parquet", resume=False):
        pass


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


def test_a_table_whose_files_are_gone_is_not_finished(tmp_path: Path) -> None:
    _finish(tmp_path)
    (tmp_path / "devices" / "part-0.parquet").unlink()
    assert not _is_finished(tmp_path)


@pytest.mark.parametrize("content", ["", '{"sync": "cut o', "\0\0\0"])
def test_a_lock_that_a_crash_has_cut_off_means_that_nothing_is_finished(content: str, tmp_path: Path) -> None:
    _finish(tmp_path)
    (tmp_path / LOCK).write_text(content)
    assert not _is_finished(tmp_path)
    assert json.loads((tmp_path / LOCK).read_text())["sync"]


@pytest.mark.parametrize("size", [0, 2])
def test_a_table_whose_files_were_cut_is_not_finished(size: int, tmp_path: Path) -> None:
    _finish(tmp_path)
    with (tmp_path / "devices" / "part-0.parquet").open("r+") as file:
        file.truncate(size)
    assert not _is_finished(tmp_path)


@pytest.mark.parametrize("files", [None, [], {}, ["part-0.parquet"], "part-0.parquet"])
def test_a_table_whose_mark_knows_no_sizes_is_not_finished(files: object, tmp_path: Path) -> None:
    _finish(tmp_path)
    mark = tmp_path / "devices" / MARK
    mark.write_text(json.dumps({**json.loads(mark.read_text()), "files": files}))
    assert not _is_finished(tmp_path)


@pytest.mark.parametrize("old", [".devices.old", f".devices.{32 * 'a'}.old", f".particle-sync.devices.{32 * 'a'}.old"])
def test_a_table_that_was_about_to_be_replaced_comes_back(old: str, tmp_path: Path) -> None:
    _ours(tmp_path / old, "old")
    _ours(tmp_path / f".devices.{32 * '1'}.aside", "half")
    (tmp_path / f"{LOCK}.products.{32 * '1'}.aside").mkdir()
    (tmp_path / f"{LOCK}.sims.{32 * '1'}.old").mkdir()
    (tmp_path / f"{LOCK}.sims.{32 * '1'}.old" / "part-0.parquet").write_text("half deleted")
    _tidy(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"devices", LOCK}
    assert (tmp_path / "devices" / "part-0.parquet").read_text() == "old"


def test_a_table_that_was_replaced_but_not_tidied_up_is_the_new_one(tmp_path: Path) -> None:
    _ours(tmp_path / ".devices.old", "old")
    _ours(tmp_path / "devices", "new")
    _tidy(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"devices", LOCK}
    assert (tmp_path / "devices" / "part-0.parquet").read_text() == "new"


SOMEBODY_ELSES = [".config.old", ".work.aside", ".bashrc.old", ".devices.old", ".sims.old", ".devices.aside"]
SOMEBODY_ELSES += [".devices.mine.aside", f".devices.{32 * '1'}.aside", f".sims.{32 * '1'}.old", f"{LOCK}.mine.old"]


@pytest.mark.parametrize("name", SOMEBODY_ELSES)
def test_an_empty_folder_of_somebody_else_stays_when_a_sync_tidies_up(name: str, tmp_path: Path) -> None:
    (tmp_path / name).mkdir()
    _finish(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {name, "devices", LOCK}


@pytest.mark.parametrize("name", SOMEBODY_ELSES)
def test_what_somebody_else_wrote_stays_when_a_sync_tidies_up(name: str, tmp_path: Path) -> None:
    (tmp_path / name).mkdir()
    (tmp_path / name / "precious").write_text("precious")
    _finish(tmp_path)
    assert (tmp_path / name / "precious").read_text() == "precious"


def _foreign_folder(path: Path, elsewhere: Path) -> None:
    path.mkdir()
    (path / "precious").write_text("precious")


def _foreign_file(path: Path, elsewhere: Path) -> None:
    path.write_text("precious")


def _link_to_nothing(path: Path, elsewhere: Path) -> None:
    path.symlink_to(elsewhere / "nothing")


def _link_to_a_table(path: Path, elsewhere: Path) -> None:
    path.symlink_to(_ours(elsewhere / "table", "new"))


def _folder_with_a_linked_mark(path: Path, elsewhere: Path) -> None:
    path.mkdir()
    (path / MARK).symlink_to(_ours(elsewhere / "table", "new") / MARK)


FOREIGN = [_foreign_folder, _foreign_file, _link_to_nothing, _link_to_a_table, _folder_with_a_linked_mark]


@pytest.mark.parametrize("make", FOREIGN, ids=lambda make: make.__name__)
@pytest.mark.parametrize("name", tables())
def test_what_has_the_name_of_a_table_and_no_mark_is_refused(
    make: Callable[[Path, Path], None], name: str, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    make(tmp_path / name, tmp_path_factory.mktemp("elsewhere"))
    before = {path: path.lstat().st_ctime_ns for path in tmp_path.rglob("*")}
    with pytest.raises(ConfigurationError, match=f"{name} was not written by this tool"):
        check_folder(tmp_path, [name], "parquet")
    assert {path: path.lstat().st_ctime_ns for path in tmp_path.rglob("*")} == before


@pytest.mark.parametrize("make", [_foreign_folder, _foreign_file, _link_to_nothing, _link_to_a_table])
def test_a_lock_that_is_not_ours_is_refused(
    make: Callable[[Path, Path], None], tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    make(tmp_path / LOCK, tmp_path_factory.mktemp("elsewhere"))
    with pytest.raises(ConfigurationError, match=f"{LOCK} was not written by this tool"):
        _finish(tmp_path)
    assert not (tmp_path / "devices").exists()


def test_a_folder_holds_one_format(tmp_path: Path) -> None:
    _finish(tmp_path)
    with pytest.raises(ConfigurationError, match="contains tables in the format parquet"):
        check_folder(tmp_path, ["devices"], "csv")


class Disk:
    """Watches what is flushed, and what a power failure would do to what is renamed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._flushed: dict[Path, os.stat_result] = {}
        self._unsafe: set[Path] = set()
        self.renamed: list[str] = []
        self._fsync, self._rmtree = os.fsync, shutil.rmtree
        monkeypatch.setattr(os, "fsync", self._on_flush)
        monkeypatch.setattr(shutil, "rmtree", self._on_removal)
        for name in ("rename", "replace"):
            monkeypatch.setattr(os, name, partial(self._on_rename, getattr(os, name)))

    def _on_flush(self, descriptor: int) -> None:
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        self._flushed[path] = path.stat()
        self._unsafe.discard(path)
        self._fsync(descriptor)

    def _on_rename(self, rename: Callable[..., None], source: Any, target: Any) -> None:
        source, target = Path(source), Path(target)
        if target.suffix != OLD:
            for path in [source, *source.rglob("*")]:
                flushed = self._flushed.get(path)
                assert flushed is not None, f"{path} is renamed before it is flushed"
                assert (flushed.st_size, flushed.st_mtime_ns) == (path.stat().st_size, path.stat().st_mtime_ns), path
        self.renamed.append(target.name)
        self._unsafe.add(target.parent)
        rename(source, target)

    def _on_removal(self, path: Path, **options: Any) -> None:
        self.check_names()
        self._rmtree(path, **options)

    def check_names(self) -> None:
        """Fail if a power failure would undo a renaming."""
        assert not self._unsafe, f"renamed in {self._unsafe}, which is not flushed"


def test_what_is_renamed_was_flushed_and_so_is_its_new_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _finish(tmp_path, content="old")
    disk = Disk(monkeypatch)
    _finish(tmp_path)
    mark = replace(OURS, keeps="days")
    with locked_folder(tmp_path, ["devices"], "parquet", resume=False) as held, held.aside("devices") as aside:
        (aside / "part-0.parquet").write_text("today's")
        held.add("devices", aside / "part-0.parquet", "snapshot_date=2026-01-31/part-0.parquet", mark)
    disk.check_names()
    assert [name for name in disk.renamed if not name.endswith(OLD)] == [MARK, "devices", "part-0.parquet", MARK]


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
for owner, name in ((pathlib.Path, "rename"), (pathlib.Path, "replace"), (shutil, "rmtree")):
    setattr(owner, name, killing(getattr(owner, name)))
from unit_tests.bridge.export.test_folder import _finish
_finish(pathlib.Path(sys.argv[1]))
"""
# The mark of what was written aside; the old table goes, the new one comes; what was there is removed.
STEPS = ["old", "old", "old", "new"]


@pytest.mark.parametrize(("step", "left"), list(enumerate(STEPS)))
def test_a_kill_during_a_replacement_leaves_a_complete_table(step: int, left: str, tmp_path: Path) -> None:
    _finish(tmp_path, content="old")
    killed = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path), str(step)], cwd=ROOT, check=False)
    assert killed.returncode == -signal.SIGKILL
    # Whether a sync continues or a new one begins, nothing is left of the one that was killed but a whole table.
    assert _is_finished(tmp_path, resume=True) == (left == "new")
    assert {path.name for path in tmp_path.iterdir()} == {"devices", LOCK}
    assert (tmp_path / "devices" / "part-0.parquet").read_text() == left


def test_a_second_sync_is_refused_until_the_first_has_ended(tmp_path: Path) -> None:
    with locked_folder(tmp_path, [], "parquet", resume=False):
        for resume in (True, False):
            with pytest.raises(TemporaryError, match="Another sync is writing to"):
                _finish(tmp_path, resume=resume)
    _finish(tmp_path)
    assert _is_finished(tmp_path)


def test_a_folder_that_cannot_be_is_a_named_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path, message in ((tmp_path / "file", "is not a folder"), (tmp_path / "file" / "in it", "cannot be written")):
        with pytest.raises(ConfigurationError, match=message):
            _tidy(path)
