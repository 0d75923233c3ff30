"""Columns of every table, for Spark and for Arrow."""

from typing import Any

import pytest
from pyspark.sql.pandas.types import to_arrow_schema
from pyspark.sql.types import ArrayType, DataType, LongType, StringType, StructType

from bridge.rows.schema import RESCUED_DATA, arrow_schema, spark_schema, type_name
from bridge.tables.catalog import table, tables

NAMES = list(tables())


@pytest.mark.parametrize("name", NAMES)
def test_arrow_types_are_exactly_those_that_spark_expects(name: str) -> None:
    assert to_arrow_schema(spark_schema(table(name))).equals(arrow_schema(table(name)))


@pytest.mark.parametrize("name", NAMES)
def test_type_names_are_those_of_spark(name: str) -> None:
    types = {
        field.name: field.dataType.simpleString() for field in spark_schema(table(name)) if field.name != RESCUED_DATA
    }
    assert types == {column: type_name(schema) for column, schema in table(name).columns.items()}


@pytest.mark.parametrize("name", NAMES)
def test_every_column_may_be_null_and_has_its_description_as_comment(name: str) -> None:
    schema = spark_schema(table(name))
    for field in _fields(schema):
        assert field.nullable
        assert field.metadata["comment"]
    for column, facts in table(name).columns.items():
        assert schema[column].metadata == {"comment": facts["description"]}


@pytest.mark.parametrize("name", NAMES)
def test_rescued_data_is_the_last_column(name: str) -> None:
    schema = spark_schema(table(name))
    assert schema.names == [*table(name).columns, RESCUED_DATA]
    assert schema[RESCUED_DATA].dataType == StringType()


def test_documented_types() -> None:
    devices, diagnostics = spark_schema(table("devices")), spark_schema(table("diagnostics"))
    assert devices["platform_id"].dataType == LongType()
    assert devices["functions"].dataType == ArrayType(StringType())
    assert devices["variables"].dataType.simpleString() == "map<string,string>"
    assert devices["network"].dataType.simpleString() == (
        "struct<id:string,name:string,type:string,role:struct<gateway:boolean,state:string>>"
    )
    assert devices["last_heard"].dataType == StringType()
    # A column has one type, whatever else the API sends.
    assert table("devices").columns["firmware_version"]["type"] == ["null", "integer"]
    assert devices["firmware_version"].dataType == LongType()
    assert "charge:double" in diagnostics["payload"].dataType.simpleString()


def _fields(data_type: DataType) -> list[Any]:
    if isinstance(data_type, StructType):
        return [found for field in data_type for found in (field, *_fields(field.dataType))]
    return _fields(data_type.elementType) if isinstance(data_type, ArrayType) else []
