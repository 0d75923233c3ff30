"""A job on a cluster: `python integration_tests/spark/cluster_job.py JSON`."""

import json
import os
import sys
from typing import Any

from pyspark.sql import SparkSession
from pyspark.sql.functions import udf

import bridge


def main(master: str, package: str, options: dict[str, str], to: str) -> None:
    """Read the vitals into a JSON file: each row, and where its task ran and found this package."""
    spark = (
        SparkSession.builder.master(master)
        .config("spark.executor.memory", "512m")
        .config("spark.ui.enabled", "false")
        .config("spark.driver.host", "127.0.0.1")
        .getOrCreate()
    )
    spark.sparkContext.setLogLevel("OFF")
    spark.sparkContext.addPyFile(package)
    bridge.register(spark)

    @udf
    def place() -> str:
        import bridge  # noqa: PLC0415  (on the executor)

        return json.dumps([os.getcwd(), bridge.__file__])  # noqa: PTH109

    frame = spark.read.format("particle").options(**options).load("diagnostics").withColumn("place", place())
    rows: list[dict[str, Any]] = [row.asDict(recursive=True) for row in frame.collect()]
    with open(to, "w", encoding="utf-8") as file:  # noqa: PTH123
        json.dump(rows, file)
    spark.stop()


if __name__ == "__main__":
    main(**json.loads(sys.argv[1]))
