"""What differs between versions of PySpark, from 4.0 on; nothing else in the bridge asks for a version.

- Up to 4.1 `latestOffset` is called without arguments, and a run with `availableNow` asks for it once. From 4.2 on it
  gets the start offset, and a reader may split what there is into several batches.
- From 4.1 on a reader may be told filters (`pushFilters`).
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
            """Stands in for the class of that name, which this version of Spark does not have."""

        KNOWS_START = False

KNOWS_FILTERS = hasattr(DataSourceReader, "pushFilters")
"""Whether this version of Spark can tell filters at all; the setting can be switched on in any."""

__all__ = [
    "KNOWS_FILTERS",
    "KNOWS_START",
    "SupportsTriggerAvailableNow",
    "parallelism",
    "pushes_filters",
    "refuse_split_windows",
]


def refuse_split_windows(options: Options) -> None:
    """Raise OptionError for `window_seconds` where a run with `availableNow` would end after the first window."""
    if not KNOWS_START and "window_seconds" in options.spark_options:
        raise OptionError(
            "The option window_seconds needs Spark 4.2: this version would end a run with availableNow after the first "
            "window. Leave it out, and each batch reads all that is new."
        )


def parallelism(spark: "SparkSession") -> int | None:
    """Return how many tasks a session runs at once, None where it does not tell."""
    try:
        return spark.sparkContext.defaultParallelism
    # With Spark Connect there is no context on this side; how a session says so is not the same everywhere.
    except Exception:  # noqa: BLE001
        told = _setting(spark, "spark.sql.leafNodeDefaultParallelism")
        return int(told) if told.isdecimal() and int(told) else None


def pushes_filters(spark: "SparkSession") -> bool:
    """Say whether a session tells readers its filters; it refuses one that wants them while it does not."""
    return KNOWS_FILTERS and _setting(spark, "spark.sql.python.filterPushdown.enabled").lower() == "true"


def _setting(spark: "SparkSession", name: str) -> str:
    """Return a setting of a session, an empty text where it does not tell."""
    try:
        return spark.conf.get(name, None) or ""
    # Serverless compute refuses every name but a few, even with a default.
    except Exception:  # noqa: BLE001
        return ""
