"""What the tests of the matrix share."""

from collections.abc import Callable, Sequence

import pytest

from integration_tests.matrix.cells import AIRBYTE, Cell, batches, cells_of
from integration_tests.matrix.tally import Tally


@pytest.fixture
def tally(record_property: Callable[[str, object], None]) -> Tally:
    """Return where a test notes how its cells end."""
    return Tally(record_property)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give each test that is marked `reader` the cells of its reader."""
    for marker in metafunc.definition.iter_markers("reader"):
        cells = cells_of(marker.args[0], whole=metafunc.config.getoption("whole_matrix"))
        groups = batches(cells) if marker.args[0] == AIRBYTE else [[cell] for cell in cells]
        metafunc.parametrize("cells", groups, ids=map(_name, groups))


def _name(cells: Sequence[Cell]) -> str:
    places = " + ".join(f"{cell.table} at {cell.place.name}" for cell in cells)
    return f"{cells[0].trouble.name}, {cells[0].times}: {places}"
