"""The models as views of the DuckDB database that `particle-bridge sync` wrote, in a schema of their own."""

from __future__ import annotations

from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from bridge.errors import ConfigurationError, TemporaryError
from bridge.export.formats.duckdb import is_locked
from bridge.models.definitions import models
from bridge.models.lake import create_models, first_line, keeps_days, last_day, synced_in
from bridge.tables.catalog import tables

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

SCHEMA = "particle"
_CONTENTS = """\
SELECT table_name, table_type FROM information_schema.tables WHERE table_schema = $schema
UNION ALL
SELECT function_name, 'MACRO' FROM duckdb_functions() WHERE schema_name = $schema
UNION ALL
SELECT type_name, 'TYPE' FROM duckdb_types() WHERE schema_name = $schema
UNION ALL
SELECT sequence_name, 'SEQUENCE' FROM duckdb_sequences() WHERE schema_name = $schema"""


def check_views(database: Path) -> None:
    """Raise ConfigurationError for a database whose views `create_views` would refuse to replace; changes nothing."""
    # What is missing, or cannot be opened now, the sync itself will name.
    if not database.is_file() or find_spec("duckdb") is None:
        return
    import duckdb  # noqa: PLC0415

    with suppress(duckdb.Error), duckdb.connect(str(database), read_only=True) as connection:
        _check_schema(connection, database)


def create_views(database: Path) -> None:
    """Create the models as views of a DuckDB database, in a schema of their own that replaces an older one.

    Raises ConfigurationError for a schema of that name that somebody else made and where the file cannot be written,
    TemporaryError while another program has it open.
    """
    import duckdb  # noqa: PLC0415

    try:
        with duckdb.connect(str(database)) as connection:
            _check_schema(connection, database)
            _create_views(connection, database)
    except duckdb.Error as error:
        kind = TemporaryError if is_locked(error) else ConfigurationError
        raise kind(f"The views of {database} cannot be written: {first_line(error)}") from None


def _create_views(connection: DuckDBPyConnection, database: Path) -> None:
    [[name]] = connection.execute("SELECT current_database()").fetchall()
    synced = synced_in(connection, name, database)
    if not synced:
        return
    connection.execute(f"BEGIN; DROP SCHEMA IF EXISTS {SCHEMA} CASCADE; CREATE SCHEMA {SCHEMA}")
    connection.execute(f"SET search_path = '{SCHEMA},main'")
    for table in synced:
        if keeps_days(connection, name, table):
            connection.execute(f"CREATE VIEW {SCHEMA}.{table} AS {last_day('main', table)}")
    create_models(connection, synced)
    connection.execute("COMMIT")


def _check_schema(connection: DuckDBPyConnection, database: Path) -> None:
    found = connection.execute(_CONTENTS, {"schema": SCHEMA}).fetchall()
    views = {(name, "VIEW") for name in ("as_of", "loaded_tables", "last_places", *models(), *tables())}
    if others := sorted(name for name, kind in set(found) - views - {("explode", "MACRO")}):
        raise ConfigurationError(
            f"{database} has a schema {SCHEMA} with {others[0]}, which this tool did not write. Rename the schema, or "
            "choose another file."
        )
