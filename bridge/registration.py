"""Making the formats known to a Spark session, fitted to what the session tells of itself.

The planner of a read has no session to ask, so what matters there becomes part of the class that is registered.
"""

from typing import TYPE_CHECKING, Any

from bridge.lakeflow.format import LakeflowDataSource
from bridge.reading.tasks import DEFAULT_PARTS
from bridge.spark.datasource import ParticleDataSource
from bridge.spark.versions import parallelism, pushes_filters

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def register_formats(spark: "SparkSession") -> None:
    """Register every format with a session."""
    for source in (ParticleDataSource, LakeflowDataSource):
        spark.dataSource.register(fitted(source, spark))


def fitted(source: type[ParticleDataSource], spark: "SparkSession") -> type[ParticleDataSource]:
    """Return a data source that splits reads as the session can run them, and takes filters where it offers them."""
    facts: dict[str, Any] = {"default_parts": parallelism(spark) or DEFAULT_PARTS}
    if pushes_filters(spark):
        # Versions of Spark without filters lack what this module imports.
        from bridge.spark.filters import FilteringReader  # noqa: PLC0415

        facts["batch_reader"] = FilteringReader
    return type(source.__name__, (source,), facts)
