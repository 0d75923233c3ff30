"""Whatever goes wrong, a read ends equal to the ledger, but for what it reports as skipped, or in a named error."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from integration_tests.matrix import readers
from integration_tests.matrix.cells import AIRBYTE, LAKEFLOW, LAKEFLOW_STREAM, SPARK, STREAM, Cell, batches, cells_of
from integration_tests.matrix.run import run
from integration_tests.matrix.tally import Tally
from integration_tests.spark.sessions import local_session


@pytest.fixture(scope="module")
def spark() -> Iterator[SparkSession]:
    with local_session() as session:
        yield session


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give each test the cells of its reader."""
    for marker in metafunc.definition.iter_markers("reader"):
        cells = cells_of(marker.args[0], whole=metafunc.config.getoption("whole_matrix"))
        groups = batches(cells) if marker.args[0] == AIRBYTE else [[cell] for cell in cells]
        metafunc.parametrize("cells", groups, ids=map(_name, groups))


def _name(cells: Sequence[Cell]) -> str:
    places = " + ".join(f"{cell.table} at {cell.place.name}" for cell in cells)
    return f"{cells[0].trouble.name}, {cells[0].times}: {places}"


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
@pytest.mark.xdist_group("spark")
def test_spark_batch(spark: SparkSession, cells: Sequence[Cell], tally: Tally) -> None:
    run(cells, lambda world, cells: [readers.spark_batch(spark, world, cell) for cell in cells], tally)


@pytest.mark.reader(STREAM)
@pytest.mark.xdist_group("spark")
def test_spark_stream(spark: SparkSession, cells: Sequence[Cell], tally: Tally, tmp_path: Path) -> None:
    run(cells, lambda world, cells: [readers.spark_stream(spark, world, cell, tmp_path) for cell in cells], tally)
