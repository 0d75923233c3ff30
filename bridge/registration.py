"""Registers the formats with a Spark session, adapted to its settings.

The planner of a read has no session to ask, so the settings become part of the registered class.
"""

from typing import TYPE_CHECKING, Any

from bridge.lakeflow.format import LakeflowDataSource
from bridge.reading.tasks import DEFAULT_PARTS
from bridge.spark import versions
from bridge.spark.commands import mask_commands
from bridge.spark.datasource import ParticleDataSource
from bridge.spark.versions import parallelism

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def register_formats(spark: "SparkSession") -> None:
    """Register every format with a session, and keep credentials out of the log of py4j."""
    mask_commands()
    for source in (ParticleDataSource, LakeflowDataSource):
        spark.dataSource.register(fitted(source, spark))


def fitted(source: type[ParticleDataSource], spark: "SparkSession") -> type[ParticleDataSource]:
    """Return a data source with the session's parallelism as default, and with filter pushdown if this Spark has it."""
    facts: dict[str, Any] = {"default_parts": parallelism(spark) or DEFAULT_PARTS}
    if versions.KNOWS_FILTERS:
        # Versions of Spark without filters lack what this module imports.
        from bridge.spark.filters import FilteringReader  # noqa: PLC0415

        facts["batch_reader"] = FilteringReader
    return type(source.__name__, (source,), facts)
