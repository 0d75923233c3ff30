"""Reads a table with each reader: the rows that arrived, the messages, and whether it counts as a success."""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from bridge import ParticleLakeflowConnect
from bridge.errors import ParticleError
from bridge.tables.catalog import table
from integration_tests.airbyte.syncs import sync, warnings_of
from integration_tests.matrix.cells import Cell
from integration_tests.matrix.world import World
from integration_tests.spark.sessions import EAGER, Stream
from unit_tests.support.restoring import restored

# Spark quotes what a Python process raised; class and message are at the end.
RAISED = re.compile(r"(?:ConfigurationError|OptionError|SignInError|TemporaryError|UnexpectedError): (.+)")


@dataclass
class Reading:
    """How a read of one table ended.

    `error` is the message made for people, empty where there was none, and `said` all that was said beside it.
    `reported` holds the warnings, None where they end in the log of another process.
    """

    records: Sequence[Mapping[str, Any]] = field(default_factory=list)
    error: str = ""
    said: str = ""
    is_success: bool = False
    reported: str | None = None


def options_of(world: World, cell: Cell) -> dict[str, str]:
    """Return the options of a cell's table."""
    known = {option.name for option in table(cell.table).options}
    given = world.options(table(cell.table).required_options, cell.place)
    return {name: value for name, value in given.items() if name in known}


def _in_one_task(world: World, cell: Cell) -> dict[str, str]:
    """Return all options: with several tasks it is chance which of them a trouble meets that comes up once."""
    return {**world.connection, **options_of(world, cell), "numPartitions": "1"}


def airbyte(world: World, cells: Sequence[Cell]) -> list[Reading]:
    """Read the tables of all cells in one sync."""
    given = dict(world.connection)
    names = ("username", "password") if "username" in given else ("access_token",)
    credentials = {"auth_type": "password" if "username" in given else "access_token"}
    config: dict[str, Any] = {
        "credentials": credentials | {name: given.pop(name) for name in names},
        **{name: float(value) if name != "base_url" else value for name, value in given.items()},
        **{cell.table: options for cell in cells if (options := options_of(world, cell))},
        # As the command reads; whatever else runs the source gets records one by one, which fewer tests do.
        "plan": {"bundled": True},
    }
    result = sync(config, *(cell.table for cell in cells))
    return [
        Reading(
            result.records[cell.table],
            "\n".join(result.failures[cell.table]),
            result.errors,
            result.statuses[cell.table][-1:] == ["COMPLETE"],
            result.warnings,
        )
        for cell in cells
    ]


def lakeflow(world: World, cell: Cell) -> Reading:
    """Read a table as a Lakeflow pipeline does, its tasks from descriptors that were JSON."""
    options = _in_one_task(world, cell)

    def rows() -> Iterator[dict[str, Any]]:
        tasks = ParticleLakeflowConnect(options).get_partitions(cell.table, options)
        for task in json.loads(json.dumps(tasks)):
            yield from ParticleLakeflowConnect(options).read_partition(cell.table, task, options)

    return _restored(rows)


def lakeflow_stream(world: World, cell: Cell) -> Reading:
    """Read a table as the first batch of a stream that the framework reads in one piece."""
    windows = EAGER if table(cell.table).cursor_field else {}
    options = {**windows, **_in_one_task(world, cell)}

    def rows() -> Iterator[dict[str, Any]]:
        records, end = ParticleLakeflowConnect(options).read_table(cell.table, None, options)
        assert json.loads(json.dumps(end)) == end
        yield from records

    return _restored(rows)


def _restored(rows: Callable[[], Iterator[dict[str, Any]]]) -> Reading:
    with warnings_of("bridge.airbyte") as reported:
        try:
            arrived = list(rows())
        except ParticleError as error:
            return Reading(error=str(error), said=repr(error))
    return Reading([restored(row) for row in arrived], is_success=True, reported="\n".join(reported))


def spark_batch(spark: SparkSession, world: World, cell: Cell) -> Reading:
    """Read a table as a data frame."""
    options = _in_one_task(world, cell)
    try:
        rows = spark.read.format("particle").options(**options).load(cell.table).collect()
    except PySparkException as error:
        return Reading(error=_raised(error), said=str(error))
    return Reading([restored(row.asDict(recursive=True)) for row in rows], is_success=True)


def spark_stream(spark: SparkSession, world: World, cell: Cell, folder: Path) -> Reading:
    """Read a table as a stream into files, once."""
    stream = Stream(spark, world.cloud, folder, cell.table)
    windows = EAGER if table(cell.table).cursor_field else {}
    error, said = "", ""
    try:
        stream.run(**windows, **_in_one_task(world, cell))
    except PySparkException as raised:
        error, said = _raised(raised), str(raised)
    rows = [restored(row.asDict(recursive=True)) for row in stream.rows()]
    return Reading(rows, error, said, any((stream.checkpoint / "commits").glob("[0-9]*")))


def _raised(error: PySparkException) -> str:
    found = RAISED.findall(str(error))
    return str(found[-1]) if found else ""
