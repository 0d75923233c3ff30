"""What people ask of a fleet, as materialized views over its tables; the dashboard reads them."""

from pyspark import pipelines
from pyspark.sql import DataFrame, SparkSession

from bridge.models import as_of_query, loaded_tables_query, models
from bridge.tables.catalog import chosen_tables

spark = SparkSession.active()


def view(name: str, query: str) -> None:
    """Define a materialized view, which each run computes anew from the tables."""

    @pipelines.materialized_view(name=name)
    def rows() -> DataFrame:
        return spark.sql(query)


# "Silent for" counts to the run of the pipeline, which reads every table that it has.
view("as_of", as_of_query())
view("loaded_tables", loaded_tables_query(dict.fromkeys(part.name for part in chosen_tables())))
for model, model_query in models().items():
    view(model, model_query)
