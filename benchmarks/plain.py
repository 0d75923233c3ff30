"""The reader that people write by hand: one `requests` session, one request at a time, one partition, rows for Spark.

Plain and fair: connections are kept alive, pages are as large as the API allows, and the list is read to its end.
"""

import json
from collections.abc import Iterator
from typing import Any

import requests
from pyspark.sql import Row
from pyspark.sql.datasource import DataSource, DataSourceReader, InputPartition
from pyspark.sql.types import StringType, StructField, StructType

from bridge.rows.schema import RESCUED_DATA, spark_schema
from bridge.tables.catalog import table

Json = dict[str, Any]


def session_for(token: str) -> requests.Session:
    """Return a session that sends an access token."""
    session = requests.Session()
    session.headers["Authorization"] = f"Bearer {token}"
    return session


def product_devices(session: requests.Session, url: str, product: int) -> Iterator[Json]:
    """Yield the devices of a product, page by page."""
    page = 1
    while True:
        response = session.get(f"{url}/v1/products/{product}/devices", params={"page": page, "per_page": 100})
        response.raise_for_status()
        body = response.json()
        for record in body["devices"]:
            record["product_id_or_slug"] = str(product)
            if isinstance(record.get("firmware_version"), str):
                # Some devices send it as text; Spark would refuse the row.
                record["firmware_version"] = int(record["firmware_version"])
            yield record
        if page >= body["meta"]["total_pages"]:
            return
        page += 1


def diagnostics(session: requests.Session, url: str, product: int) -> Iterator[Json]:
    """Yield the vitals of a product's devices, device by device."""
    for device in product_devices(session, url, product):
        response = session.get(f"{url}/v1/products/{product}/diagnostics/{device['id']}")
        response.raise_for_status()
        for record in response.json()["diagnostics"]:
            record["device_id"] = device["id"]
            # A measurement that failed is an object where a number should be, so the payload stays JSON.
            record["payload"] = json.dumps(record["payload"])
            yield record


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
