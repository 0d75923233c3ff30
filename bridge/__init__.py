"""A Particle.io fleet as Spark rows: `bridge.register(spark)`, then `spark.read.format("particle").load("devices")`."""

from typing import TYPE_CHECKING

from bridge.errors import (
    ConfigurationError,
    OptionError,
    ParticleError,
    SignInError,
    TemporaryError,
    UnexpectedError,
    UnknownTableError,
)
from bridge.lakeflow.connector import ParticleLakeflowConnect
from bridge.lakeflow.pipeline_spec import pipeline_spec

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

__all__ = [
    "ConfigurationError",
    "OptionError",
    "ParticleError",
    "ParticleLakeflowConnect",
    "SignInError",
    "TemporaryError",
    "UnexpectedError",
    "UnknownTableError",
    "pipeline_spec",
    "register",
]


def register(spark: "SparkSession") -> None:
    """Register the formats `particle` and `lakeflow_connect` with a Spark session.

    Reads are split into as many tasks as the session runs in parallel, unless the option `numPartitions` is set.
    Filters are pushed down if `spark.sql.python.filterPushdown.enabled` is on at this point.
    """
    # Importing pyspark here keeps it optional.
    from bridge.registration import register_formats  # noqa: PLC0415

    register_formats(spark)
