"""The queries of the models, and of the two views that they need beside the tables."""

from collections.abc import Mapping
from datetime import datetime, timezone
from functools import cache
from importlib.resources import files

from bridge.rows.schema import kind_of
from bridge.tables.catalog import Table, tables

# Each stands on those before it.
NAMES = (
    "vitals_flat",
    "latest_vitals",
    "product_names",
    "firmware_releases",
    "fleet",
    "firmware_rollout",
    "connectivity",
    "daily_usage",
    "sim_usage",
    "freshness",
)
# The lists of devices. A device is silent up to the moment at which the list that has it was synced.
LISTS = ("product_devices", "devices")
SIM_LISTS = ("product_sims", "sims")
# Where a table has no cursor, the column that tells how new its rows are.
TIME_COLUMNS = ("last_heard", "updated_at")


@cache
def models() -> Mapping[str, str]:
    """Return the query of each model by its name, in the order in which to create them."""
    folder = files(__package__)
    return {name: folder.joinpath(f"{name}.sql").read_text("utf-8") for name in NAMES}


def as_of_query(moment: datetime | None = None, synced: Mapping[str, datetime] | None = None) -> str:
    """Return the query of the view `as_of`: a moment, and as `devices_at` when a list of devices was synced.

    Without `moment` it is the time at which the view is read. A list that `synced` lacks counts to it, too.
    """
    moments = {"moment": moment, **{f"{name}_at": (synced or {}).get(name, moment) for name in LISTS}}
    return f"SELECT {', '.join(f'{_time(at)} AS {name}' for name, at in moments.items())}"


def loaded_tables_query(synced: Mapping[str, datetime | None]) -> str:
    """Return the query of the view `loaded_tables`: one row per table that is there or that is read by default.

    `synced` holds the tables that are there, and when each was synced; None stands for the time at which the view is
    read.
    """
    return "\nUNION ALL\n".join(
        _facts(table, synced) for table in tables().values() if table.name in synced or not table.on_request
    )


def _facts(table: Table, synced: Mapping[str, datetime | None]) -> str:
    is_loaded = table.name in synced
    synced_at = _time(synced[table.name]) if is_loaded else "NULL"
    return (  # names of the catalog
        f"SELECT '{table.name}' AS table_name, {is_loaded} AS is_loaded, COUNT(*) AS row_count, "  # noqa: S608
        f"CAST({_newest(table)} AS TIMESTAMP) AS newest_at, CAST({synced_at} AS TIMESTAMP) AS synced_at "
        f"FROM {table.name}"
    )


def _newest(table: Table) -> str:
    for name in filter(None, (table.cursor_field, *TIME_COLUMNS)):
        if name in table.columns:
            return f"MAX(TRY_CAST({name} AS TIMESTAMP))"
    for name, schema in table.columns.items():
        if kind_of(schema) == "array" and "date" in schema["items"].get("properties", {}):
            day = f"SELECT MAX(item.date) FROM (SELECT EXPLODE({name}) AS item FROM {table.name}) AS items"  # noqa: S608
            return f"TRY_CAST(CONCAT(({day}), 'T00:00:00Z') AS TIMESTAMP)"
    return "NULL"


def _time(moment: datetime | None) -> str:
    """Return a moment as SQL; None is the time at which a view is read."""
    if moment is None:
        return "CURRENT_TIMESTAMP"
    return f"CAST('{moment.astimezone(timezone.utc).isoformat(timespec='milliseconds')[:23]}Z' AS TIMESTAMP)"
