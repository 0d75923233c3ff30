"""Stand-ins for the base classes of the Lakeflow framework, where it is not installed; they have the same methods."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyspark.sql.types import StructType

Given = Mapping[str, str]
Offset = Mapping[str, Any]
Records = Iterator[dict[str, Any]]


class LakeflowConnect(ABC):
    """A connector, as a pipeline sees it."""

    def __init__(self, options: Given) -> None:
        self.options = dict(options)

    @abstractmethod
    def list_tables(self) -> list[str]:
        """Return the names of the tables."""

    @abstractmethod
    def get_table_schema(self, table_name: str, table_options: Given) -> "StructType":
        """Return the columns of a table."""

    @abstractmethod
    def read_table_metadata(self, table_name: str, table_options: Given) -> dict[str, Any]:
        """Return keys, cursor and ingestion type of a table."""

    @abstractmethod
    def read_table(
        self, table_name: str, start_offset: Offset | None, table_options: Given
    ) -> tuple[Records, dict[str, Any]]:
        """Return records and the offset after them."""

    @abstractmethod
    def read_table_deletes(
        self, table_name: str, start_offset: Offset | None, table_options: Given
    ) -> tuple[Records, dict[str, Any]]:
        """Return deleted records and the offset after them."""


class SupportsPartitionedStream(ABC):
    """A connector whose tables are read by several tasks, batches of streams too."""

    @abstractmethod
    def is_partitioned(self, table_name: str) -> bool:
        """Return whether a stream over the table is read in partitions."""

    @abstractmethod
    def latest_offset(
        self, table_name: str, table_options: Given, start_offset: Offset | None = None
    ) -> dict[str, Any]:
        """Return the offset up to which the next batch reads."""

    @abstractmethod
    def get_partitions(
        self,
        table_name: str,
        table_options: Given,
        start_offset: Offset | None = None,
        end_offset: Offset | None = None,
    ) -> Sequence[dict[str, Any]]:
        """Return the tasks of a read."""

    @abstractmethod
    def read_partition(self, table_name: str, partition: dict[str, Any], table_options: Given) -> Records:
        """Yield the records of one task."""
