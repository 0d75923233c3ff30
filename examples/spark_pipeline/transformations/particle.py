"""The tables of a Particle fleet: snapshots as materialized views, histories as streaming tables that grow."""

import os
from collections.abc import Iterator
from typing import Any

from pyspark import pipelines
from pyspark.sql import DataFrame, SparkSession

import bridge
from bridge.tables.catalog import Table, chosen_tables

spark = SparkSession.active()
# The API allows 10,000 requests in 5 minutes from one IP address, and all flows run in parallel.
WANTED = chosen_tables(name.strip() for name in os.environ.get("PARTICLE_TABLES", "").split(",") if name.strip())
REQUESTS = 10_000 // len(WANTED)
CONNECTION = {
    "access_token": os.environ["PARTICLE_ACCESS_TOKEN"],
    "base_url": os.environ.get("PARTICLE_BASE_URL", "https://api.particle.io"),
    "requests_per_5_minutes": str(REQUESTS),
    # A materialized view would lose the rows of what is skipped, so the run fails if the API refuses part of the fleet.
    "on_refused": "fail",
}


def options_of(part: Table) -> dict[str, str]:
    """Return options that read everything the token can see; to read less, name products, devices or SIMs here."""
    return {**CONNECTION, **dict.fromkeys(part.required_options, "*")}


def snapshot(table: Table) -> None:
    """Define a materialized view, which each run replaces with the current state."""

    @pipelines.materialized_view(name=table.name, comment=table.description)
    def rows() -> DataFrame:
        return spark.read.format("particle").options(**options_of(table)).load(table.name)


def history(table: Table) -> None:
    """Define a streaming table, to which each run appends the new rows."""
    pipelines.create_streaming_table(name=table.name, comment=table.description)

    @pipelines.append_flow(target=table.name, name=f"{table.name}_from_api")
    def rows() -> DataFrame:
        return spark.readStream.format("particle").options(**options_of(table)).load(table.name)


def tolerate_accumulators(client: Any) -> None:
    """Make the Spark Connect client ignore the accumulators of Python workers.

    PySpark 4.2 and 4.3 end every run that reads a Python data source with `[UNKNOWN_RESPONSE] Plan observed
    (__python_accumulator__=…)` and exit code 1, although all tables are written: the server reports the accumulators of
    its Python workers among the events of the run, and the client does not know that event. The client has already
    counted them, so nothing is lost. Any other unknown event remains an error. This replaces a private method; remove
    it once a run without it ends with 0.
    """
    fetch = client._execute_and_fetch_as_iterator  # noqa: SLF001  (see above)

    def without_accumulators(*arguments: Any, **named: Any) -> Iterator[Any]:
        for response in fetch(*arguments, **named):
            if getattr(response, "name", None) != "__python_accumulator__":
                yield response

    client._execute_and_fetch_as_iterator = without_accumulators  # noqa: SLF001  (see above)


tolerate_accumulators(spark.client)
bridge.register(spark)
for part in WANTED:
    if part.ingestion_type == "append":
        history(part)
    else:
        snapshot(part)
