"""The Lakeflow framework's own tests on our connector and data source: `make test-framework FRAMEWORK=<its checkout>`.

Not collected by a plain run: the framework is on no package registry, and nothing of it is part of this project.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from databricks.labs.community_connector.sparkpds import LakeflowSource
from pyspark.sql import SparkSession
from tests.unit.sources import test_suite
from tests.unit.sources.test_partition_suite import SupportsPartitionedStreamTests
from tests.unit.sources.test_suite import LakeflowConnectTests

from bridge import ParticleLakeflowConnect
from bridge.tables.catalog import table, tables
from docs.lakeflow.layout import TESTS, main
from integration_tests.device_cloud import DeviceCloud
from integration_tests.spark.sessions import EAGER, assert_same, options_for, truth_of

ALL = list(tables().values())


class TestParticle(LakeflowConnectTests, SupportsPartitionedStreamTests):  # type: ignore[misc]
    """Every check of the framework, against a Device Cloud."""

    connector_class = ParticleLakeflowConnect
    cloud: DeviceCloud
    config: dict[str, str]
    table_configs: dict[str, dict[str, str]]

    @classmethod
    def setup_class(cls) -> None:
        """Start a cloud, and point the suite to it."""
        cls.cloud = DeviceCloud().__enter__()
        cls.config = {"access_token": cls.cloud.token, "base_url": cls.cloud.url}
        cls.table_configs = {part.name: dict.fromkeys(part.required_options, "*") for part in ALL}
        super().setup_class()

    @classmethod
    def teardown_class(cls) -> None:
        """Stop it."""
        cls.cloud.__exit__(None, None, None)


class FrameworkSource(LakeflowSource):  # type: ignore[misc]
    """The framework's data source with our connector."""

    def __init__(self, options: Any) -> None:
        self.options = options
        self.lakeflow_connect = ParticleLakeflowConnect(options)

    @classmethod
    def name(cls) -> str:
        """Stand beside our own format of the framework's name."""
        return "framework"


@pytest.fixture(scope="module", autouse=True)
def _registered(spark: SparkSession) -> None:
    spark.dataSource.register(FrameworkSource)


@pytest.mark.parametrize("part", ALL, ids=lambda part: part.name)
def test_the_frameworks_row_converter_loses_nothing(spark: SparkSession, cloud: DeviceCloud, part: Any) -> None:
    given = {**options_for(cloud, part), "tableName": part.name}
    assert_same(part, spark.read.format("framework").options(**given).load().collect(), truth_of(cloud, part))


def test_a_run_for_what_is_available_now_ends_though_windows_end_all_the_time(
    spark: SparkSession, cloud: DeviceCloud, tmp_path: Path
) -> None:
    part = table("diagnostics")
    given = {**options_for(cloud, part), **EAGER, "tableName": part.name}
    frame = spark.readStream.format("framework").options(**given).load()
    writer = frame.writeStream.format("parquet").option("checkpointLocation", str(tmp_path / "checkpoint"))
    query = writer.trigger(availableNow=True).start(str(tmp_path / "rows"))
    try:
        assert query.awaitTermination(120)
    finally:
        query.stop()
    assert len(list((tmp_path / "checkpoint" / "commits").glob("[0-9]*"))) == 1
    arrived = spark.read.parquet(str(tmp_path / "rows")).count()
    assert arrived == len(truth_of(cloud, part))


def test_the_source_that_is_submitted_passes_the_frameworks_tests_and_is_merged(tmp_path: Path) -> None:
    checkout = tmp_path / "checkout"
    framework = Path(test_suite.__file__).parents[3]
    shutil.copytree(framework, checkout, ignore=shutil.ignore_patterns(".git", ".venv", "particle"))
    assert main([str(checkout)]) == 0
    assert list(checkout.rglob("_generated_particle_python_source.py"))
    places = [checkout / "src", checkout, *filter(None, sys.path)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, places))}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:randomly", str(TESTS)]
    run = subprocess.run(command, cwd=checkout, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout
