"""Runs cells of the matrix that share a world."""

from collections.abc import Callable, Sequence

from integration_tests.matrix.cells import Cell
from integration_tests.matrix.judgement import outcome_of
from integration_tests.matrix.readers import Reading
from integration_tests.matrix.tally import Tally
from integration_tests.matrix.trouble import TIMES
from integration_tests.matrix.world import World, new_world

Read = Callable[[World, Sequence[Cell]], list[Reading]]


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
