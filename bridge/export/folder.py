"""The folder of a sync: locked for one sync, tables are written as a whole, and foreign files are never touched.

    to/
    ├── .particle-sync                         locked while a sync runs; names its format and the last sync
    ├── .particle-sync.devices.1f3c….aside/    what is being written
    ├── .particle-sync.devices.1f3c….old/      the old table, while it is being replaced
    └── devices/                               a complete table
        ├── _particle_sync.json                the mark: what wrote the table, what it keeps, and the sizes of its files
        └── part-….parquet

DuckDB, Spark and Arrow ignore names that begin with a dot or an underscore. A folder without a mark is foreign: a sync
refuses to write there, and does not touch it when it cleans up. Temporary folders need no mark: their names are ours
alone. Files are flushed to disk before they are renamed, so that a power failure leaves either the old or the new
table. The sizes in the mark show whether a disk lost what was flushed.
"""

import fcntl
import json
import os
import re
import shutil
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO
from uuid import uuid4

from bridge.errors import ConfigurationError, TemporaryError
from bridge.export.formats.sink import (
    LOCK,
    MARK,
    Mark,
    json_object_in,
    last_sync_note,
    sync_to_continue,
    unwritten_tables,
)
from bridge.tables.catalog import Table, tables

ASIDE, OLD = ".aside", ".old"
_TABLE = f"({'|'.join(tables())})"
_OURS = re.compile(rf"{re.escape(LOCK)}\.{_TABLE}\.[0-9a-f]{{32}}({ASIDE}|{OLD})")
# Names that others may have chosen too.
_EARLIER = re.compile(rf"\.{_TABLE}(\.[0-9a-f]{{32}})?({ASIDE}|{OLD})")


@dataclass(frozen=True)
class Folder:
    """A folder that only this sync writes to."""

    path: Path
    sync_id: str
    format: str
    unwritten: Sequence[str] = ()
    """The tables that are left of the sync that is resumed."""

    def mark_of(self, table: str) -> Mark | None:
        """Return the mark of a table, None if there is no table."""
        return Mark.of_json(json_object_in(self.path / table / MARK))

    def note(self, unwritten: Sequence[str]) -> None:
        """Note which tables the sync is still to write."""
        note = {**last_sync_note(self.sync_id, unwritten), "format": self.format}
        (self.path / LOCK).write_text(json.dumps(note), encoding="utf-8")
        flush(self.path / LOCK)

    def is_whole(self, table: str) -> bool:
        """Return whether there are files, all that the mark names, with the sizes that they were written with."""
        return bool(self._sizes(table)) and not self.damaged(table)

    def damaged(self, table: str) -> list[str]:
        """Return the files of a table that are gone, or no longer have the size that they were written with."""
        return damaged(self.path / table, self._sizes(table))

    def _sizes(self, table: str) -> dict[str, int]:
        sizes = json_object_in(self.path / table / MARK).get("files")
        return sizes if isinstance(sizes, dict) else {}

    @contextmanager
    def aside(self, table: str) -> Iterator[Path]:
        """Yield a new folder to write into; whatever is left of it at the end is removed."""
        path = self._temporary(table, ASIDE)
        path.mkdir()
        try:
            yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)

    def put(self, table: str, new: Path, mark: Mark) -> None:
        """Move a temporary folder to the place of a table, and remove the old one."""
        write_mark(new, mark, files=data_files(new))
        flush_tree(new)
        place, old = self.path / table, self._temporary(table, OLD)
        if place.exists():
            place.rename(old)
        new.rename(place)
        flush(self.path)
        shutil.rmtree(old, ignore_errors=True)

    def add(self, table: str, file: Path, name: str, mark: Mark) -> None:
        """Move a temporary file into a table; it replaces a file of the same name."""
        place = self.path / table / name
        if not place.parent.exists():
            place.parent.mkdir()
            flush(place.parent.parent)
        flush(file)
        file.replace(place)
        flush(place.parent)
        write_mark(self.path / table, mark, files=data_files(self.path / table))

    def tidy(self) -> None:
        """Remove what an interrupted sync left behind; restore a table that it was replacing."""
        for path in self._left_behind(OLD):
            place = self.path / path.name.split(".")[-3 if _OURS.fullmatch(path.name) else 1]
            if is_marked(path) and not os.path.lexists(place):
                path.rename(place)
        for path in (*self._left_behind(ASIDE), *self._left_behind(OLD)):
            shutil.rmtree(path, ignore_errors=True)

    def _temporary(self, table: str, ending: str) -> Path:
        return self.path / f"{LOCK}.{table}.{uuid4().hex}{ending}"

    def _left_behind(self, ending: str) -> list[Path]:
        found = [path for path in self.path.glob(f".*{ending}") if _is_folder(path)]
        return [
            path for path in found if _OURS.fullmatch(path.name) or (_EARLIER.fullmatch(path.name) and is_marked(path))
        ]


@dataclass(frozen=True)
class FolderSink:
    """A sink that gives each table a folder of its own, all of them in one folder."""

    folder: Folder

    @property
    def sync_id(self) -> str:
        """The id of the sync that holds the folder."""
        return self.folder.sync_id

    def place_of(self, table: Table) -> str:
        """Return the folder of a table."""
        return str(self.folder.path / table.name)

    @property
    def unwritten(self) -> Sequence[str]:
        """The tables that are left of the sync that is resumed."""
        return self.folder.unwritten

    def note(self, unwritten: Sequence[str]) -> None:
        """Note which tables the sync is still to write."""
        self.folder.note(unwritten)

    def has_result_of(self, table: Table, mark: Mark) -> bool:
        """Return whether this sync wrote the table with the same options before it was interrupted."""
        before = self.folder.mark_of(table.name)
        return before is not None and before.is_result_of(mark)


def check_folder(path: Path, names: Iterable[str], file_format: str) -> None:
    """Raise ConfigurationError if a sync would touch foreign files or tables of another format; changes nothing.

    `names` are the tables that are to be written.
    """
    if path.exists() and not path.is_dir():
        raise ConfigurationError(f"{path} is not a folder. Choose another one.")
    lock = path / LOCK
    if os.path.lexists(lock) and not _is_our_lock(lock):
        raise ConfigurationError(f"{lock} was not written by this tool. Choose another folder, or move it away.")
    written = json_object_in(lock).get("format", file_format)
    if written != file_format:
        raise ConfigurationError(
            f"{path} contains tables in the format {written}. Choose another folder for {file_format}, or write "
            f"{written}."
        )
    for name in names:
        if os.path.lexists(path / name) and not is_marked(path / name):
            raise ConfigurationError(
                f"{path / name} was not written by this tool, and would be replaced. Choose another folder, or move it "
                "away."
            )


@contextmanager
def locked_folder(path: Path, names: Iterable[str], file_format: str, *, resume: bool) -> Iterator[Folder]:
    """Lock a folder for one sync: with `resume` the last one unless it was complete, otherwise a new one.

    Raises TemporaryError while another sync holds it, and ConfigurationError for a folder that cannot be written to or
    contains foreign files.
    """
    check_folder(path, names, file_format)
    with _locked(path):
        last = json_object_in(path / LOCK) if resume else {}
        held = Folder(path, sync_to_continue(last), file_format, unwritten_tables(last))
        held.tidy()
        try:
            yield held
        finally:
            held.tidy()


def is_marked(path: Path) -> bool:
    """Return whether a folder, not a link to one, was written by a sync."""
    return _is_folder(path) and not (path / MARK).is_symlink() and Mark.of_json(json_object_in(path / MARK)) is not None


def write_mark(folder: Path, mark: Mark, files: Iterable[Path] = ()) -> None:
    """Write a table's mark in one step, with the sizes of the files that were written."""
    new = folder / f"{MARK}.new"
    sizes = {str(path.relative_to(folder)): path.stat().st_size for path in files}
    new.write_text(json.dumps({**mark.to_write(), "files": sizes}), encoding="utf-8")
    flush(new)
    new.replace(folder / MARK)
    flush(folder)


def data_files(folder: Path) -> list[Path]:
    """Return the files of a table that contain rows."""
    paths = (path for path in folder.rglob("*") if path.is_file())
    return sorted(path for path in paths if not path.name.startswith((".", "_")))


def damaged(folder: Path, sizes: Mapping[str, int]) -> list[str]:
    """Return the files of a folder that are not there with their sizes."""
    paths = {name: folder / name for name in sizes}
    return [name for name, path in paths.items() if not path.is_file() or path.stat().st_size != sizes[name]]


def flush(path: Path) -> None:
    """Flush a file, or the names in a folder, to disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def flush_tree(folder: Path) -> None:
    """Flush everything in a folder to disk."""
    for path in (*folder.rglob("*"), folder):
        flush(path)


def _locked(folder: Path) -> TextIO:
    """Open a folder's lock; the kernel releases it when the process ends, in whatever way."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = os.fdopen(os.open(folder / LOCK, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o644), "a")
    except OSError as error:
        raise ConfigurationError(f"{folder} cannot be written to: {error.strerror}. Choose another folder.") from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        raise TemporaryError(
            f"Another sync is writing to {folder}. Wait until it has finished, or choose another folder."
        ) from None
    return lock


def _is_our_lock(path: Path) -> bool:
    """Return whether a file is the lock of an earlier sync, even one truncated by a crash."""
    if not stat.S_ISREG(path.lstat().st_mode):
        return False
    content = path.read_bytes()[:1000].strip(b"\0")
    return not content or content.startswith(b'{"sync"')


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()
