"""The file that keeps a token between runs: private to its user, or it counts as absent."""

import json
import logging
import os
import stat
import tempfile
from pathlib import Path
from typing import Any

LOGGER = logging.getLogger("airbyte.source_particle")
LARGEST_FILE = 65_536


def read_private_json(path: Path) -> dict[str, Any] | None:
    """Return the content of a file that only this user can have written; None for any other or a damaged one."""
    try:
        # Without O_NONBLOCK, opening a named pipe would block until its other end is opened.
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
    """Write a temporary file and rename it, so that no reader sees half a file; create a missing folder.

    Where that is not possible, a warning says so, and each run signs in.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        _warn(path, error)
        return
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(entry, file)
        Path(name).replace(path)
    except OSError as error:
        Path(name).unlink(missing_ok=True)
        _warn(path, error)


def _warn(path: Path, error: OSError) -> None:
    problem = error.strerror or type(error).__name__
    LOGGER.warning("token_cache_file: %s cannot be written (%s), so each run signs in.", path, problem)
