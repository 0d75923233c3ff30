"""Tables as files in a folder: Parquet, CSV or JSON lines.

The latest snapshot is one file, `part-0.parquet`. Days are partitions, `snapshot_date=2026-01-31/part-0.parquet`. A
window is a file that its bounds name, `19700101T000000.000Z_20260131T120000.000Z.parquet`, so that one renaming adds
its rows and says up to where they were read.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from bridge.errors import ConfigurationError
from bridge.export.folder import FolderSink, data_files
from bridge.export.formats.sink import SNAPSHOT_DATE, Mark, Rows, windows_lost
from bridge.tables.catalog import Table

_WINDOW = re.compile(r"\d{8}T\d{6}\.\d{3}Z_(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d\.\d{3}Z)\..+", re.ASCII)


class FileFormat(Protocol):
    """Writes the rows of a table to a file."""

    name: str
    """Also the ending of the file name."""

    def write(self, rows: Rows, file: Path) -> None:
        """Write all rows into a new file."""


@dataclass(frozen=True)
class FileSink(FolderSink):
    """A folder of tables in one format."""

    format: FileFormat

    def mark_of(self, table: Table) -> Mark | None:
        """Return the mark of a table; for windows, the file names show how far they reach."""
        mark = self.folder.mark_of(table.name)
        if mark is None or mark.keeps != "windows":
            return mark
        names = (path.name for path in data_files(self.folder.path / table.name))
        return replace(mark, until=max(map(_end_of, names), default=""))

    def is_finished(self, table: Table, mark: Mark) -> bool:
        """Return whether this sync wrote the table with the same options before it was interrupted."""
        return self.has_result_of(table, mark) and self.folder.is_whole(table.name)

    def check_windows(self, table: Table, *, allow_data_loss: bool) -> None:
        """Raise ConfigurationError for a changed window, and for a missing one unless it follows one that is there."""
        mark, place = self.mark_of(table), self.folder.path / table.name
        if mark is None or allow_data_loss:
            return
        found = self.folder.damaged(table.name)
        # Behind the last window, the next one reads what is missing. If none is left, that may be too old to be read.
        if lost := [name for name in found if not mark.until or (place / name).exists() or _end_of(name) <= mark.until]:
            raise ConfigurationError(
                f"{windows_lost(place, lost)} Restore them, or move the table away, which reads again all that the API "
                "keeps. Or go on without them with --allow-data-loss."
            )

    def write(self, rows: Rows, mark: Mark) -> None:
        """Write the rows of one read to a temporary place, and then rename it."""
        before, name = self.folder.mark_of(rows.table.name), self._name(mark)
        with self.folder.aside(rows.table.name) as aside:
            file = aside / name
            file.parent.mkdir(exist_ok=True)
            self.format.write(rows, file)
            if before is None or mark.keeps == "snapshot":
                self.folder.put(rows.table.name, aside, mark)
            else:
                self.folder.add(rows.table.name, file, name, mark)

    def _name(self, mark: Mark) -> str:
        if mark.keeps == "windows":
            return f"{re.sub('[-:]', '', f'{mark.start}_{mark.until}')}.{self.format.name}"
        partition = f"{SNAPSHOT_DATE}={mark.day}/" if mark.keeps == "days" else ""
        return f"{partition}part-0.{self.format.name}"


def _end_of(name: str) -> str:
    """Return the end of the window that a file holds; "" if its name is not that of a window."""
    match = _WINDOW.fullmatch(name)
    return match.expand(r"\1-\2-\3T\4:\5:\6") if match else ""
