"""The connector of a Databricks Lakeflow pipeline: it implements the methods that the framework calls.

The framework (`databricks.labs.community_connector`) is on no package registry and comes with the pipeline. Where it
can be imported, `ParticleLakeflowConnect` is one of its connectors; elsewhere stand-ins with the same methods replace
its classes. An instance holds its options and nothing of the CDK, because Spark pickles it repeatedly.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any

from bridge import errors
from bridge.errors import OptionError, ParticleError, UnexpectedError
from bridge.reading import reader
from bridge.reading.streams import TableStream, stream_of
from bridge.reading.tasks import DEFAULT_PARTS, Descriptor, descriptors, with_token
from bridge.rows.batches import clean_records
from bridge.rows.schema import spark_schema
from bridge.tables.catalog import Table, table, tables
from bridge.tables.options import Options, doubtful_options

if TYPE_CHECKING:
    from pyspark.sql.types import StructType

    from bridge.lakeflow.interface import LakeflowConnect, SupportsPartitionedStream
else:
    try:
        from databricks.labs.community_connector.interface import LakeflowConnect, SupportsPartitionedStream
    except ImportError:
        from bridge.lakeflow.interface import LakeflowConnect, SupportsPartitionedStream

LOGGER = logging.getLogger(__name__)

Given = Mapping[str, str]


class ParticleLakeflowConnect(LakeflowConnect, SupportsPartitionedStream):
    """The tables of a Particle.io fleet for a Lakeflow pipeline.

    Takes all options in one dictionary: those of the connection, of the table and of the framework, in upper or lower
    case. Constructor, schema and metadata need no network; options are checked when a table is read. Every table is
    read in partitions, so that the planner signs in and no task has to.
    """

    def __init__(self, options: Given) -> None:
        super().__init__(options)
        # A plain dictionary is enough; Spark's own class is not needed.
        self.options: dict[str, str] = dict(options)
        self._streams: list[TableStream] = []

    def list_tables(self) -> list[str]:
        """Return the names of the tables, in the order of the manifest."""
        return list(tables())

    def get_table_schema(self, table_name: str, table_options: Given) -> "StructType":
        """Return the columns of a table; raises UnknownTableError."""
        part = table(table_name)
        for doubt in doubtful_options(table_options, part):
            LOGGER.warning(doubt)
        return spark_schema(part)

    def read_table_metadata(self, table_name: str, table_options: Given) -> dict[str, Any]:
        """Return the key of a table, its cursor if it has one, and its ingestion type; raises UnknownTableError."""
        return metadata_of(table(table_name))

    def read_table(
        self, table_name: str, start_offset: Mapping[str, Any] | None, table_options: Given
    ) -> tuple[Iterator[dict[str, Any]], dict[str, Any]]:
        """Return the records after an offset (None: all), and the offset to resume from.

        Raises OptionError and its like for wrong options; iterating over the records raises errors of the read.
        """
        # Who reads alone reads one part: each further one would list the fleet again, with a share of the limit.
        alone = {**table_options, "numPartitions": "1"}
        end = self.latest_offset(table_name, alone, start_offset)
        tasks = self.get_partitions(table_name, alone, start_offset or {}, end)
        records = (self.read_partition(table_name, task, alone) for task in tasks)
        return chain.from_iterable(records), end

    def read_table_deletes(
        self, table_name: str, start_offset: Mapping[str, Any] | None, table_options: Given
    ) -> tuple[Iterator[dict[str, Any]], dict[str, Any]]:
        """Raise OptionError, because the API does not report deletions."""
        raise no_deletes()

    def is_partitioned(self, table_name: str) -> bool:
        """Return True: every table is read in partitions."""
        return bool(table(table_name))

    def latest_offset(
        self, table_name: str, table_options: Given, start_offset: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Return the offset up to which the next batch reads; `start_offset` if there is nothing new.

        The framework does not tell when a run has to end. So once everything has been read, one call reports nothing
        new: that ends a run with `availableNow`, while a continuous run asks again.
        """
        return self._stream(table_name, table_options).latest(start_offset)

    def get_partitions(
        self,
        table_name: str,
        table_options: Given,
        start_offset: Mapping[str, Any] | None = None,
        end_offset: Mapping[str, Any] | None = None,
    ) -> Sequence[Descriptor]:
        """Return the tasks of a whole read or, with an end offset, of a batch: none if the offsets are equal.

        If planning a whole read fails, the only task returned raises the error: the framework would take an error here
        for a connector without partitions, and continue in another way.
        """
        options = self._parsed(table_name, table_options)
        if end_offset is not None:
            tasks = self._stream(table_name, table_options).descriptors(start_offset, end_offset)
            return with_token(tasks, reader.planner_token(options)) if tasks else []
        try:
            return with_token(descriptors(options, DEFAULT_PARTS), reader.planner_token(options))
        except ParticleError as error:
            return [{"error": [type(error).__name__, str(error)]}]

    def read_partition(self, table_name: str, partition: Descriptor, table_options: Given) -> Iterator[dict[str, Any]]:
        """Yield the rows of one task as dictionaries; raises SignInError, TemporaryError or UnexpectedError."""
        if "error" in partition:
            name, message = partition["error"]
            raise getattr(errors, name, UnexpectedError)(message)
        options = self._parsed(table_name, table_options)
        task = {name: value for name, value in partition.items() if name != "access_token"}
        records = reader.read_task(options.table, options.config(), task, partition.get("access_token"))
        return clean_records(records, options.table)

    def _stream(self, table_name: str, table_options: Given) -> TableStream:
        options = self._parsed(table_name, table_options)
        # Each call may come with other options; only calls with equal ones belong to the same stream.
        stream = next((known for known in self._streams if known.options == options), None)
        if stream is None:
            stream = stream_of(options, DEFAULT_PARTS, rests=True)
            self._streams.append(stream)
        return stream

    def _parsed(self, table_name: str, table_options: Given) -> Options:
        given = {name.lower(): value for source in (self.options, table_options) for name, value in source.items()}
        if given.get("isdeleteflow", "false").lower() == "true":
            raise no_deletes()
        return Options.parse(given, table(table_name))

    def __getstate__(self) -> dict[str, Any]:
        """Drop running streams, which belong to the planning process."""
        return {**self.__dict__, "_streams": []}

    def __repr__(self) -> str:
        """Show no options, because any may be a secret."""
        return f"{type(self).__name__}()"


def metadata_of(part: Table) -> dict[str, Any]:
    """Return a table's metadata under the framework's names."""
    metadata: dict[str, Any] = {"primary_keys": list(part.primary_key), "ingestion_type": part.ingestion_type}
    return {**metadata, "cursor_field": part.cursor_field} if part.cursor_field else metadata


def no_deletes() -> OptionError:
    """Return the error for reading deletions."""
    return OptionError(
        "isDeleteFlow asks for deleted rows, but the Particle API does not report deletions. Ingest the table "
        "without it: a deleted row is missing from the next snapshot."
    )
