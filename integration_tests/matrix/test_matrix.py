"""Whatever goes wrong, a read equals the ledger, except for reported skips, or ends in a named error."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from integration_tests.matrix import readers
from integration_tests.matrix.cells import AIRBYTE, LAKEFLOW, LAKEFLOW_STREAM, SPARK, STREAM, Cell
from integration_tests.matrix.run import run
from integration_tests.matrix.tally import Tally


@pytest.mark.reader(AIRBYTE)
def test_airbyte(cells: Sequence[Cell], tally: Tally) -> None:
    run(cells, readers.airbyte, tally)


@pytest.mark.reader(LAKEFLOW)
def test_lakeflow(cells: Sequence[Cell], tally: Tally) -> None:
    run(cells, lambda world, cells: [readers.lakeflow(world, cell) for cell in cells], tally)


@pytest.mark.reader(LAKEFLOW_STREAM)
def test_lakeflow_stream(cells: Sequence[Cell], tally: Tally) -> None:
    run(cells, lambda world, cells: [readers.lakeflow_stream(world, cell) for cell in cells], tally)


@pytest.mark.reader(SPARK)
def test_spark_batch(spark: SparkSession, cells: Sequence[Cell], tally: Tally) -> None:
    run(cells, lambda world, cells: [readers.spark_batch(spark, world, cell) for cell in cells], tally)


@pytest.mark.reader(STREAM)
def test_spark_stream(spark: SparkSession, cells: Sequence[Cell], tally: Tally, tmp_path: Path) -> None:
    run(cells, lambda world, cells: [readers.spark_stream(spark, world, cell, tmp_path) for cell in cells], tally)
