"""Delta tables in a folder; one commit adds the rows of a read and records how far they reach.

The rows wait in a Parquet file until all of them have come: a commit of Delta cannot be interrupted while the API is
asked.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bridge.errors import ConfigurationError
from bridge.export.folder import FolderSink, damaged, data_files, flush_tree, write_mark
from bridge.export.formats.arrow import described_schema
from bridge.export.formats.parquet import Parquet
from bridge.export.formats.sink import SNAPSHOT_DATE, Mark, Rows, windows_lost
from bridge.reading.times import iso_ms, moment_of
from bridge.tables.catalog import Table

if TYPE_CHECKING:
    import pyarrow as pa  # type: ignore[import-untyped]

APPLICATION = "particle-bridge"
"""The key under which a Delta log keeps the end of the last committed window, in ms since 1970."""


@dataclass(frozen=True)
class DeltaSink(FolderSink):
    """A folder of Delta tables."""

    def mark_of(self, table: Table) -> Mark | None:
        """Return the mark of a table; for windows, the table's log shows how far they reach."""
        mark = self.folder.mark_of(table.name)
        return mark and replace(mark, until=self._until(table) if mark.keeps == "windows" else "")

    def is_finished(self, table: Table, mark: Mark) -> bool:
        """Return whether this sync wrote the table with the same options before it was interrupted."""
        # The files of windows are in the log, and were checked there.
        return self.has_result_of(table, mark) and (mark.keeps == "windows" or self.folder.is_whole(table.name))

    def check_windows(self, table: Table, *, allow_data_loss: bool) -> None:
        """Raise ConfigurationError if files are gone or changed that the table's log names."""
        from deltalake import DeltaTable  # noqa: PLC0415

        place = self.folder.path / table.name
        if not _is_delta(place):
            return
        added = DeltaTable(place).get_add_actions(flatten=True)
        sizes = dict(zip(added["path"].to_pylist(), added["size_bytes"].to_pylist(), strict=True))
        if lost := damaged(place, sizes):
            raise ConfigurationError(
                f"{windows_lost(place, lost)} No reader of Delta can go on without them: restore them, or move the "
                "table away, which reads again all that the API keeps."
            )

    def write(self, rows: Rows, mark: Mark) -> None:
        """Write the rows of one read in one commit."""
        place = self.folder.path / rows.table.name
        with self.folder.aside(rows.table.name) as aside:
            file = aside / "rows.parquet"
            Parquet().write(rows, file)
            if self.folder.mark_of(rows.table.name) is None or (mark.keeps == "snapshot" and not _is_readable(place)):
                with self.folder.aside(rows.table.name) as empty:
                    self.folder.put(rows.table.name, empty, mark.before_its_rows())
            _commit(place, rows.table, file, mark)
        flush_tree(place)
        # What windows keep is in the log.
        write_mark(place, mark, files=data_files(place) if mark.keeps != "windows" else ())

    def _until(self, table: Table) -> str:
        from deltalake import DeltaTable  # noqa: PLC0415

        place = self.folder.path / table.name
        version = DeltaTable(place).transaction_version(APPLICATION) if _is_delta(place) else None
        return "" if version is None else iso_ms(datetime.datetime.fromtimestamp(version / 1000, datetime.timezone.utc))


def check_deltalake() -> None:
    """Raise ConfigurationError if the library for Delta is missing."""
    try:
        import deltalake  # noqa: F401, PLC0415
    except ImportError:
        raise ConfigurationError("The format delta needs deltalake: pip install deltalake.") from None


def _commit(place: Path, table: Table, file: Path, mark: Mark) -> None:
    import pyarrow as pa  # noqa: PLC0415
    from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake  # noqa: PLC0415
    from pyarrow.parquet import ParquetFile  # type: ignore[import-untyped]  # noqa: PLC0415

    schema = described_schema(table)
    how: dict[str, Any] = {"mode": "overwrite", "schema_mode": "overwrite"}
    if mark.keeps == "days":
        schema = schema.append(pa.field(SNAPSHOT_DATE, pa.date32()))
        how = {"mode": "overwrite", "partition_by": [SNAPSHOT_DATE], "schema_mode": "merge"}
        if _is_delta(place):
            how["predicate"] = f"{SNAPSHOT_DATE} = '{mark.day}'"
    if mark.keeps == "windows":
        end = round(moment_of(mark.until).timestamp() * 1000)
        done = CommitProperties(app_transactions=[Transaction(APPLICATION, end)])
        how = {"mode": "append", "schema_mode": "merge", "commit_properties": done}
    key = f"Key: {', '.join(table.primary_key)}."
    with ParquetFile(file) as read:
        batches = (_on_day(batch, mark.day, schema) for batch in read.iter_batches())
        data = pa.RecordBatchReader.from_batches(schema, batches)
        write_deltalake(place, data, name=table.name, description=f"{table.description} {key}", **how)
    if mark.keeps != "windows":
        # Files that were replaced more than a week ago.
        DeltaTable(place).vacuum(dry_run=False)


def _on_day(batch: pa.RecordBatch, day: str, schema: pa.Schema) -> pa.RecordBatch:
    import pyarrow as pa  # noqa: PLC0415

    columns = list(batch.columns)
    if day:
        columns.append(pa.array([datetime.date.fromisoformat(day)] * batch.num_rows, pa.date32()))
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _is_delta(place: Path) -> bool:
    return any((place / "_delta_log").glob("*.json"))


def _is_readable(place: Path) -> bool:
    """Return whether a table has no log yet, or one that is not damaged."""
    from deltalake import DeltaTable  # noqa: PLC0415
    from deltalake.exceptions import DeltaError  # noqa: PLC0415

    try:
        return not _is_delta(place) or bool(DeltaTable(place).schema())
    except DeltaError:
        return False
