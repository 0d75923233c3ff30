"""Where a sync writes to: checked before anything is read, and locked while it runs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bridge.errors import OptionError, quoted
from bridge.export.folder import check_folder, locked_folder
from bridge.export.formats.delta import DeltaSink, check_deltalake
from bridge.export.formats.duckdb import check_database, duckdb_sink
from bridge.export.formats.files import FileFormat, FileSink
from bridge.export.formats.parquet import Parquet
from bridge.export.formats.sink import Sink
from bridge.export.formats.text import Csv, JsonLines
from bridge.tables.catalog import Table

_FILES: dict[str, type[Parquet | Csv | JsonLines]] = {"parquet": Parquet, "csv": Csv, "jsonl": JsonLines}
FORMATS = ("parquet", "delta", "duckdb", "csv", "jsonl")
DATABASES = (".duckdb", ".db")


@dataclass(frozen=True)
class Place:
    """A folder, or a database, and the tables that are to be written there."""

    to: Path
    format: str
    tables: tuple[Table, ...]

    @classmethod
    def of(cls, to: Path, file_format: str | None, tables: tuple[Table, ...]) -> Place:
        """Return a place; the format defaults to duckdb for a file with that ending, otherwise to parquet.

        Raises OptionError for a format that does not exist, and for an address such as s3://bucket.
        """
        if re.match(r"\w[\w+.-]+:/", str(to)):
            raise OptionError(f"Received {quoted(str(to))} to write to; expected a folder or file of this machine.")
        # Arrow takes a relative name with a colon for an address.
        to = to.expanduser().absolute()
        chosen = file_format or ("duckdb" if to.suffix in DATABASES else "parquet")
        if chosen not in FORMATS:
            raise OptionError(f"Received {quoted(chosen)} for the format; expected one of: {', '.join(FORMATS)}.")
        if chosen == "delta":
            check_deltalake()
        return cls(to, chosen, tables)

    @property
    def names(self) -> list[str]:
        """The names of the tables."""
        return [table.name for table in self.tables]

    def check(self) -> None:
        """Raise ConfigurationError if a sync would touch foreign files; changes nothing."""
        if self.format == "duckdb":
            check_database(self.to, self.tables)
        else:
            check_folder(self.to, self.names, self.format)

    @contextmanager
    def held(self, *, resume: bool, writer: FileFormat | None = None) -> Iterator[Sink]:
        """Lock it for one sync; raises TemporaryError while another sync has it, and what `check` raises.

        `writer` writes the files in place of this process.
        """
        if self.format == "duckdb":
            with duckdb_sink(self.to, self.tables, resume=resume) as database:
                yield database
            return
        with locked_folder(self.to, self.names, self.format, resume=resume) as folder:
            if self.format == "delta":
                yield DeltaSink(folder)
            else:
                yield FileSink(folder, writer or _FILES[self.format]())
