"""The Spark data source: `spark.read.format("particle").options(...).load("devices")`.

Spark pickles the data source and its reader several times, so they hold strings and plain objects; everything of the
CDK is built inside `read`. The reader is pickled before `partitions` runs, so what the planner learns, the access
token, travels in the partitions.
"""

import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING

from pyspark.sql.datasource import DataSource, DataSourceReader, InputPartition
from pyspark.sql.types import StructType

from bridge import reader
from bridge.catalog import Table, table
from bridge.errors import ConfigurationError, OptionError
from bridge.options import REDACTED, Options, doubtful_options
from bridge.plan import Descriptor, descriptors
from bridge.rows import record_batches
from bridge.schema import spark_schema

if TYPE_CHECKING:
    import pyarrow as pa  # type: ignore[import-untyped]

LOGGER = logging.getLogger(__name__)


class ParticleDataSource(DataSource):
    """The tables of a Particle.io fleet as Spark data frames.

    The table is named by `load("devices")` or the option `tableName`. The options are those of the connection
    (`access_token`, or `username` and `password`) and those of the table. Nothing is asked of the API before an action
    runs; whatever is wrong with the options is raised by `load`.
    """

    @classmethod
    def name(cls) -> str:
        """Return the name of the format."""
        return "particle"

    def schema(self) -> StructType:
        """Return the columns of the table; raises OptionError or UnknownTableError for options that cannot work."""
        options = self._parsed()
        for doubt in doubtful_options(self.options, options.table):
            LOGGER.warning(doubt)
        return spark_schema(options.table)

    def reader(self, schema: StructType) -> "ParticleReader":
        """Return the reader of a batch; raises ConfigurationError when the user gave the read another schema."""
        options = self._parsed()
        if _types(schema) != _types(spark_schema(options.table)):
            raise ConfigurationError(
                f"The table {options.table.name} has a schema of its own; leave out .schema(...) and select or cast "
                "columns after loading."
            )
        return ParticleReader(options)

    def _parsed(self) -> Options:
        return Options.parse(self.options, _table_of(self.options.get("path"), self.options.get("tableName")))

    def __repr__(self) -> str:
        """Show no option, as any may be a secret."""
        return f"{type(self).__name__}()"


class TablePartition(InputPartition):
    """What one task reads, and the token that the planner signed in for."""

    def __init__(self, descriptor: Descriptor, access_token: str | None) -> None:
        super().__init__(descriptor)
        self.descriptor = descriptor
        self.access_token = access_token

    def __repr__(self) -> str:
        """Show what is read, not the token."""
        return f"TablePartition({self.descriptor}, access_token={REDACTED})"


class ParticleReader(DataSourceReader):
    """Reads one table once."""

    def __init__(self, options: Options) -> None:
        self.options = options

    def partitions(self) -> list[InputPartition]:
        """Return the tasks. Signs in here, so that not every task has to; a refused account ends the plan."""
        config = self.options.config()
        token = None if "access_token" in self.options.credentials else reader.sign_in(config)
        return [TablePartition(descriptor, token) for descriptor in descriptors()]

    def read(self, partition: InputPartition) -> "Iterator[pa.RecordBatch]":
        """Give the rows of one task."""
        assert isinstance(partition, TablePartition)
        config = partition.descriptor.config(self.options.config(), partition.access_token)
        table = self.options.table
        return record_batches(reader.read_records(table, config), table)

    def __repr__(self) -> str:
        """Show the options without their secrets."""
        return f"{type(self).__name__}({self.options!r})"


def _table_of(path: str | None, table_name: str | None) -> Table:
    if path and table_name and table(path) != table(table_name):
        raise OptionError(f"The table is named twice, {path!r} by load() and {table_name!r} by tableName; name one.")
    return table(path or table_name or "")


def _types(schema: StructType) -> list[tuple[str, str]]:
    return [(field.name, field.dataType.simpleString()) for field in schema]
