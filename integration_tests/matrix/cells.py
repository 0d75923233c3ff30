"""The cells of the matrix, how each has to end, and which of them are run."""

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cache
from itertools import combinations
from zlib import crc32

from bridge.tables.catalog import tables
from integration_tests.matrix.places import ANYWHERE, Place, is_tried, kind_of, places, reads
from integration_tests.matrix.trouble import TIMES, Meaning, Trouble
from integration_tests.matrix.troubles import TROUBLES

AIRBYTE, SPARK, STREAM = "Airbyte read", "Spark batch", "Spark stream"
LAKEFLOW, LAKEFLOW_STREAM = "Lakeflow read", "Lakeflow stream"
READERS = (AIRBYTE, LAKEFLOW, LAKEFLOW_STREAM, SPARK, STREAM)
STREAMS = (STREAM, LAKEFLOW_STREAM)
IN_THIS_PROCESS = (AIRBYTE, LAKEFLOW, LAKEFLOW_STREAM)
RETRIES = 5


class Outcome(Enum):
    """How a read may end; anything else is a failure."""

    EQUAL = "equal to the ledger"
    SKIPPED = "equal, except for what was reported as skipped"
    ERROR = "a named error, and no sign of success"


# `Cell.expected` in words.
RULE: dict[Meaning, str] = {
    Meaning.HARMLESS: "Equal to the ledger.",
    Meaning.PASSING: f"Equal to the ledger if it passes within {RETRIES} retries, else a named error.",
    Meaning.REFUSAL: (
        "What `*` found is skipped and reported. A list, or what the options name, is a named error. A page that the "
        "API counts but does not have is requested again. Where there is no list of all products (404), the lists "
        "of the user and of each organization are read instead."
    ),
    Meaning.REVOKED: (
        "Airbyte signs in again and gets what is equal to the ledger. A task of Spark or Lakeflow has a token and "
        "nothing to sign in with: a named error."
    ),
    Meaning.FINAL: (
        "A named error. Where the API refuses an order that it does not document (400), the list is read without it."
    ),
}


@dataclass(frozen=True)
class Cell:
    """One trouble at one place of one table, read by one reader."""

    reader: str
    table: str
    trouble: Trouble
    times: str
    place: Place

    def __str__(self) -> str:
        """Name the cell, as tests and failures do."""
        return f"{self.reader}: {self.table}, {self.place.name}: {self.trouble.name}, {self.times}"

    @property
    def expected(self) -> Outcome:
        """How it has to end: the one rule of the matrix."""
        match self.trouble.meaning:
            case Meaning.HARMLESS:
                return Outcome.EQUAL
            case Meaning.PASSING:
                times = TIMES[self.times]
                return Outcome.EQUAL if times is not None and times <= RETRIES else Outcome.ERROR
            case Meaning.REVOKED:
                return Outcome.EQUAL if self.reader == AIRBYTE else Outcome.ERROR
            case Meaning.REFUSAL:
                return self._refused(is_missing=self.trouble.name == "404")
            case Meaning.FINAL if self.trouble.name == "400" and self.meets_tried_order:
                return Outcome.EQUAL
        return Outcome.ERROR

    def _refused(self, *, is_missing: bool) -> Outcome:
        if is_missing and self.place.has_other_way:
            return Outcome.EQUAL
        if is_missing and self.place.is_later_page:
            # The API counts the page and does not have it: it is looked for again.
            return Outcome.EQUAL if TIMES[self.times] else Outcome.ERROR
        return Outcome.SKIPPED if self.place.skips else Outcome.ERROR

    @property
    def meets_tried_order(self) -> bool:
        """Whether it meets nothing but a request that tries an order, after which the list is read without."""
        return self.place.tries_order and TIMES[self.times] == 1


@cache
def every_cell(reader: str) -> Sequence[Cell]:
    """Return all cells of one reader, in an order that is mixed and always the same.

    Where cells share syncs, those of the same trouble come together, so that a subset shares as well.
    """
    cells = [
        Cell(reader, table, trouble, times, place)
        for table in tables()
        if is_tried(table)
        for place in (*places(table), ANYWHERE)
        for trouble in TROUBLES
        if trouble.where(place)
        and (trouble.reaches_workers or reader in IN_THIS_PROCESS)
        and (trouble.in_streams or reader not in STREAMS)
        for times in trouble.times
    ]
    return sorted(
        cells, key=lambda cell: (reader == AIRBYTE and _mixed(cell.trouble.name + cell.times), _mixed(str(cell)))
    )


def _mixed(text: str) -> int:
    return crc32(text.encode())


def cells_of(reader: str, *, whole: bool) -> Sequence[Cell]:
    """Return the cells that are run for one reader: a covering subset, or with `whole` all that are ever run."""
    aspects = (WHOLE if whole else COVERED)[reader]
    return list(_covering(every_cell(reader), aspects)) if aspects else every_cell(reader)


def _covering(cells: Iterable[Cell], aspects: Callable[[Cell], Iterable[Hashable]]) -> Iterator[Cell]:
    """Yield each cell, in order, that covers something which no earlier one covers."""
    shown: set[Hashable] = set()
    for cell in cells:
        if not shown.issuperset(seen := set(aspects(cell))):
            shown |= seen
            yield cell


def _every_pair(cell: Cell) -> Iterable[Hashable]:
    return combinations((cell.table, cell.trouble, cell.times, cell.place.name), 2)


def _every_pair_of_kinds(cell: Cell) -> Iterable[Hashable]:
    kinds = (cell.table, cell.trouble.kind, cell.times, cell.place.name, cell.expected)
    return (cell.trouble, *combinations(kinds, 2))


Aspects = Callable[[Cell], Iterable[Hashable]]
# What the cells of a reader show between them; None for the full product. The other readers differ from Airbyte's only
# in how they hand on its outcome.
WHOLE: dict[str, Aspects | None] = {
    AIRBYTE: None,
    LAKEFLOW: _every_pair,
    LAKEFLOW_STREAM: _every_pair_of_kinds,
    SPARK: _every_pair_of_kinds,
    STREAM: lambda cell: ((cell.table, cell.expected), (cell.trouble.kind, cell.times, cell.expected)),
}
COVERED: dict[str, Aspects] = {
    AIRBYTE: lambda cell: (
        (cell.trouble, cell.expected),
        (cell.trouble.kind, kind_of(cell.table)),
        (cell.table, cell.place, cell.expected),
    ),
    LAKEFLOW: lambda cell: (cell.trouble, (cell.table, cell.expected)),
    LAKEFLOW_STREAM: lambda cell: (cell.table, (cell.trouble.kind, cell.expected)),
    SPARK: lambda cell: ((cell.trouble.kind, cell.expected),),
    # Each starts a process, for seconds.
    STREAM: lambda cell: (cell.expected,),
}


def batches(cells: Iterable[Cell]) -> list[list[Cell]]:
    """Put cells of the same trouble that read nothing of each other's together: one sync reads many tables."""
    found: dict[tuple[Trouble, str], list[list[Cell]]] = {}
    for cell in cells:
        same = found.setdefault((cell.trouble, cell.times), [])
        for batch in same if not cell.trouble.is_alone else ():
            if all(_can_share(cell, other) for other in batch):
                batch.append(cell)
                break
        else:
            same.append([cell])
    return [batch for same in found.values() for batch in same]


def _can_share(one: Cell, other: Cell) -> bool:
    return (
        one.table != other.table
        and one.place.path not in reads(other.table)
        and other.place.path not in reads(one.table)
    )
