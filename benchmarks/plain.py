"""The hand-written loop of `loop.py` as a Spark data source: one partition, dictionaries that become rows."""

from collections.abc import Iterator

from pyspark.sql import Row
from pyspark.sql.datasource import DataSource, DataSourceReader, InputPartition
from pyspark.sql.types import StringType, StructField, StructType

from benchmarks.loop import diagnostics, product_devices, session_for
from bridge.rows.schema import RESCUED_DATA, spark_schema
from bridge.tables.catalog import table

READERS = {"product_devices": product_devices, "diagnostics": diagnostics}


class PlainDataSource(DataSource):
    """The format `plain`, with the columns of the table that `path` names."""

    @classmethod
    def name(cls) -> str:
        """Return the name of the format."""
        return "plain"

    def schema(self) -> StructType:
        """Return the columns of the table."""
        whole = spark_schema(table(self.options["path"]))
        fields = [field for field in whole if field.name != RESCUED_DATA]
        return StructType(
            [StructField("payload", StringType()) if field.name == "payload" else field for field in fields]
        )

    def reader(self, schema: StructType) -> DataSourceReader:
        """Return the reader."""
        return PlainReader(dict(self.options), schema)


class PlainReader(DataSourceReader):
    """Reads everything in one task."""

    def __init__(self, options: dict[str, str], schema: StructType) -> None:
        self.options, self.schema = options, schema

    def read(self, partition: InputPartition) -> Iterator[Row]:
        """Yield the records as rows."""
        row = Row(*self.schema.names)
        names = self.schema.names
        session = session_for(self.options["access_token"])
        for product in self.options["products"].split(","):
            records = READERS[self.options["path"]](session, self.options["url"], int(product))
            for record in records:
                yield row(*(record.get(name) for name in names))
