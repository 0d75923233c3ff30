"""Tables in a DuckDB file, with types, keys and comments; rows and mark are written in one transaction.

The key of a snapshot is declared. That of an append table is not, as its index would have to be held in memory: there
the windows make sure that no row arrives twice.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bridge.errors import ConfigurationError, TemporaryError, shortened
from bridge.export.formats.arrow import comments, row_groups
from bridge.export.formats.sink import (
    SNAPSHOT_DATE,
    Mark,
    Rows,
    json_object,
    last_sync_note,
    sync_to_continue,
    unwritten_tables,
)
from bridge.rows.schema import RESCUED_DATA, arrow_schema, kind_of
from bridge.tables.catalog import JsonSchema, Table

if TYPE_CHECKING:
    import duckdb

MARKS = "_particle_sync"
"""The table with the mark of each table, and with a note about the last sync."""
LAST_SYNC = ""
"""The name under which that note is."""

_SCALARS = {"integer": "BIGINT", "number": "DOUBLE", "boolean": "BOOLEAN", "string": "VARCHAR"}


@dataclass(frozen=True)
class DuckDbSink:
    """A database that only this sync writes to."""

    file: Path
    database: duckdb.DuckDBPyConnection
    sync_id: str
    unwritten: Sequence[str] = ()
    """The tables that are left of the sync that is resumed."""

    def place_of(self, table: Table) -> str:
        """Return the file and the table in it."""
        return f"{self.file}, table {table.name},"

    def mark_of(self, table: Table) -> Mark | None:
        """Return the mark of a table, None if there is no table."""
        return Mark.of_json(_note(self.database, table.name)) if _exists(self.database, table.name) else None

    def is_finished(self, table: Table, mark: Mark) -> bool:
        """Return whether this sync wrote the table with the same options before it was interrupted."""
        before = self.mark_of(table)
        return before is not None and before.is_result_of(mark)

    def check_windows(self, table: Table, *, allow_data_loss: bool) -> None:
        """Do nothing: rows and mark are in one file."""

    def note(self, unwritten: Sequence[str]) -> None:
        """Note which tables the sync is still to write."""
        _write_note(self.database, LAST_SYNC, last_sync_note(self.sync_id, unwritten))

    def write(self, rows: Rows, mark: Mark) -> None:
        """Write the rows of one read in one transaction."""
        before = self.mark_of(rows.table)
        with transaction(self.database):
            if before is None or mark.keeps == "snapshot":
                _create(self.database, rows.table, mark)
            else:
                _widen(self.database, rows.table)
            if mark.keeps == "days":
                _run(self.database, f'DELETE FROM "{rows.table.name}" WHERE {SNAPSHOT_DATE} = ?', mark.day)
            self._insert(rows, mark)
            _write_note(self.database, rows.table.name, mark.to_write())

    def _insert(self, rows: Rows, mark: Mark) -> None:
        day = f", DATE '{mark.day}' AS {SNAPSHOT_DATE}" if mark.keeps == "days" else ""
        for group in row_groups(rows.batches(), arrow_schema(rows.table)):
            self.database.register("incoming", group)
            _run(self.database, f'INSERT INTO "{rows.table.name}" BY NAME SELECT *{day} FROM incoming')
            self.database.unregister("incoming")


def check_database(file: Path, tables: Iterable[Table]) -> None:
    """Raise ConfigurationError if a sync would touch foreign tables; changes nothing."""
    if not os.path.lexists(file):
        return
    if file.is_symlink() or not file.is_file():
        raise ConfigurationError(f"{file} is not a file. Name one such as {file / 'fleet.duckdb'}.")
    with _connected(file) as database:
        _check_tables(file, database, tables)


@contextmanager
def duckdb_sink(file: Path, tables: Iterable[Table], *, resume: bool) -> Iterator[DuckDbSink]:
    """Open a database for one sync; DuckDB admits no other process until it is closed.

    Raises TemporaryError while another program has it open, ConfigurationError where it cannot be written to.
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(f"{file} cannot be written: {error.strerror}. Choose another file.") from None
    with _connected(file) as database:
        _check_tables(file, database, tables)
        _run(database, f"CREATE TABLE IF NOT EXISTS {MARKS} (table_name VARCHAR PRIMARY KEY, mark VARCHAR)")
        last = _note(database, LAST_SYNC) if resume else {}
        yield DuckDbSink(file, database, sync_to_continue(last), unwritten_tables(last))


@contextmanager
def transaction(database: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Run the block in one transaction."""
    _run(database, "BEGIN")
    try:
        yield
        _run(database, "COMMIT")
    except BaseException:
        # A failed statement may already have ended the transaction.
        _roll_back(database)
        raise


@contextmanager
def _connected(file: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    try:
        import duckdb  # noqa: PLC0415  (so that the command line starts fast)
    except ImportError:
        raise ConfigurationError("DuckDB is not installed: pip install duckdb.") from None
    try:
        database = duckdb.connect(str(file))
    except duckdb.IOException as error:
        if is_locked(error):
            raise TemporaryError(f"Another program has {file} open. Close it, or choose another file.") from None
        raise ConfigurationError(f"{file} cannot be opened: {shortened(str(error))}") from None
    try:
        yield database
    finally:
        database.close()


def is_locked(error: Exception) -> bool:
    """Return whether DuckDB cannot open a file because another program has it open."""
    return "Could not set lock" in str(error)


def _check_tables(file: Path, database: duckdb.DuckDBPyConnection, tables: Iterable[Table]) -> None:
    for table in tables:
        if _exists(database, table.name) and Mark.of_json(_note(database, table.name)) is None:
            raise ConfigurationError(
                f"{file} has a table or view {table.name} that was not written by this tool, and would be replaced. "
                "Choose another file, or rename it."
            )


def _create(database: duckdb.DuckDBPyConnection, table: Table, mark: Mark) -> None:
    columns = _columns(table)
    if mark.keeps == "days":
        columns = {**columns, SNAPSHOT_DATE: "DATE"}
    lines = [f'"{name}" {sql_type}' for name, sql_type in columns.items()]
    if mark.keeps == "snapshot":
        lines.append(f"PRIMARY KEY ({', '.join(table.primary_key)})")
    _run(database, f'CREATE OR REPLACE TABLE "{table.name}" ({", ".join(lines)})')
    key = f"Key: {', '.join(table.primary_key)}."
    _run(database, f'COMMENT ON TABLE "{table.name}" IS {sql_text(f"{table.description} {key}")}')
    for name, text in comments(table).items():
        _run(database, f'COMMENT ON COLUMN "{table.name}"."{name}" IS {sql_text(text)}')


def _widen(database: duckdb.DuckDBPyConnection, table: Table) -> None:
    """Add columns and fields of a newer version of this tool to a table that keeps its rows."""
    found = dict(
        database.execute(
            "SELECT column_name, data_type FROM duckdb_columns() WHERE table_name = ? AND NOT internal", [table.name]
        ).fetchall()
    )
    for name, sql_type in _columns(table).items():
        if name not in found:
            _run(database, f'ALTER TABLE "{table.name}" ADD COLUMN "{name}" {sql_type}')
        elif found[name] != sql_type:
            _run(database, f'ALTER TABLE "{table.name}" ALTER "{name}" SET DATA TYPE {sql_type}')


def _columns(table: Table) -> dict[str, str]:
    return {**{name: sql_type_of(schema) for name, schema in table.columns.items()}, RESCUED_DATA: "VARCHAR"}


def sql_type_of(schema: JsonSchema) -> str:
    """Return the DuckDB type of a property's column."""
    match kind_of(schema):
        case "struct":
            fields = (f'"{name}" {sql_type_of(part)}' for name, part in schema["properties"].items())
            return f"STRUCT({', '.join(fields)})"
        case "map":
            return f"MAP(VARCHAR, {sql_type_of(schema['additionalProperties'])})"
        case "array":
            return f"{sql_type_of(schema['items'])}[]"
        case scalar:
            return _SCALARS[scalar]


def _exists(database: duckdb.DuckDBPyConnection, name: str) -> bool:
    query = "SELECT 1 FROM information_schema.tables WHERE table_schema = 'main' AND table_name = ?"
    return database.execute(query, [name]).fetchone() is not None


def _note(database: duckdb.DuckDBPyConnection, name: str) -> dict[str, Any]:
    if not _exists(database, MARKS):
        return {}
    found = database.execute(f"SELECT mark FROM {MARKS} WHERE table_name = ?", [name]).fetchone()
    return json_object(found[0]) if found else {}


def _write_note(database: duckdb.DuckDBPyConnection, name: str, content: dict[str, Any]) -> None:
    _run(database, f"INSERT OR REPLACE INTO {MARKS} VALUES (?, ?)", name, json.dumps(content))


def _run(database: duckdb.DuckDBPyConnection, statement: str, *values: str) -> None:
    database.execute(statement, list(values))


def _roll_back(database: duckdb.DuckDBPyConnection) -> None:
    import duckdb  # noqa: PLC0415

    try:
        _run(database, "ROLLBACK")
    except duckdb.TransactionException:
        return


def sql_text(text: str) -> str:
    """Return a text as a string literal of SQL."""
    return "'" + text.replace("'", "''") + "'"
