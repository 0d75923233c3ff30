"""The tables of docs/matrix.md, which follow from the lists in `integration_tests.matrix`."""

from bridge.tables.catalog import tables
from docs.markdown import code, grid, sentence
from integration_tests.matrix.cells import READERS, RULE, Outcome, cells_of
from integration_tests.matrix.places import is_tried, places
from integration_tests.matrix.trouble import Meaning
from integration_tests.matrix.troubles import TROUBLES


def matrix() -> str:
    return "\n".join((_troubles(), _places(), _rule(), _cells()))


def _troubles() -> str:
    found: dict[tuple[str, Meaning], list[str]] = {}
    for trouble in TROUBLES:
        found.setdefault((trouble.kind, trouble.meaning), []).append(trouble.name)
    rows = ((sentence(kind), meaning.value, "; ".join(names)) for (kind, meaning), names in found.items())
    return grid(("Kind", "What it is", "Failures"), rows)


def _places() -> str:
    rows = ((code(table), "; ".join(place.name for place in places(table))) for table in tables() if is_tried(table))
    return grid(("Table", "Places"), rows)


def _rule() -> str:
    return grid(("What it is", "How a read ends"), ((sentence(meaning.value), end) for meaning, end in RULE.items()))


def _cells() -> str:
    rows = []
    for reader in READERS:
        whole = cells_of(reader, whole=True)
        ends = [sum(cell.expected is outcome for cell in whole) for outcome in Outcome]
        rows.append((reader, *(str(count) for count in (len(cells_of(reader, whole=False)), len(whole), *ends))))
    return grid(("Reader", "Cells in `make test`", "Cells in `make test-all`", *(end.value for end in Outcome)), rows)
