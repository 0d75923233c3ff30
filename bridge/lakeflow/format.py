"""The format `lakeflow_connect`: the tables of the format `particle` under the framework's option names.

A pipeline written for the Lakeflow framework runs with it unchanged, and reads Arrow batches. It also has the
framework's virtual tables, which list the tables with their keys, cursors and ingestion types.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pyspark.sql.datasource import DataSourceReader, InputPartition
from pyspark.sql.types import ArrayType, StringType, StructField, StructType

from bridge.errors import OptionError, UnknownTableError, quoted
from bridge.lakeflow.connector import metadata_of, no_deletes
from bridge.spark.datasource import ParticleDataSource, ParticleStreamReader
from bridge.tables.catalog import table, tables

RESERVED = "_community_"
Row = tuple[Any, ...]
NAMES = ArrayType(StringType())


class LakeflowDataSource(ParticleDataSource):
    """The tables of a Particle.io fleet for code written for the Lakeflow framework."""

    @classmethod
    def name(cls) -> str:
        """Return the name of the format."""
        return "lakeflow_connect"

    def schema(self) -> StructType:
        """Return the columns of the table; raises OptionError for `isDeleteFlow` and options that cannot work."""
        if self.options.get("isDeleteFlow", "false").lower() == "true":
            raise no_deletes()
        virtual = self._virtual()
        return virtual.schema if virtual else super().schema()

    def reader(self, schema: StructType) -> DataSourceReader:
        """Return the reader of a batch."""
        virtual = self._virtual()
        if virtual is None:
            return super().reader(schema)
        # From here on, copies of this object leave out the credentials.
        self._is_planned = True
        return VirtualReader(list(virtual.rows(self.options)))

    def streamReader(self, schema: StructType) -> ParticleStreamReader:  # noqa: N802
        """Return the reader of a stream; raises OptionError for a virtual table."""
        if self._virtual():
            raise OptionError(f"The table {self.options['tableName']} cannot be read as a stream; use spark.read.")
        return super().streamReader(schema)

    def _virtual(self) -> "VirtualTable | None":
        name = self.options.get("tableName") or ""
        if not name.startswith(RESERVED):
            return None
        if name not in VIRTUAL_TABLES:
            raise UnknownTableError.of(name, VIRTUAL_TABLES)
        return VIRTUAL_TABLES[name]


@dataclass(frozen=True)
class VirtualTable:
    """A table about the tables, which needs the options and the manifest only."""

    schema: StructType
    rows: Callable[[Mapping[str, str]], Iterator[Row]]


class VirtualReader(DataSourceReader):
    """Reads rows that are already known."""

    def __init__(self, rows: list[Row]) -> None:
        self.rows = rows

    def read(self, partition: InputPartition) -> Iterator[Row]:
        """Return the rows."""
        return iter(self.rows)


def _metadata(options: Mapping[str, str]) -> Iterator[Row]:
    # Nothing here depends on it, but a typing error is reported.
    _json_option(options, "tableConfigs", dict)
    for name in _json_option(options, "tableNameList", list):
        metadata = metadata_of(table(str(name)))
        yield str(name), metadata["primary_keys"], metadata.get("cursor_field"), metadata["ingestion_type"]


def _tables(options: Mapping[str, str]) -> Iterator[Row]:
    if "namespace" in options:
        raise OptionError("The option namespace is not supported: the tables of a fleet have no namespaces.")
    return (([], name) for name in sorted(tables()))


def _namespaces(_options: Mapping[str, str]) -> Iterator[Row]:
    return iter(())


def _json_option(options: Mapping[str, str], name: str, kind: type) -> Any:
    text = options.get(name)
    try:
        value = json.loads(text) if text is not None else kind()
    except ValueError:
        value = None
    if not isinstance(value, kind):
        example = '["devices", "user"]' if kind is list else '{"devices": {}}'
        raise OptionError(f"Received {quoted(text)} for option {name}; expected JSON like {example}.")
    return value


VIRTUAL_TABLES = {
    "_community_table_metadata": VirtualTable(
        StructType(
            [
                StructField("tableName", StringType(), False),
                StructField("primary_keys", NAMES),
                StructField("cursor_field", StringType()),
                StructField("ingestion_type", StringType()),
            ]
        ),
        _metadata,
    ),
    "_community_tables": VirtualTable(
        StructType([StructField("namespace", NAMES, False), StructField("tableName", StringType(), False)]), _tables
    ),
    "_community_namespaces": VirtualTable(StructType([StructField("namespace", NAMES, False)]), _namespaces),
}
