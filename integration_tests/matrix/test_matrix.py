"""Whatever goes wrong, a read ends equal to the ledger, but for what it reports as skipped, or in a named error."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from integration_tests.matrix import doors
from integration_tests.matrix.cells import AIRBYTE, LAKEFLOW, LAKEFLOW_STREAM, SPARK, STREAM, Cell, batches, cells_of
from integration_tests.matrix.doors import Reading
from integration_tests.matrix.judgement import outcome_of
from integration_tests.matrix.tally import Tally
from integration_tests.matrix.troubles import TIMES
from integration_tests.matrix.world import World, new_world
from integration_tests.spark.sessions import local_session

Read = Callable[[World, Sequence[Cell]], list[Reading]]


@pytest.fixture(scope="module")
def spark() -> Iterator[SparkSession]:
    with local_session() as session:
        yield session


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give each test the cells of its door."""
    for marker in metafunc.definition.iter_markers("door"):
        cells = cells_of(marker.args[0], whole=metafunc.config.getoption("whole_matrix"))
        groups = batches(cells) if marker.args[0] == AIRBYTE else [[cell] for cell in cells]
        metafunc.parametrize("cells", groups, ids=map(_name, groups))


def _name(cells: Sequence[Cell]) -> str:
    places = " + ".join(f"{cell.table} at {cell.place.name}" for cell in cells)
    return f"{cells[0].trouble.name}, {cells[0].times}: {places}"


def run(cells: Sequence[Cell], read: Read, tally: Tally) -> None:
    """Run cells of one trouble in one world, count how each ended, and fail where that is not what it had to be."""
    with new_world() as world:
        trouble = cells[0].trouble
        if trouble.prepare is not None:
            trouble.prepare(world)
        for cell in cells:
            world.add_fault(cell.trouble.fault, TIMES[cell.times], cell.place)
        before = world.cloud.ledger.mark()
        readings = read(world, cells)
        logins = world.cloud.ledger.logins()
        failures = []
        for cell, reading in zip(cells, readings, strict=True):
            try:
                outcome = outcome_of(world, cell, reading, before)
                assert outcome is cell.expected, f"{outcome.value} in place of {cell.expected.value}: {reading.error}"
                assert trouble.logins in (None, logins), f"{logins} logins in place of {trouble.logins}"
            except AssertionError as failure:
                failures.append(f"{cell}: {failure}")
                tally.failed(cell)
            else:
                tally.ended(cell)
        assert not failures, "\n".join(failures)


@pytest.mark.door(AIRBYTE)
def test_airbyte(cells: Sequence[Cell], tally: Tally) -> None:
    run(cells, doors.airbyte, tally)


@pytest.mark.door(LAKEFLOW)
def test_lakeflow(cells: Sequence[Cell], tally: Tally) -> None:
    run(cells, lambda world, cells: [doors.lakeflow(world, cell) for cell in cells], tally)


@pytest.mark.door(LAKEFLOW_STREAM)
def test_lakeflow_stream(cells: Sequence[Cell], tally: Tally) -> None:
    run(cells, lambda world, cells: [doors.lakeflow_stream(world, cell) for cell in cells], tally)


@pytest.mark.door(SPARK)
@pytest.mark.xdist_group("spark")
def test_spark_batch(spark: SparkSession, cells: Sequence[Cell], tally: Tally) -> None:
    run(cells, lambda world, cells: [doors.spark_batch(spark, world, cell) for cell in cells], tally)


@pytest.mark.door(STREAM)
@pytest.mark.xdist_group("spark")
def test_spark_stream(spark: SparkSession, cells: Sequence[Cell], tally: Tally, tmp_path: Path) -> None:
    run(cells, lambda world, cells: [doors.spark_stream(spark, world, cell, tmp_path) for cell in cells], tally)
