"""The files of the formats: closed whatever happens, so that a full disk has room again once they are removed."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa  # type: ignore[import-untyped]
import pytest

from bridge.export.formats.parquet import Parquet
from bridge.export.formats.text import Csv, JsonLines
from bridge.rows.schema import arrow_schema
from bridge.tables.catalog import Table, tables

# Every write to this file meets a full disk.
FULL = Path("/dev/full")
pytestmark = pytest.mark.skipif(not FULL.exists(), reason="Only Linux has a file that is always full.")


class _Users(NamedTuple):
    """The rows of a read, more than a writer keeps before it writes."""

    table: Table = tables()["user"]

    def batches(self) -> Iterator[Any]:
        yield pa.RecordBatch.from_pylist([{"username": "x" * 100_000}], schema=arrow_schema(self.table))


def _open_files() -> Iterator[str]:
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(OSError):
            yield str(descriptor.readlink())


@pytest.mark.parametrize("form", [Parquet(), Csv(), JsonLines()], ids=lambda form: form.name)
def test_a_file_that_meets_a_full_disk_is_closed_while_its_error_is_looked_at(form: Parquet | Csv | JsonLines) -> None:
    with pytest.raises(OSError, match="No space left on device") as met:
        form.write(_Users(), FULL)
    assert met.traceback
    assert str(FULL) not in _open_files()
