"""Registers the formats with a Spark session, adapted to its settings.

The planner of a read has no session to ask, so the settings become part of the registered class.
"""

import logging
import re
from functools import cache
from typing import TYPE_CHECKING, Any

from bridge.lakeflow.format import LakeflowDataSource
from bridge.reading.tasks import DEFAULT_PARTS
from bridge.spark import versions
from bridge.spark.datasource import ParticleDataSource
from bridge.spark.versions import parallelism
from bridge.tables.catalog import credential_names
from source_particle.redaction import REDACTED

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def register_formats(spark: "SparkSession") -> None:
    """Register every format with a session, and keep the credentials among its options out of the log of py4j."""
    for name in ("py4j.clientserver", "py4j.java_gateway"):
        logging.getLogger(name).addFilter(withhold_options)
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


def withhold_options(record: logging.LogRecord) -> bool:
    """Mask credentials in what py4j logs of its commands, as a filter: one line for the option, one for its value."""
    record.msg, record.args = _credentials().sub(rf"\1{REDACTED}", record.getMessage()), ()
    return True


@cache
def _credentials() -> re.Pattern[str]:
    return re.compile(rf"(\ns(?:{'|'.join(sorted(credential_names()))})\ns)[^\n]*", re.IGNORECASE)
