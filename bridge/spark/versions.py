"""Differences between versions of PySpark, from 4.0 on; nothing else in the bridge checks versions.

- Up to 4.1 `latestOffset` is called without arguments, and a run with `availableNow` is a single batch, even if it only
  repeats an interrupted one. From 4.2 on `latestOffset` gets the start offset, and a reader may split the new records
  into several batches.
- From 4.1 on, filters can be pushed down to a reader (`pushFilters`).
"""

from typing import TYPE_CHECKING

from pyspark.sql.datasource import DataSourceReader

from bridge.errors import OptionError
from bridge.tables.options import Options

if TYPE_CHECKING:
    from pyspark.sql import SparkSession
    from pyspark.sql.streaming.datasource import SupportsTriggerAvailableNow

    KNOWS_START = True
else:
    try:
        from pyspark.sql.streaming.datasource import SupportsTriggerAvailableNow

        KNOWS_START = True
    except ImportError:

        class SupportsTriggerAvailableNow:
            """Replaces the class of that name, which this version of Spark lacks."""

        KNOWS_START = False

KNOWS_FILTERS = hasattr(DataSourceReader, "pushFilters")
"""Whether this version of Spark can push filters down; the setting exists in any."""

__all__ = [
    "KNOWS_FILTERS",
    "KNOWS_START",
    "SupportsTriggerAvailableNow",
    "parallelism",
    "refuse_split_windows",
]


def refuse_split_windows(options: Options) -> None:
    """Raise OptionError for `window_seconds` if a run with `availableNow` would end after the first window."""
    if not KNOWS_START and "window_seconds" in options.spark_options:
        raise OptionError(
            "The option window_seconds needs Spark 4.2: this version would end a run with availableNow after the first "
            "window. Leave it out, and each batch reads all that is new."
        )


def parallelism(spark: "SparkSession") -> int | None:
    """Return how many tasks a session runs in parallel, None if it does not report that."""
    try:
        return spark.sparkContext.defaultParallelism
    # With Spark Connect there is no context on this side, and not every session reports that in the same way.
    except Exception:  # noqa: BLE001
        told = _setting(spark, "spark.sql.leafNodeDefaultParallelism")
        return int(told) if told.isdecimal() and int(told) else None


def _setting(spark: "SparkSession", name: str) -> str:
    """Return a setting of a session, or an empty text if it is not available."""
    try:
        return spark.conf.get(name, None) or ""
    # Serverless compute refuses every name but a few, even with a default.
    except Exception:  # noqa: BLE001
        return ""
