"""The process that Spark's workers are forked from, with the CDK imported before and not by each of them."""

import pyspark.daemon

import source_particle.components
import source_particle.source  # noqa: F401

if __name__ == "__main__":
    pyspark.daemon.manager()
