"""What every format does for a sync, and the mark that it keeps with each table."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, Literal, Protocol

from bridge.errors import ConfigurationError
from bridge.tables.catalog import Table

if TYPE_CHECKING:
    import pyarrow as pa  # type: ignore[import-untyped]

Keeping = Literal["snapshot", "days", "windows"]
"""What a table keeps: its latest snapshot, the snapshot of each day, or every window of an append table."""

SNAPSHOT_DATE = "snapshot_date"

_KEPT: dict[str, str] = {
    "snapshot": "its latest snapshot",
    "days": "the snapshot of each day (--history)",
    "windows": "all rows since the first sync",
}


@dataclass(frozen=True)
class Mark:
    """What a sync notes about a table that it has written."""

    keeps: Keeping
    sync: str = ""
    """The sync that wrote the rows, empty while there are none."""
    options: str = ""
    """A hash of what decides which rows there are."""
    selection: dict[str, str] = field(default_factory=dict)
    """Of windows: what they are read from, which must not change from one window to the next."""
    start: str = ""
    until: str = ""
    """Of windows: the bounds of the one that was written last, ISO 8601 in UTC; the end is not part of it."""
    day: str = ""
    """Of days: the one that was written last."""

    def is_result_of(self, mark: Mark) -> bool:
        """Whether the same sync has written the table with the same options already."""
        return bool(self.sync) and (self.sync, self.options, self.day) == (mark.sync, mark.options, mark.day)

    def check_next(self, mark: Mark, place: str) -> None:
        """Raise ConfigurationError where writing would destroy or mix what is kept."""
        if self.keeps == "snapshot" and mark.keeps == "windows":
            raise ConfigurationError(
                f"{place} was written by a version that kept no history. Move it away, or write to another place."
            )
        if self.keeps not in ("snapshot", mark.keeps):
            raise ConfigurationError(
                f"{place} keeps {_KEPT[self.keeps]}, which this sync would replace by {_KEPT[mark.keeps]}. Write to "
                "another place, or keep what it keeps."
            )
        if self.keeps == mark.keeps == "windows" and self.selection != mark.selection:
            raise ConfigurationError(
                f"{place} holds rows of {_shown(self.selection)}, and this sync reads {_shown(mark.selection)}: their "
                "earlier rows would be missing. Write to another place, or use the same options."
            )

    def before_its_rows(self) -> Mark:
        """Return the mark of a table whose rows are still to be written."""
        return replace(self, sync="", start="", until="", day="")

    def as_json(self) -> dict[str, Any]:
        """Return it as a JSON object."""
        return asdict(self)

    @classmethod
    def of_json(cls, content: dict[str, Any]) -> Mark | None:
        """Read a JSON object, also one of an earlier version; None where it is no mark."""
        if not isinstance(content.get("sync"), str):
            return None
        known = {part.name for part in fields(cls)}
        return cls(**{"keeps": "snapshot", **{name: value for name, value in content.items() if name in known}})


class Rows(Protocol):
    """The rows of one read of a table."""

    @property
    def table(self) -> Table:
        """The table."""

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Read them, once; raises what `bridge.reading.reader` does."""


class Sink(Protocol):
    """A place that one sync alone writes tables to."""

    @property
    def sync_id(self) -> str:
        """The id of the sync."""

    def place_of(self, table: Table) -> str:
        """Return where a table is, for people."""

    def mark_of(self, table: Table) -> Mark | None:
        """Return the mark of a table, None where there is no table."""

    def is_finished(self, table: Table, mark: Mark) -> bool:
        """Whether the sync that is resumed had written a table with the same options, and it is still there."""

    def write(self, rows: Rows, mark: Mark) -> None:
        """Write the rows of one read, and the mark with them, whole or not at all.

        A snapshot replaces the table, a day its own earlier snapshot, a window is added.
        """


def _shown(selection: dict[str, str]) -> str:
    return ", ".join(f"{name}={value}" for name, value in selection.items()) or "everything"
