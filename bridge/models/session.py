"""The models in Spark: temporary views over the tables that a session sees."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from bridge.models.definitions import as_of_query, loaded_tables_query, models
from bridge.rows.schema import spark_schema
from bridge.tables.catalog import tables

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def create_views(
    spark: SparkSession, moment: datetime | None = None, synced: Mapping[str, datetime] | None = None
) -> list[str]:
    """Create the models as temporary views over the tables or views of the current schema, and return their names.

    A table that is not there counts as empty. `moment` is when the last table was loaded and `synced` when each was, up
    to which silence counts; without them, both are the time at which a view is read.
    """
    there = [name for name in tables() if spark.catalog.tableExists(name)]
    for name, table in tables().items():
        if name not in there:
            spark.createDataFrame([], spark_schema(table)).createOrReplaceTempView(name)
    queries = {
        "as_of": as_of_query(moment, synced),
        "loaded_tables": loaded_tables_query({name: (synced or {}).get(name) for name in there}),
        **models(),
    }
    for name, query in queries.items():
        spark.sql(query).createOrReplaceTempView(name)
    return list(queries)
