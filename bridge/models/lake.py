"""The models over what `particle-bridge sync` wrote, a folder of Parquet files or a database, opened in DuckDB."""

from __future__ import annotations

import glob
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bridge.errors import ConfigurationError, TemporaryError
from bridge.export.formats.duckdb import LAST_SYNC, MARKS, is_locked, sql_text, sql_type_of
from bridge.export.formats.sink import LOCK, MARK, json_object, json_object_in, synced_at, unwritten_tables
from bridge.models.definitions import as_of_query, loaded_tables_query, models
from bridge.rows.schema import RESCUED_DATA
from bridge.tables.catalog import tables

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

# What a sync also writes, by the ending of its files.
UNREADABLE = {".csv": "CSV", ".jsonl": "JSON Lines"}
ADVICE = (
    "The report reads Parquet files and DuckDB databases: sync into another place, as in `particle-bridge sync "
    "--to another-folder --format parquet`."
)
PLACES = ("product_locations", "location_history")
# Spark's name for what DuckDB calls UNNEST, so that one text serves both.
_EXPLODE = "CREATE MACRO explode(items) AS UNNEST(items)"


@dataclass(frozen=True)
class Lake:
    """A lake opened in DuckDB: `connection` has its tables and the models."""

    path: Path
    connection: DuckDBPyConnection
    synced: Mapping[str, datetime]
    """The tables that are there, and when each was synced (UTC)."""
    unwritten: Sequence[str] = ()
    """The tables that the last sync did not write: it was interrupted, they failed, or it is still running."""

    @property
    def as_of(self) -> datetime:
        """The moment of the last sync, to which the models count."""
        return max(self.synced.values())

    def close(self) -> None:
        """Close the connection."""
        self.connection.close()


def open_lake(path: str | Path) -> Lake:
    """Open a lake for reading and create the models over it; nothing is written.

    A table that is not there counts as empty, and `freshness` says so. Raises ConfigurationError where there is no
    lake, or one that holds no table, and TemporaryError while another program has a database open.
    """
    try:
        import duckdb  # noqa: PLC0415  (so that the command line starts fast)
    except ImportError:
        raise ConfigurationError("DuckDB is not installed: pip install duckdb.") from None

    path = Path(path)
    connection = duckdb.connect(config={"TimeZone": "UTC", "autoinstall_known_extensions": "false"})
    try:
        synced, unwritten = (_open_folder if path.is_dir() else _open_database)(connection, path)
        if not synced:
            raise ConfigurationError(_nothing_to_read(path, unwritten))
        create_models(connection, synced, as_tables=True)
        # A sync may have begun while the files of a folder were read.
        unwritten = unwritten or unwritten_tables(json_object_in(path / LOCK))
        connection.execute("CREATE TABLE last_sync AS SELECT $count AS unwritten_tables", {"count": len(unwritten)})
    except BaseException as error:
        connection.close()
        if isinstance(error, duckdb.Error):
            raise ConfigurationError(f"{path} cannot be read: {first_line(error)}") from None
        raise
    return Lake(path, connection, synced, unwritten)


def _nothing_to_read(path: Path, unwritten: Sequence[str]) -> str:
    for ending, name in UNREADABLE.items():
        if any(True for places in ("*", "*/snapshot_date=*") for _ in path.glob(f"{places}/*{ending}")):
            return f"{path} holds tables as {name} files. {ADVICE}"
    if unwritten:
        return f"{path} holds no table yet: the last sync did not finish. Run it again, or wait for its end."
    return (
        f"{path} holds no table. Expected a folder of Parquet files or a DuckDB database, as `particle-bridge sync` "
        "writes it."
    )


def create_models(connection: DuckDBPyConnection, synced: Mapping[str, datetime], *, as_tables: bool = False) -> None:
    """Create the models in the current schema; tables of the catalog that `synced` lacks count as empty.

    Views follow the tables; `as_tables` computes each model once, for many questions about one moment.
    """
    for name, table in tables().items():
        if name not in synced:
            columns = {
                **{column: sql_type_of(schema) for column, schema in table.columns.items()},
                RESCUED_DATA: "VARCHAR",
            }
            nulls = ", ".join(f'CAST(NULL AS {sql_type}) AS "{column}"' for column, sql_type in columns.items())
            connection.execute(f'CREATE VIEW "{name}" AS SELECT {nulls} WHERE FALSE')
    connection.execute(_EXPLODE)
    queries = {
        "as_of": as_of_query(max(synced.values()), synced),
        "loaded_tables": loaded_tables_query(synced),
        **models(),
    }
    if any(name in synced for name in PLACES):
        queries["last_places"] = _last_places_query(synced)
    for name, query in queries.items():
        connection.execute(f"CREATE {'TABLE' if as_tables else 'VIEW'} {name} AS\n{query}")


def _last_places_query(synced: Mapping[str, datetime]) -> str:
    """Return the query of `last_places`, where each device was last seen, from the tables of places that are there."""
    sources = [
        f"SELECT device_id, longitude, latitude, timestamp AS seen_at FROM {name} WHERE longitude IS NOT NULL"  # noqa: S608
        for name in PLACES
        if name in synced
    ]
    return (
        "SELECT device_id, MAX_BY(longitude, seen_at) AS longitude, MAX_BY(latitude, seen_at) AS latitude, "  # noqa: S608
        f"MAX(seen_at) AS seen_at FROM ({' UNION ALL '.join(sources)}) GROUP BY device_id"
    )


def _open_folder(connection: DuckDBPyConnection, path: Path) -> tuple[dict[str, datetime], list[str]]:
    synced, unwritten = {}, unwritten_tables(json_object_in(path / LOCK))
    for folder in sorted(path.iterdir()):
        if files := _files(folder):
            listed = ", ".join(sql_text(glob.escape(str(file))) for file in files)
            connection.execute(
                f"CREATE VIEW {folder.name} AS SELECT * FROM "  # noqa: S608  (a table of the catalog)
                f"read_parquet([{listed}], union_by_name = true, hive_partitioning = false)"
            )
            synced[folder.name] = _marked_at(folder / MARK) or max(map(_modified, files))
    return synced, unwritten


def _marked_at(mark: Path) -> datetime | None:
    """Return when a sync wrote a table; None without a mark. Of 0.2.0, which noted no time, that of the file counts."""
    if not mark.exists():
        return None
    return synced_at(json_object_in(mark)) or _modified(mark)


def _files(folder: Path) -> list[Path]:
    """Return the Parquet files of a table, of the last day alone where each day's snapshot is kept."""
    # Others may keep their files beside ours, under any other name.
    if folder.name not in tables() or not folder.is_dir():
        return []
    if (folder / "_delta_log").exists():
        raise ConfigurationError(f"{folder} is a Delta table. {ADVICE}")
    days = sorted(folder.glob("snapshot_date=*"))
    return sorted((days[-1] if days else folder).rglob("[!._]*.parquet"))


def _open_database(connection: DuckDBPyConnection, path: Path) -> tuple[dict[str, datetime], list[str]]:
    import duckdb  # noqa: PLC0415

    if not path.exists():
        raise ConfigurationError(f"{path} does not exist. Expected what `particle-bridge sync --to` wrote.")
    try:
        connection.execute(f"ATTACH {sql_text(str(path))} AS lake (READ_ONLY)")
    except duckdb.Error as error:
        if is_locked(error):
            raise TemporaryError(f"A sync or another program has {path} open. Wait until it has ended.") from None
        raise ConfigurationError(f"{path} cannot be opened as a DuckDB database: {first_line(error)}") from None
    synced = synced_in(connection, "lake", path)
    for name in synced:
        every = f"SELECT * FROM lake.main.{name}"  # noqa: S608  (a checked name)
        query = last_day("lake.main", name) if keeps_days(connection, "lake", name) else every
        connection.execute(f"CREATE VIEW {name} AS {query}")
    return synced, unwritten_tables(_notes_in(connection, "lake").get(LAST_SYNC, {}))


def synced_in(connection: DuckDBPyConnection, database: str, path: Path) -> dict[str, datetime]:
    """Return the tables of a database, and when each was synced.

    A table without a mark counts as old as the oldest one with a mark, because others may write to the file, too.
    """
    # Others may keep their tables beside ours, under any other name.
    names = [name for name in _tables_of(connection, database) if name in tables()]
    notes = _notes_in(connection, database) if names else {}
    found = {name: synced_at(notes.get(name, {})) for name in names}
    oldest = min(filter(None, found.values()), default=None) or _modified(path)
    return {name: moment or oldest for name, moment in found.items()}


def _notes_in(connection: DuckDBPyConnection, database: str) -> dict[str, Mapping[str, Any]]:
    """Return what syncs have noted in a database: the mark of each table, and LAST_SYNC."""
    if MARKS not in _tables_of(connection, database):
        return {}
    notes = f"SELECT table_name, mark FROM {_identifier(database)}.main.{MARKS}"  # noqa: S608  (quoted)
    return {name: json_object(note) for name, note in connection.execute(notes).fetchall()}


def _tables_of(connection: DuckDBPyConnection, database: str) -> list[str]:
    rows = connection.execute(
        "SELECT table_name FROM duckdb_tables() WHERE database_name = ? AND schema_name = 'main'", [database]
    ).fetchall()
    return sorted(name for (name,) in rows)


def last_day(schema: str, name: str) -> str:
    """Return the query of the last snapshot of a table that keeps one of each day."""
    newest = f"SELECT MAX(snapshot_date) FROM {schema}.{name}"  # noqa: S608  (a checked name)
    return f"SELECT * FROM {schema}.{name} WHERE snapshot_date = ({newest})"  # noqa: S608


def keeps_days(connection: DuckDBPyConnection, database: str, name: str) -> bool:
    """Return whether a table of a database keeps the snapshot of each day."""
    found = connection.execute(
        "SELECT 1 FROM duckdb_columns() WHERE database_name = ? AND schema_name = 'main' AND table_name = ? "
        "AND column_name = 'snapshot_date'",
        [database, name],
    )
    return found.fetchone() is not None


def _identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def first_line(error: Exception) -> str:
    """Return what DuckDB says, without the lines that quote the statement."""
    return str(error).splitlines()[0]


def _modified(path: Path) -> datetime:
    return datetime.fromtimestamp(path.stat().st_mtime, timezone.utc)
