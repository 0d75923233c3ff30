"""Spark for the benchmarks: a session, reads into the noop sink, and the CPU and memory of its Python workers."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import NamedTuple

import psutil
from pyspark.sql import DataFrame, SparkSession

import bridge
from benchmarks.cloud import Served
from benchmarks.commands import PLENTY, ROOT, high_water
from benchmarks.plain import PlainDataSource


class Spent(NamedTuple):
    """What one read cost: seconds by the clock, and CPU seconds of the Python workers."""

    seconds: float
    cpu: float


@contextmanager
def session(cores: int | str = "*") -> Iterator[SparkSession]:
    """Return a session with both formats; its workers import this checkout and stay alive between reads."""
    os.environ["PYSPARK_PYTHON"] = sys.executable
    os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    builder = SparkSession.builder.master(f"local[{cores}]").config("spark.ui.enabled", "false")
    spark = builder.config("spark.ui.showConsoleProgress", "false").getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")
    bridge.register(spark)
    spark.dataSource.register(PlainDataSource)
    try:
        yield spark
    finally:
        spark.stop()


def ours(spark: SparkSession, cloud: Served, name: str, **options: str) -> DataFrame:
    """Return a table of the fleet as this project reads it."""
    given = {
        "access_token": cloud.token,
        "base_url": cloud.url,
        "product_id_or_slug": ",".join(map(str, cloud.products)),
        "requests_per_5_minutes": str(PLENTY),
        **options,
    }
    return spark.read.format("particle").options(**given).load(name)


def plain(spark: SparkSession, cloud: Served, name: str) -> DataFrame:
    """Return the same table as the plain reader reads it."""
    products = ",".join(map(str, cloud.products))
    given = {"access_token": cloud.token, "url": cloud.url, "products": products}
    return spark.read.format("plain").options(**given).load(name)


def read(frame: DataFrame) -> Spent:
    """Read a data frame to its end and drop the rows."""
    start, before = perf_counter(), _worker_cpu()
    frame.write.format("noop").mode("overwrite").save()
    return Spent(perf_counter() - start, _worker_cpu() - before)


def peak_memory() -> int:
    """Return the highest peak of resident memory of any Python worker, in bytes."""
    return max(high_water(worker.pid) for worker in _workers())


def _workers() -> list[psutil.Process]:
    # The processes that serve the fleet are children, too.
    children = psutil.Process().children(recursive=True)
    running = [process for process in children if process.status() != psutil.STATUS_ZOMBIE]
    return [process for process in running if "pyspark.daemon" in process.cmdline()]


def _worker_cpu() -> float:
    """Return the CPU seconds of all Python workers, including those that have ended."""
    return sum(sum(worker.cpu_times()[:4]) for worker in _workers())
