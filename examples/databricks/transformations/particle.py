"""All tables of a Particle fleet: snapshots as materialized views, vitals as a streaming table that grows."""

from pyspark import pipelines
from pyspark.sql import DataFrame, SparkSession

import bridge
from bridge.tables.catalog import Table, tables

spark = SparkSession.active()


def options_of(table: Table) -> dict[str, str]:
    """Return options that read everything the token can see; to read less, name products, devices or SIMs here."""
    connection = spark.conf.get("particle.connection")
    assert connection
    every = dict.fromkeys(table.required_options, "*")
    return {"databricks.connection": connection, "tableName": table.name, **every}


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
for part in tables().values():
    if part.ingestion_type == "append":
        history(part)
    else:
        snapshot(part)
