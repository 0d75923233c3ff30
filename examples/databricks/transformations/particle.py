"""The tables of a Particle fleet: snapshots as materialized views, histories as streaming tables that grow."""

from pyspark import pipelines
from pyspark.sql import DataFrame, SparkSession

import bridge
from bridge.tables.catalog import Table, chosen_tables

spark = SparkSession.active()


def options_of(part: Table) -> dict[str, str]:
    """Return options that read everything the token can see; to read less, name products, devices or SIMs here."""
    connection = spark.conf.get("particle.connection")
    assert connection
    every = dict.fromkeys(part.required_options, "*")
    # A materialized view would lose the rows of what is skipped, so the run fails if the API refuses part of the fleet.
    return {"databricks.connection": connection, "tableName": part.name, "on_refused": "fail", **every}


def snapshot(table: Table) -> None:
    """Define a materialized view, which each run replaces with the current state."""

    @pipelines.materialized_view(name=table.name, comment=table.description)
    def rows() -> DataFrame:
        return spark.read.format("lakeflow_connect").options(**options_of(table)).load()


def history(table: Table) -> None:
    """Define a streaming table, to which each run appends the new rows."""
    pipelines.create_streaming_table(name=table.name, comment=table.description)

    @pipelines.append_flow(target=table.name, name=f"{table.name}_from_api")
    def rows() -> DataFrame:
        return spark.readStream.format("lakeflow_connect").options(**options_of(table)).load()


bridge.register(spark)
# The bundle's variable tables names others: also those on request, or fewer for an API user, who has no user's tables.
NAMED = [name.strip() for name in (spark.conf.get("particle.tables", "") or "").split(",") if name.strip()]
for part in chosen_tables(NAMED):
    if part.ingestion_type == "append":
        history(part)
    else:
        snapshot(part)
