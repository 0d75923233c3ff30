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

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

__all__ = [
    "ConfigurationError",
    "OptionError",
    "ParticleError",
    "SignInError",
    "TemporaryError",
    "UnexpectedError",
    "UnknownTableError",
    "register",
]


def register(spark: "SparkSession") -> None:
    """Make the format `particle` known to a Spark session."""
    # Importing pyspark here keeps it optional for those who only use the catalog or the command line.
    from bridge.datasource import ParticleDataSource  # noqa: PLC0415

    spark.dataSource.register(ParticleDataSource)
