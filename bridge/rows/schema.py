"""How a table's JSON schema becomes column types, for Spark and Arrow alike.

A property's column has the first JSON type listed that is not null: integer → Long, number → Double, string → String
(dates and times too, as sent), boolean → Boolean, object with known properties → Struct, object with free keys → Map,
array → Array, anything marked `x-json` → String that holds JSON. Every column may be null, its `description` is its
comment, and `_rescued_data` comes last.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from bridge.tables.catalog import JsonSchema, Table

if TYPE_CHECKING:  # each import takes a tenth of a second, and no user of the catalog needs both
    import pyarrow as pa  # type: ignore[import-untyped]
    from pyspark.sql.types import DataType, StructType

RESCUED_DATA = "_rescued_data"
RESCUED_DATA_COMMENT = (
    "JSON object, keyed by path, of values that did not fit their column and fields unknown to the schema; null if "
    "there were none."
)

Kind = Literal["integer", "number", "string", "boolean", "struct", "map", "array"]


@dataclass(frozen=True)
class _Scalar:
    """The names of one type in Spark SQL, in `pyspark.sql.types` and in `pyarrow`."""

    sql: str
    spark: str
    arrow: str


_SCALARS: dict[str, _Scalar] = {
    "integer": _Scalar("bigint", "LongType", "int64"),
    "number": _Scalar("double", "DoubleType", "float64"),
    "boolean": _Scalar("boolean", "BooleanType", "bool_"),
    "string": _Scalar("string", "StringType", "string"),
}


def kind_of(schema: JsonSchema) -> Kind:
    """Return the kind of column for a property: that of the first type it lists, apart from null."""
    listed = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    first: Any = next(name for name in listed if name != "null")
    if schema.get("x-json"):
        return "string"
    if first == "object":
        return "struct" if "properties" in schema else "map"
    kind: Kind = first
    return kind


def type_name(schema: JsonSchema) -> str:
    """Return the type of a property's column as Spark SQL writes it, without needing Spark."""
    match kind_of(schema):
        case "struct":
            fields = (f"{name}:{type_name(value)}" for name, value in schema["properties"].items())
            return f"struct<{','.join(fields)}>"
        case "map":
            return f"map<string,{type_name(schema['additionalProperties'])}>"
        case "array":
            return f"array<{type_name(schema['items'])}>"
        case scalar:
            return _SCALARS[scalar].sql


def spark_schema(table: Table) -> StructType:
    """Return the columns of a table as Spark sees them, comments included."""
    from pyspark.sql.types import StringType  # noqa: PLC0415  (see above)

    return _spark_struct(table.columns).add(RESCUED_DATA, StringType(), True, {"comment": RESCUED_DATA_COMMENT})


def arrow_schema(table: Table) -> pa.Schema:
    """Return the columns of a table as Arrow types: exactly those that Spark derives from `spark_schema`."""
    import pyarrow as pa  # noqa: PLC0415  (see above)

    columns = [pa.field(name, _arrow_type(schema)) for name, schema in table.columns.items()]
    return pa.schema([*columns, pa.field(RESCUED_DATA, pa.string())])


def _spark_struct(properties: Mapping[str, JsonSchema]) -> StructType:
    from pyspark.sql.types import StructType  # noqa: PLC0415

    struct = StructType()
    for name, schema in properties.items():
        struct.add(name, _spark_type(schema), True, {"comment": schema["description"]})
    return struct


def _spark_type(schema: JsonSchema) -> DataType:
    from pyspark.sql import types  # noqa: PLC0415

    match kind_of(schema):
        case "struct":
            return _spark_struct(schema["properties"])
        case "map":
            return types.MapType(types.StringType(), _spark_type(schema["additionalProperties"]))
        case "array":
            return types.ArrayType(_spark_type(schema["items"]))
        case scalar:
            spark_type: DataType = getattr(types, _SCALARS[scalar].spark)()
            return spark_type


def _arrow_type(schema: JsonSchema) -> pa.DataType:
    import pyarrow as pa  # noqa: PLC0415

    match kind_of(schema):
        case "struct":
            return pa.struct([pa.field(name, _arrow_type(value)) for name, value in schema["properties"].items()])
        case "map":
            return pa.map_(pa.string(), _arrow_type(schema["additionalProperties"]))
        case "array":
            return pa.list_(_arrow_type(schema["items"]))
        case scalar:
            return getattr(pa, _SCALARS[scalar].arrow)()
