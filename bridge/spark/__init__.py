"""The Spark data source `particle`."""
