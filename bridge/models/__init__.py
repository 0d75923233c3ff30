"""The questions of a fleet, once, in SQL: views over the tables, for DuckDB, Spark and Databricks.

Each file beside this one is the query of one view, in the part of SQL that DuckDB and Spark share. The views stand on
the tables and on two views that whoever creates them provides: `as_of` (the moment of the last sync, and when each list
of devices was synced, up to which silence counts) and `loaded_tables` (what is known of each table's load). Times are
TIMESTAMPs in UTC.
"""

from bridge.models.definitions import as_of_query, loaded_tables_query, models

__all__ = ["as_of_query", "loaded_tables_query", "models"]
