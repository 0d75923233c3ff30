"""Counts the outcomes of cells in all test processes, and prints the sum at the end of a run."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator

import pytest

from integration_tests.matrix.cells import READERS, Cell, Outcome

_PROPERTY = "matrix cell"
_FAILURE = "failure"


class Tally:
    """Notes how the cells of one test end; pytest carries the notes from worker processes to the first one."""

    def __init__(self, record_property: Callable[[str, object], None]) -> None:
        self._record = record_property

    def ended(self, cell: Cell) -> None:
        """Note that a cell ended as it has to."""
        self._record(_PROPERTY, [cell.reader, cell.expected.value])

    def failed(self, cell: Cell) -> None:
        """Note that a cell ended in another way."""
        self._record(_PROPERTY, [cell.reader, _FAILURE])


def summary(reports: Iterable[object]) -> list[str]:
    """Return a table of what all tests noted, no line where none did."""
    counted = Counter(_notes(reports))
    if not counted:
        return []
    ends = [*(outcome.value for outcome in Outcome), _FAILURE]
    rows = [(name, sum(counts), *counts) for name in READERS if any(counts := [counted[name, end] for end in ends])]
    total = ("total", *(sum(column) for column in zip(*(row[1:] for row in rows), strict=True)))
    table = [("reader", "cells", *ends), *rows, total]
    widths = [max(len(str(cell)) for cell in column) for column in zip(*table, strict=True)]
    return [
        f"{line[0]:<{widths[0]}}  "
        + "  ".join(f"{cell:>{width}}" for cell, width in zip(line[1:], widths[1:], strict=True))
        for line in table
    ]


def _notes(reports: Iterable[object]) -> Iterator[tuple[str, str]]:
    for report in reports:
        if isinstance(report, pytest.TestReport) and report.when == "call":
            yield from (tuple(value) for name, value in report.user_properties if name == _PROPERTY)  # type: ignore[misc, arg-type]
