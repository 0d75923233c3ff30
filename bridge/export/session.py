"""The engine `spark`: a Spark session reads and writes the tables, for example on a cluster."""

import os
import re
import shutil
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import which
from typing import TYPE_CHECKING

import bridge
from bridge.errors import ConfigurationError, ParticleError, UnexpectedError, shortened
from bridge.export.formats.sink import Rows
from bridge.export.reads import TableRead

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


class SparkParquet:
    """One Parquet file per read, written by a Spark task; all tasks must be able to reach the folder."""

    name = "parquet"

    def __init__(self, spark: "SparkSession") -> None:
        self._spark = spark

    def write(self, rows: Rows, file: Path) -> None:
        """Read a table through Spark and write all rows into a new file."""
        assert isinstance(rows, TableRead)
        frame = self._spark.read.format("particle").options(**rows.given).load(rows.table.name)
        if rows.window is not None:
            cursor = rows.table.cursor_field
            frame = frame.where(f"{cursor} >= '{rows.window.start}' AND {cursor} < '{rows.window.until}'")
        parts = file.with_name(f"_{file.name}")
        try:
            # The scheme, as a folder's name may hold a colon.
            frame.repartition(1).write.parquet(f"file://{parts.absolute()}")
        except Exception as error:  # noqa: BLE001  (Spark hands an error of its workers on as the text of a traceback)
            raise _of_spark(error) from None
        rows.count(_take_only_part(parts, file))


def _take_only_part(parts: Path, file: Path) -> int:
    from pyarrow.parquet import ParquetFile  # type: ignore[import-untyped]  # noqa: PLC0415

    written = [path for path in parts.glob("*.parquet") if not path.name.startswith(("_", "."))]
    if len(written) != 1:
        raise ConfigurationError(
            f"Spark wrote {len(written)} files that this machine can see, instead of one. Its executors have their "
            "own disks: choose a folder that all of them share."
        )
    written[0].rename(file)
    shutil.rmtree(parts)
    with ParquetFile(file) as table:
        return int(table.metadata.num_rows)


def _of_spark(error: Exception) -> ParticleError:
    found = re.findall(r"bridge\.errors\.(\w+): (.+)", str(error))
    if found:
        name, message = found[-1]
        kind = getattr(bridge, name, UnexpectedError)
        return kind(message) if isinstance(kind, type) and issubclass(kind, ParticleError) else UnexpectedError(message)
    # An error of Spark itself, such as a full disk, is the innermost cause.
    causes = re.findall(r"^Caused by: (.+)", str(error), re.MULTILINE)
    return UnexpectedError(shortened(causes[-1] if causes else f"{type(error).__name__}: {error}"))


@contextmanager
def spark_session(given: "SparkSession | None") -> Iterator["SparkSession"]:
    """Yield the active session, or otherwise a local one that is stopped again.

    Raises ConfigurationError where pyspark or Java is missing.
    """
    check_spark()
    from pyspark.sql import SparkSession  # noqa: PLC0415

    running = given or SparkSession.getActiveSession()
    spark = running or _local_session()
    try:
        bridge.register(spark)
        yield spark
    finally:
        if running is None:
            # A signal may have interrupted this thread's connection to the JVM; another thread has its own.
            stopping = threading.Thread(target=spark.stop)
            stopping.start()
            stopping.join()


def check_spark() -> None:
    """Raise ConfigurationError if Spark cannot run here."""
    try:
        import pyspark  # noqa: F401, PLC0415
    except ImportError:
        raise ConfigurationError(
            "The engine spark needs pyspark: pip install pyspark pandas. Without it, leave --engine out."
        ) from None
    home = os.environ.get("JAVA_HOME")
    java = Path(home) / "bin" / "java" if home else None
    if not (java.is_file() if java else which("java")):
        where = f"JAVA_HOME ({home})" if home else "PATH"
        raise ConfigurationError(
            f"The engine spark needs Java 17 or newer, and {where} has none. Install a Java runtime, or leave --engine "
            "out."
        )


def _local_session() -> "SparkSession":
    from pyspark.sql import SparkSession  # noqa: PLC0415

    # Spark's workers are separate processes, which must run this Python and find this package.
    package = str(Path(__file__).parents[2])
    paths = [package, *filter(None, [os.environ.get("PYTHONPATH")])]
    python, interrupt = os.environ.get("PYSPARK_PYTHON"), signal.getsignal(signal.SIGINT)
    os.environ["PYSPARK_PYTHON"] = python or sys.executable
    try:
        spark = (
            SparkSession.builder.appName("particle-bridge")
            .master("local[*]")
            .config("spark.executorEnv.PYTHONPATH", os.pathsep.join(paths))
            .config("spark.ui.enabled", "false")
            .config("spark.ui.showConsoleProgress", "false")
            .getOrCreate()
        )
    finally:
        if python is None:
            del os.environ["PYSPARK_PYTHON"]
    # Spark's handler would talk to the JVM at the same time as this thread, which fails and leaves jobs running.
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, interrupt)
    # Errors are in the results; Spark would print them again, with a hundred lines of stack.
    spark.sparkContext.setLogLevel("OFF")
    return spark
