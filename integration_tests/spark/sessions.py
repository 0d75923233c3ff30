"""Spark for the tests: a session like a user's, reads and streams of a Device Cloud, and the expected rows."""

import json
import os
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import DataFrame, Row, SparkSession
from pyspark.sql.streaming.query import StreamingQuery

import bridge
from bridge.reading.times import moment_of
from bridge.tables.catalog import Table, table
from integration_tests.device_cloud import DeviceCloud
from unit_tests.support.paths import ROOT
from unit_tests.support.restoring import alike, restored

# A stream that reads up to the last second, so that a test need not wait.
EAGER = {"settle_seconds": "0", "min_window_seconds": "1"}


@contextmanager
def local_session() -> Iterator[SparkSession]:
    """A session as a user has it; Spark's workers are processes that must find this Python and this checkout."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYSPARK_PYTHON", sys.executable)
        patch.setenv("SPARK_LOCAL_IP", "127.0.0.1")
        patch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
        builder = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false")
        builder = builder.config("spark.python.daemon.module", "integration_tests.spark.daemon")
        session = builder.config("spark.sql.shuffle.partitions", "2").getOrCreate()
    session.sparkContext.setLogLevel("OFF")
    bridge.register(session)
    try:
        yield session
    finally:
        session.stop()


def options_for(cloud: DeviceCloud, part: Table, **options: str) -> dict[str, str]:
    """All options that a read of a table needs; what the table requires is `*` unless it is given."""
    signing_in = {} if "username" in options else {"access_token": cloud.token}
    given = {"base_url": cloud.url, "retry_wait_factor": "0", **signing_in, **options}
    return {**dict.fromkeys(part.required_options, "*"), **given}


def load(spark: SparkSession, cloud: DeviceCloud, name: str, **options: str) -> DataFrame:
    """A table as a data frame."""
    return spark.read.format("particle").options(**options_for(cloud, table(name), **options)).load(name)


class Stream:
    """A stream of one table into Parquet files, with a checkpoint that outlives its runs."""

    def __init__(self, spark: SparkSession, cloud: DeviceCloud, folder: Path, name: str = "diagnostics") -> None:
        self.spark, self.cloud, self.part = spark, cloud, table(name)
        self.files, self.checkpoint = folder / "files", folder / "checkpoint"

    def start(self, trigger: Mapping[str, Any] | None = None, **options: str) -> StreamingQuery:
        """Start the query; options without a trigger run it with Spark's default one."""
        given = options_for(self.cloud, self.part, **options)
        frame = self.spark.readStream.format("particle").options(**given).load(self.part.name)
        writer = frame.writeStream.format("parquet").option("path", str(self.files))
        writer = writer.option("checkpointLocation", str(self.checkpoint))
        return (writer.trigger(**trigger) if trigger else writer).start()

    def run(self, **options: str) -> StreamingQuery:
        """Read all that is new, and end."""
        query = self.start({"availableNow": True}, **options)
        try:
            query.awaitTermination()
        finally:
            query.stop()
        return query

    def rows(self) -> list[Row]:
        """What has arrived."""
        if not list(self.files.glob("_spark_metadata/[0-9]*")):
            return []
        return self.spark.read.parquet(str(self.files)).collect()

    def keys(self) -> Counter[tuple[str, ...]]:
        """How often each key has arrived."""
        columns = self.part.primary_key
        return Counter(tuple(str(row[name]) for name in columns) for row in self.rows())

    @property
    def offsets(self) -> list[dict[str, Any]]:
        """The end offset of each batch, as Spark has logged it."""
        files = sorted((int(path.name), path) for path in (self.checkpoint / "offsets").glob("[0-9]*"))
        return [json.loads(path.read_text().splitlines()[-1]) for _, path in files]

    def rewrite_offset(self, batch: int, offset: str) -> None:
        """Put another offset into the log of a batch."""
        path = self.checkpoint / "offsets" / str(batch)
        path.write_text("\n".join([*path.read_text().splitlines()[:-1], offset]))
        self._forget_checksum(path)

    def forget_commit(self, batch: int, *, is_in_sink: bool = False) -> None:
        """Make Spark believe that it died in the middle of a batch: it is not committed, and is in the sink or not."""
        in_sink = [] if is_in_sink else [self.files / "_spark_metadata" / str(batch)]
        for path in (self.checkpoint / "commits" / str(batch), *in_sink):
            path.unlink()
            self._forget_checksum(path)

    @staticmethod
    def _forget_checksum(path: Path) -> None:
        path.with_name(f".{path.name}.crc").unlink(missing_ok=True)


def truth_of(cloud: DeviceCloud, part: Table, until: datetime | None = None, **options: str) -> list[dict[str, Any]]:
    """What a table holds, of one that grows those records that are from before a moment."""
    records = cloud.ledger.records(part.name, {**dict.fromkeys(part.required_options, "*"), **options})
    cursor = part.cursor_field
    return [record for record in records if not until or not cursor or moment_of(record[cursor]) < until]


def assert_same(part: Table, rows: Iterable[Row], truth: Iterable[Mapping[str, Any]]) -> None:
    """Compare rows with the truth: each record once, each value as it was sent."""

    def key(record: Any) -> tuple[str, ...]:
        return tuple(str(record[name]) for name in part.primary_key)

    known = {key(record): record for record in truth}
    assert known
    arrived = [row.asDict(recursive=True) for row in rows]
    counted = Counter(map(key, arrived))
    assert counted == Counter(dict.fromkeys(known, 1)), (
        f"missing {list(known.keys() - counted.keys())[:3]}, unexpected {list(counted.keys() - known.keys())[:3]}, "
        f"several times {[name for name, count in counted.items() if count > 1][:3]}"
    )
    for row in arrived:
        assert alike(known[key(row)], restored(row))
