"""Reads one table in this process: the same reader as in a Spark task, with rows as Arrow batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bridge.export.history import Window
from bridge.reading import reader
from bridge.reading.tasks import Descriptor, descriptors
from bridge.rows.batches import record_batches
from bridge.tables.catalog import Table
from bridge.tables.options import Options
from source_particle.garbage import rare_collections

if TYPE_CHECKING:
    import pyarrow as pa  # type: ignore[import-untyped]


@dataclass
class TableRead:
    """One read of a table, and the number of rows so far."""

    table: Table
    given: Mapping[str, str]
    """All options, with an access token as the only credential."""
    window: Window | None = None
    on_rows: Callable[[int], None] = field(default=lambda _count: None)
    rows: int = 0

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Read the rows; raises what `bridge.reading.reader` does."""
        options = Options.parse(self.given, self.table)
        tasks: list[Descriptor] = self.window.tasks if self.window else descriptors(options, 1)
        with rare_collections():
            for task in tasks:
                for batch in record_batches(reader.read_task(self.table, options.config(), task), self.table):
                    self.count(batch.num_rows)
                    yield batch

    def count(self, rows: int) -> None:
        """Note that rows have arrived."""
        self.rows += rows
        self.on_rows(rows)
