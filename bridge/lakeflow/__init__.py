"""The connector of Databricks Lakeflow and the format `lakeflow_connect`."""
