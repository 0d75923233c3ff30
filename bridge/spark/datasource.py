"""The Spark data source: `spark.read.format("particle").options(...).load("devices")`, and `readStream` likewise.

Spark pickles the data source and its readers several times, so they hold strings and plain objects only; everything of
the CDK is built inside `read`. The reader is pickled before `partitions` runs, so the access token that the planner
obtains travels in the partitions. `manifest.yaml` declares the options, and `bridge.tables.options` checks them.
"""

import logging
import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing
from typing import TYPE_CHECKING, Any

from pyspark.sql.datasource import DataSource, DataSourceReader, DataSourceStreamReader, InputPartition
from pyspark.sql.types import StructType

from bridge.errors import ConfigurationError, OptionError, UnknownTableError
from bridge.reading import reader
from bridge.reading.streams import TableStream, stream_of
from bridge.reading.tasks import DEFAULT_PARTS, Descriptor, descriptors
from bridge.rows.batches import record_batches
from bridge.rows.schema import spark_schema
from bridge.spark.versions import SupportsTriggerAvailableNow, refuse_split_windows
from bridge.tables.catalog import Table, credential_names, table, tables
from bridge.tables.options import Options, doubtful_options
from source_particle.garbage import rare_collections
from source_particle.redaction import REDACTED

if TYPE_CHECKING:
    import pyarrow as pa  # type: ignore[import-untyped]

LOGGER = logging.getLogger(__name__)
NOTHING: Mapping[str, Any] = {}
# Bytes that have to come together before a worker of Spark hands rows on, and up to which a query may still want few.
WORKERS_BUFFER, FEW = 65_536, 1_048_576
# Seconds in which Spark may end the task; each batch holds twice the rows of the one before, so there are few of them.
PAUSE = 0.03


class ParticleDataSource(DataSource):
    """The tables of a Particle.io fleet as Spark data frames.

    The table is named by `load("devices")` or the option `tableName`. The options are those of the connection
    (`access_token`, or `username` and `password`) and those of the table. No request is sent before an action runs;
    `load` raises errors in the options.
    """

    default_parts = DEFAULT_PARTS
    """Tasks of a read that does not set `numPartitions`; `register` sets it to the session's parallelism."""

    batch_reader: "type[ParticleReader] | None" = None
    """Replaces `ParticleReader`; `register` sets one with filter pushdown if the session has that on."""

    _is_planned = False

    @classmethod
    def name(cls) -> str:
        """Return the name of the format."""
        return "particle"

    def schema(self) -> StructType:
        """Return the columns of the table; raises OptionError or UnknownTableError for wrong options."""
        options = self._parsed()
        for doubt in doubtful_options(self.options, options.table):
            LOGGER.warning(doubt)
        return spark_schema(options.table)

    def reader(self, schema: StructType) -> DataSourceReader:
        """Return the reader of a batch; raises ConfigurationError if the user set another schema."""
        return (self.batch_reader or ParticleReader)(self._for(schema), self.default_parts)

    def streamReader(self, schema: StructType) -> "ParticleStreamReader":  # noqa: N802  (Spark's name)
        """Return the reader of a stream; raises what `reader` does, and OptionError for what this Spark lacks."""
        options = self._for(schema)
        refuse_split_windows(options)
        return ParticleStreamReader(options, self.default_parts)

    def __getstate__(self) -> dict[str, Any]:
        """Drop the credentials once there is a reader: from then on, Spark copies it to workers only."""
        if not self._is_planned:
            return self.__dict__
        kept = {name: value for name, value in self.options.items() if name.lower() not in credential_names()}
        return {**self.__dict__, "options": kept}

    def _for(self, schema: StructType) -> Options:
        self._is_planned = True
        options = self._parsed()
        if _types(schema) != _types(spark_schema(options.table)):
            raise ConfigurationError(
                f"The table {options.table.name} has a fixed schema; leave out .schema(...) and select or cast "
                "columns after loading."
            )
        return options

    def _parsed(self) -> Options:
        return Options.parse(self.options, table_of(self.options.get("path"), self.options.get("tableName")))

    def __repr__(self) -> str:
        """Show no options, because any may be a secret."""
        return f"{type(self).__name__}()"


class TablePartition(InputPartition):
    """What one task reads, and the token that the planner obtained."""

    def __init__(self, descriptor: Descriptor, access_token: str | None) -> None:
        super().__init__(descriptor)
        self.descriptor = descriptor
        self.access_token = access_token

    def __repr__(self) -> str:
        """Show what is read, but not the token."""
        return f"TablePartition({self.descriptor}, access_token={REDACTED})"


class ParticleReader(DataSourceReader):
    """Reads one table once."""

    def __init__(self, options: Options, default_parts: int = DEFAULT_PARTS) -> None:
        self.options, self.default_parts = options, default_parts
        self.narrowing: dict[str, Any] = {}
        """What all tasks have in common, in addition to their descriptors."""

    def partitions(self) -> list[InputPartition]:
        """Return the tasks. Signs in, so that no task has to; raises SignInError for a refused account."""
        return _partitions(self.options, descriptors(self.options, self.default_parts))

    def read(self, partition: InputPartition) -> "Iterator[pa.RecordBatch]":
        """Yield the rows of one task."""
        return _unhurried(_read(self.options, partition, self.narrowing))

    def __getstate__(self) -> dict[str, Any]:
        """Drop the password: tasks have the token in their partitions."""
        return {**self.__dict__, "options": self.options.without_password()}

    def __repr__(self) -> str:
        """Show the options without secrets."""
        return f"{type(self).__name__}({self.options!r})"


class ParticleStreamReader(DataSourceStreamReader, SupportsTriggerAvailableNow):
    """Reads a table repeatedly: what is new, or whole snapshots; see `bridge.reading.streams`."""

    def __init__(self, options: Options, default_parts: int = DEFAULT_PARTS) -> None:
        self.options, self.default_parts = options, default_parts
        self._stream: TableStream | None = None
        self._planned: Mapping[str, Any] | None = None

    @property
    def stream(self) -> TableStream:
        """The state of the running query, in the planning process."""
        if self._stream is None:
            self._stream = stream_of(self.options, self.default_parts)
        return self._stream

    def initialOffset(self) -> dict[str, str]:  # noqa: N802
        """Return the constant offset at which every query starts."""
        return self.stream.initial()

    def latestOffset(self, start: Mapping[str, Any] | None = None, limit: object = None) -> dict[str, str]:  # noqa: N802
        """Return the end of the next batch; versions of Spark that pass no start have planned it before."""
        return self.stream.latest(start or self._planned)

    def prepareForTriggerAvailableNow(self) -> None:  # noqa: N802
        """Fix the end of the run at what exists now."""
        self.stream.freeze()

    def partitions(self, start: Mapping[str, Any], end: Mapping[str, Any]) -> list[InputPartition]:
        """Return the tasks of a batch; signs in like the reader of a batch."""
        # After a restart, Spark up to 4.1 shows where it resumes by asking for the tasks between two equal offsets.
        self._planned = end
        tasks = self.stream.descriptors(start, end)
        return _partitions(self.options, tasks) if tasks else []

    def read(self, partition: InputPartition) -> "Iterator[pa.RecordBatch]":
        """Yield the rows of one task."""
        return _read(self.options, partition)

    def __getstate__(self) -> dict[str, Any]:
        """Drop the running query and the password: workers only read, with the token in their partitions."""
        return {**self.__dict__, "options": self.options.without_password(), "_stream": None, "_planned": None}

    def __repr__(self) -> str:
        """Show the options without secrets."""
        return f"{type(self).__name__}({self.options!r})"


def table_of(path: str | None, table_name: str | None) -> Table:
    """Return the table that `load(path)` or the option `tableName` names; raise OptionError if they differ."""
    if path and table_name and table(path) != table(table_name):
        raise OptionError(f"The table is named twice, {path!r} by load() and {table_name!r} by tableName; name one.")
    if not path and not table_name:
        raise UnknownTableError(
            f'No table is named; expected load("devices") or the option tableName, with one of {", ".join(tables())}. '
            "CREATE TABLE … USING particle cannot work, because Spark hands its options to no Python data source: use "
            "CREATE TEMPORARY VIEW … USING particle OPTIONS (tableName 'devices', …), or save what spark.read loads."
        )
    return table(path or table_name or "")


def _partitions(options: Options, tasks: list[Descriptor]) -> list[InputPartition]:
    token = reader.planner_token(options)
    return [TablePartition(task, token) for task in tasks]


def _read(
    options: Options, partition: InputPartition, narrowing: Mapping[str, Any] = NOTHING
) -> "Generator[pa.RecordBatch]":
    assert isinstance(partition, TablePartition)
    task = {**partition.descriptor, **narrowing}
    with rare_collections():
        records = reader.read_task(options.table, options.config(), task, partition.access_token)
        yield from record_batches(records, options.table)


def _unhurried(batches: "Generator[pa.RecordBatch]") -> "Iterator[pa.RecordBatch]":
    """Pause after the first batches that Spark gets, so that a query for a few rows ends before more are requested."""
    size = 0
    with closing(batches):
        for batch in batches:
            yield batch
            size += batch.nbytes
            if WORKERS_BUFFER <= size < FEW:
                time.sleep(PAUSE)


def _types(schema: StructType) -> list[tuple[str, str]]:
    return [(field.name, field.dataType.simpleString()) for field in schema]
