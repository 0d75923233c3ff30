"""The folder that a sync writes to: one sync at a time, each table replaced as a whole, and which of them are finished.

    to/
    ├── .particle-sync             locked while a sync runs; names the sync that was begun last
    ├── .devices.1f3c….aside/      what is being written
    ├── .devices.old/              what was there, for the moment in which it is replaced
    └── devices/                   a whole table
        ├── _particle_sync.json    the sync that wrote it, and a hash of the options it was read with
        └── part-….parquet

Spark and Arrow take no name that begins with a dot or an underscore for data.
"""

import fcntl
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO
from uuid import uuid4

from bridge.errors import ConfigurationError, TemporaryError

LOCK = ".particle-sync"
MARK = "_particle_sync.json"
ASIDE, OLD = ".aside", ".old"


@dataclass(frozen=True)
class Target:
    """A folder that this sync alone writes to."""

    folder: Path
    sync_id: str

    def aside(self, table: str) -> Path:
        """Give where a table is to be written first; no other sync ever writes there."""
        return self.folder / f".{table}.{uuid4().hex}{ASIDE}"

    def is_finished(self, table: str, options_hash: str) -> bool:
        """Whether this sync, before it was interrupted, had written a table with the same options."""
        return _read(self.folder / table / MARK) == self._mark(options_hash)

    def replace(self, table: str, new: Path, options_hash: str) -> None:
        """Put what was written aside into a table's place, marked as finished."""
        (new / MARK).write_text(json.dumps(self._mark(options_hash)), encoding="utf-8")
        target, old = self.folder / table, self.folder / f".{table}{OLD}"
        if target.exists():
            target.rename(old)
        new.rename(target)
        shutil.rmtree(old, ignore_errors=True)

    def _mark(self, options_hash: str) -> dict[str, str]:
        return {"sync": self.sync_id, "options": options_hash}

    def tidy(self) -> None:
        """Remove what an interrupted sync left behind; a table it was about to replace comes back."""
        for path in self.folder.glob(f".*{OLD}"):
            table = self.folder / path.name[1 : -len(OLD)]
            if not table.exists():
                path.rename(table)
        for path in (*self.folder.glob(f".*{ASIDE}"), *self.folder.glob(f".*{OLD}")):
            shutil.rmtree(path, ignore_errors=True)


@contextmanager
def target(folder: Path, *, resume: bool) -> Iterator[Target]:
    """Lock a folder for one sync: the one that was begun last with `resume`, else a new one.

    Raises TemporaryError while another sync holds it, and ConfigurationError for a folder that cannot be written to.
    """
    with _locked(folder) as lock:
        begun = _read(folder / LOCK).get("sync") if resume else None
        held = Target(folder, begun if isinstance(begun, str) else uuid4().hex)
        lock.truncate(0)
        lock.write(json.dumps({"sync": held.sync_id}))
        lock.flush()
        held.tidy()
        try:
            yield held
        finally:
            held.tidy()


def _locked(folder: Path) -> TextIO:
    """Open a folder's lock; the kernel lets go of it when the process ends, however it does."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / LOCK).open("a", encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"{folder} cannot be written to: {error.strerror}. Choose another folder.") from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        raise TemporaryError(
            f"Another sync writes into {folder}. Wait until it has ended, or choose another folder."
        ) from None
    return lock


def _read(path: Path) -> dict[str, Any]:
    """Read a small JSON object; one that is not there, or was cut off by a crash, counts as empty."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
