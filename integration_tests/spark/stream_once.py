"""One run of a stream in a process that a test may kill: `python -m integration_tests.spark.stream_once JSON`."""

import json
import sys

from pyspark.sql import SparkSession

import bridge


def main(table: str, options: dict[str, str], folder: str) -> None:
    """Read all that is new of a table into Parquet files, and end."""
    spark = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false").getOrCreate()
    spark.sparkContext.setLogLevel("OFF")
    bridge.register(spark)
    frame = spark.readStream.format("particle").options(**options).load(table)
    writer = frame.writeStream.format("parquet").option("path", f"{folder}/files")
    writer = writer.option("checkpointLocation", f"{folder}/checkpoint").trigger(availableNow=True)
    writer.start().awaitTermination()
    spark.stop()


if __name__ == "__main__":
    main(**json.loads(sys.argv[1]))
