"""The protocol of a format, and the mark that it keeps with each table."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol
from uuid import uuid4

from bridge.errors import ConfigurationError
from bridge.tables.catalog import Table

if TYPE_CHECKING:
    import pyarrow as pa  # type: ignore[import-untyped]

Keeping = Literal["snapshot", "days", "windows"]
"""What a table keeps: the latest snapshot, the snapshot of each day, or all windows of an append table."""

SNAPSHOT_DATE = "snapshot_date"
MARK = "_particle_sync.json"
"""The file of a mark, in the folder of its table."""
LOCK = ".particle-sync"
"""The file in a folder of tables that names the last sync, and that a running one has locked."""
COMPLETE, UNWRITTEN = "complete", "unwritten"
"""Where the note about the last sync says whether it has written everything, and what it has not."""
SYNCED_AT = "synced_at"
"""Where a written mark says when that was: a copied file has a new time of its own."""


@dataclass(frozen=True)
class Mark:
    """What a sync notes about a table that it wrote."""

    keeps: Keeping
    sync: str = ""
    """The sync that wrote the rows; empty while there are none."""
    options: str = ""
    """A hash of everything that decides which rows there are."""
    selection: dict[str, str] = field(default_factory=dict)
    """For windows: the selection, which must not change from one window to the next."""
    start: str = ""
    until: str = ""
    """For windows: the bounds of the last one, ISO 8601 in UTC; the end is exclusive."""
    day: str = ""
    """For days: the last one."""

    def is_result_of(self, mark: Mark) -> bool:
        """Return whether the same sync already wrote the table with the same options."""
        return bool(self.sync) and (self.sync, self.options, self.day) == (mark.sync, mark.options, mark.day)

    def check_next(self, mark: Mark, place: str) -> None:
        """Raise ConfigurationError if writing would destroy or mix existing rows."""
        match self.keeps, mark.keeps:
            case "snapshot", "windows":
                raise ConfigurationError(
                    f"{place} was written by a version that kept no history. Move it away, or write to another place."
                )
            case "snapshot", "days":
                raise ConfigurationError(
                    f"{place} keeps the latest snapshot; with --history, whoever reads it would find each row once for "
                    "every day. Write the history to another place, or move the table away to begin one here."
                )
            case "days", "snapshot":
                raise ConfigurationError(
                    f"{place} keeps the snapshot of each day, which this sync would replace with the latest one. Add "
                    "--history, or write to another place."
                )
            case "windows", "snapshot" | "days":
                raise ConfigurationError(f"{place} keeps all rows since the first sync. Write to another place.")
        if mark.keeps == "windows" and self.selection.get("base_url") != mark.selection.get("base_url"):
            raise ConfigurationError(
                f"{place} was read from {self.selection.get('base_url')}, and this sync reads from "
                f"{mark.selection.get('base_url')}. Write to another place."
            )
        if mark.keeps == "windows" and self.selection != mark.selection:
            raise ConfigurationError(
                f"{place} contains rows of {_shown(self.selection)}, but this sync reads {_shown(mark.selection)}: "
                "earlier rows would be missing. Write to another place, or use the same options."
            )

    def before_its_rows(self) -> Mark:
        """Return the mark of a table whose rows are not written yet."""
        return replace(self, sync="", start="", until="", day="")

    def to_write(self) -> dict[str, Any]:
        """Return the mark as a JSON object that also says when it is written."""
        return {**asdict(self), SYNCED_AT: datetime.now(timezone.utc).isoformat(timespec="milliseconds")}

    @classmethod
    def of_json(cls, content: dict[str, Any]) -> Mark | None:
        """Return the mark in a JSON object, also of an earlier version; None if it is not a mark."""
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
        """Yield the rows, once; raises what `bridge.reading.reader` does."""


class Sink(Protocol):
    """A place that only one sync writes tables to."""

    @property
    def sync_id(self) -> str:
        """The id of the sync."""

    def place_of(self, table: Table) -> str:
        """Return the place of a table, for messages."""

    def mark_of(self, table: Table) -> Mark | None:
        """Return the mark of a table, None if there is no table."""

    def is_finished(self, table: Table, mark: Mark) -> bool:
        """Return whether the resumed sync wrote the table with the same options, and it still exists."""

    def check_windows(self, table: Table, *, allow_data_loss: bool) -> None:
        """Raise ConfigurationError if rows of earlier windows are gone that the next window does not cover."""

    @property
    def unwritten(self) -> Sequence[str]:
        """The tables that are left of the sync that is resumed; none of a new one."""

    def note(self, unwritten: Sequence[str]) -> None:
        """Note which tables the sync is still to write: from now on, it is the one to resume while there are any."""

    def write(self, rows: Rows, mark: Mark) -> None:
        """Write the rows of one read and the mark, completely or not at all.

        A snapshot replaces the table, a day its own earlier snapshot, a window is added.
        """


def json_object_in(path: Path) -> dict[str, Any]:
    """Return a small JSON object; a missing one, or one truncated by a crash, counts as empty."""
    text = None
    with suppress(OSError, ValueError):
        text = path.read_text(encoding="utf-8") if path.is_file() else None
    return json_object(text)


def json_object(text: str | None) -> dict[str, Any]:
    """Return what a text holds; anything but a JSON object counts as an empty one."""
    content = None
    with suppress(ValueError, RecursionError):
        content = json.loads(text or "")
    return content if isinstance(content, dict) else {}


def synced_at(mark: Mapping[str, Any]) -> datetime | None:
    """Return when a mark was written; None if it does not say so."""
    with suppress(TypeError, ValueError, OverflowError):
        moment = datetime.fromisoformat(mark.get(SYNCED_AT) or "")
        return moment.astimezone(timezone.utc) if moment.tzinfo else None
    return None


def sync_to_continue(last: Mapping[str, Any]) -> str:
    """Return the id of the last sync, or a new one if there was none or it was complete."""
    begun = last.get("sync")
    return begun if isinstance(begun, str) and not last.get(COMPLETE) else uuid4().hex


def last_sync_note(sync_id: str, unwritten: Sequence[str] = ()) -> dict[str, Any]:
    """Return what to note about a sync that is still to write some tables; it is complete if there are none."""
    return {"sync": sync_id, UNWRITTEN: list(unwritten), COMPLETE: not unwritten}


def unwritten_tables(last: Mapping[str, Any]) -> list[str]:
    """Return what the last sync was to write and has not written. Version 0.2.0 did not note it."""
    noted = last.get(UNWRITTEN)
    return list(map(str, noted)) if isinstance(noted, list) else []


def windows_lost(place: object, files: list[str]) -> str:
    """Return what is to be said of earlier windows whose files are gone or changed."""
    found = f"{files[0]} is missing, or was changed after it was written."
    if len(files) > 1:
        found = f"{files[0]} and {len(files) - 1} more are missing, or were changed after they were written."
    return f"{place} has lost rows of earlier syncs: {found}"


def _shown(selection: dict[str, str]) -> str:
    return ", ".join(f"{name}={value}" for name, value in selection.items()) or "everything"
