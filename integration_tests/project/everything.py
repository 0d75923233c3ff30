"""All that Spark and Lakeflow do, in one process to be searched: `python -m integration_tests.project.everything`.

The variable `EVERYTHING` holds JSON: the options of the connection, and a folder for all that is written.
"""

import json
import logging
import os
import sys
import traceback
from contextlib import suppress
from pathlib import Path

from pyspark.sql import SparkSession

import bridge
from bridge import cli
from unit_tests.support.kinds import one_of_each_shape


class _WithExtras(logging.Formatter):
    """Prints all of a record, as formatters that write JSON do."""

    def format(self, record: logging.LogRecord) -> str:
        return f"{super().format(record)} {vars(record)}"


def main(connection: dict[str, str], folder: str, refused: str) -> None:
    """Read, explain, stream, fail and sync, and tell as much of it as can be told."""
    handler = logging.StreamHandler()
    handler.setFormatter(_WithExtras())
    logging.basicConfig(level=logging.DEBUG, handlers=[handler], force=True)
    spark = (
        SparkSession.builder.master("local[2]")
        .config("spark.ui.enabled", "false")
        .config("spark.eventLog.enabled", "true")
        .config("spark.eventLog.dir", f"{folder}/events")
        .config("spark.eventLog.compress", "false")
        .config("spark.sql.shuffle.partitions", "2")
        .getOrCreate()
    )
    spark.sparkContext.setLogLevel("INFO")
    bridge.register(spark)
    for part in one_of_each_shape():
        options = {**connection, "numPartitions": "2", **dict.fromkeys(part.required_options, "*")}
        frame = spark.read.format("particle").options(**options).load(part.name)
        frame.explain(True)
        frame.write.mode("overwrite").parquet(f"{folder}/batch/{part.name}")
    _query(spark, connection)
    _stream(spark, {**connection, "device_id": "*"}, folder)
    _lakeflow({**connection, "device_id": "*"})
    for failing in ({"device_id": refused}, {"device_id": "a/b"}, {"base_url": "http://user:pass@host"}):
        _fail(spark, {**connection, "device_id": "*", **failing})
    wanted = ["--table", "devices", "--table", "diagnostics"]
    for engine in ("arrow", "spark"):
        sys.argv = ["particle-bridge", "sync", "--to", f"{folder}/lake/{engine}", "--engine", engine, *wanted]
        with suppress(SystemExit):
            cli.main()
    assert len(list(Path(folder).glob("lake/*/*/*.parquet"))) == 2 * len(("arrow", "spark"))


def _query(spark: SparkSession, connection: dict[str, str]) -> None:
    given = {"path": "devices", **connection}.items()
    options = ", ".join(
        "{} '{}'".format(name, value.replace("\\", "\\\\").replace("'", "\\'")) for name, value in given
    )
    spark.sql(f"CREATE TEMPORARY VIEW fleet USING particle OPTIONS ({options})")
    assert spark.sql("SELECT * FROM fleet").count() > 0


def _stream(spark: SparkSession, options: dict[str, str], folder: str) -> None:
    frame = spark.readStream.format("particle").options(**options).load("diagnostics")
    writer = frame.writeStream.format("parquet").option("path", f"{folder}/stream")
    query = writer.option("checkpointLocation", f"{folder}/checkpoint").trigger(availableNow=True).start()
    query.awaitTermination()
    query.explain(True)
    print(query, query.status, query.lastProgress)


def _lakeflow(options: dict[str, str]) -> None:
    connector = bridge.ParticleLakeflowConnect(options)
    tasks = connector.get_partitions("diagnostics", {})
    print(connector, tasks, [list(connector.read_partition("diagnostics", task, {})) for task in tasks])


def _fail(spark: SparkSession, options: dict[str, str]) -> None:
    try:
        spark.read.format("particle").options(**options).load("diagnostics").collect()
    except Exception:  # noqa: BLE001  (whatever it is, its text is searched)
        print(traceback.format_exc())
    else:
        raise AssertionError("it did not fail")


if __name__ == "__main__":
    main(**json.loads(os.environ["EVERYTHING"]))
