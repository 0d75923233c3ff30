"""The file that keeps a token between runs: private to its user, or it counts as absent."""

import json
import os
import stat
import tempfile
from pathlib import Path
from typing import Any

LARGEST_FILE = 65_536


def read_private_json(path: Path) -> dict[str, Any] | None:
    """Return what a file holds that only this user can have written; None for a foreign, shared or damaged one."""
    try:
        # Without O_NONBLOCK a named pipe would wait for its other end for ever.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_uid != os.getuid() or status.st_mode & 0o077:
            return None
        entry = json.loads(os.read(descriptor, LARGEST_FILE))
    except (OSError, ValueError, RecursionError):
        return None
    finally:
        os.close(descriptor)
    return entry if isinstance(entry, dict) else None


def write_private_json(path: Path, entry: dict[str, Any]) -> None:
    """Write aside and rename, so that no reader meets half a file; where that is not possible, go on uncached."""
    try:
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError:
        return
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(entry, file)
        Path(name).replace(path)
    except OSError:
        Path(name).unlink(missing_ok=True)
