"""A Particle.io fleet as Spark rows: `bridge.register(spark)`, then `spark.read.format("particle").load("devices")`."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

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

    from bridge.lakeflow.connector import ParticleLakeflowConnect
    from bridge.lakeflow.pipeline_spec import pipeline_spec

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

# Imported when they are asked for, so that the command line starts in a fraction of a second.
_LATER = {
    "ParticleLakeflowConnect": "bridge.lakeflow.connector",
    "pipeline_spec": "bridge.lakeflow.pipeline_spec",
}


def register(spark: "SparkSession") -> None:
    """Register the formats `particle` and `lakeflow_connect` with a Spark session.

    Reads are split into as many tasks as the session runs in parallel, at most 8, unless the option `numPartitions` is
    set. Filters are pushed down if `spark.sql.python.filterPushdown.enabled` is on at this point.
    """
    # Importing pyspark here keeps it optional.
    from bridge.registration import register_formats  # noqa: PLC0415

    register_formats(spark)


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_LATER[name]), name)
