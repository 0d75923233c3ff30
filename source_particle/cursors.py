"""Where an incremental sync resumes: cursors that can be trusted, one for each device."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import InitVar, dataclass, field
from datetime import datetime, timedelta
from typing import Any

from airbyte_cdk.models import FailureType
from airbyte_cdk.sources.declarative.interpolation.macros import str_to_datetime
from airbyte_cdk.sources.declarative.migrations.state_migration import StateMigration
from airbyte_cdk.sources.types import Config
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from source_particle.budget import budget_of
from source_particle.config import shown
from source_particle.settings import Settings

CURSOR = re.compile(r"\d{4}-\d\d-\d\d(T\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:?\d\d)?)?", re.ASCII)
# Clocks may differ by this much.
DIFFERENCE = timedelta(days=1)


class CursorlessRecord(dict[str, Any]):
    """A record that does not move the cursor, because it is dated in the future.

    The next sync would start there, and miss all that the device reports until then. The CDK gets a cursor with `get`,
    and copies the whole record to emit it.
    """

    def __init__(self, record: Mapping[str, Any], cursor_field: str) -> None:
        super().__init__(record)
        self._cursor_field = cursor_field

    def get(self, key: str, default: Any = None) -> Any:
        """Return a field, and for the cursor that there is none."""
        return default if key == self._cursor_field else super().get(key, default)


@dataclass
class UsableCursors(StateMigration):
    """Leaves out cursors that would lose records, or that say nothing.

    - One in the future: nothing would be read until then. The device is read as a new one.
    - One that is older than the `kept_days` for which the API keeps something: a device without a cursor is read just
      the same, and beyond 10,000 cursors the CDK keeps a single one for all devices.
    - The newest cursor of all: the CDK starts a device that joins later there, and it has older vitals of its own.
      Beyond 10,000 devices only that cursor is kept; such a state is left unchanged.

    A state that no version of the source has written is refused with a reason.
    """

    config: Config = field(repr=False)
    parameters: InitVar[Mapping[str, Any]]
    table: str = "diagnostics"
    cursor_field: str = "updated_at"
    kept_days: int | None = None

    def should_migrate(self, stream_state: Mapping[str, Any]) -> bool:
        """Return whether there is a state."""
        return bool(stream_state)

    def migrate(self, stream_state: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the usable part of a state; raises AirbyteTracedException (config_error) for an invalid one."""
        now = budget_of(Settings.of(self.config)).api_clock.now()
        self._check_lookback(stream_state.get("lookback_window"))
        oldest = now - timedelta(days=self.kept_days) - DIFFERENCE if self.kept_days else None
        kept = [
            state
            for state, moment in self._cursors(stream_state)
            if moment <= now and (oldest is None or oldest <= moment)
        ]
        if not stream_state.get("states") or stream_state.get("use_global_cursor"):
            return stream_state if kept else {}
        own = {key: value for key, value in stream_state.items() if key not in ("state", "lookback_window")}
        return {**own, "states": [state for state in kept if state is not stream_state.get("state")]}

    def _cursors(self, stream_state: Mapping[str, Any]) -> Iterator[tuple[Any, datetime]]:
        """Yield each part of a state that says where to resume, with its time: one per device, and the common one."""
        states = stream_state.get("states", [])
        for state in states if isinstance(states, list) else [states]:
            is_named = isinstance(state, Mapping) and isinstance(state.get("partition"), Mapping)
            yield state, self._moment(state, state.get("cursor") if is_named else None)
        if stream_state.get("state"):
            yield stream_state["state"], self._moment(stream_state["state"], stream_state["state"])
        if self.cursor_field in stream_state:
            yield stream_state, self._moment(stream_state, stream_state)

    def _check_lookback(self, seconds: Any) -> None:
        if seconds is not None and not re.fullmatch(r"\d{1,9}", str(seconds), re.ASCII):
            raise self._unusable(f"the lookback_window {shown(seconds)}")

    def _moment(self, state: Any, cursor: Any) -> datetime:
        try:
            text = cursor[self.cursor_field]
            return _written_here(text) or _written_by_hand(text)
        except (TypeError, KeyError, ValueError, OverflowError) as error:
            raise self._unusable(shown(state)) from error

    def _unusable(self, part: str) -> AirbyteTracedException:
        return AirbyteTracedException(
            message=f"{self.table}: the state of the sync cannot be used: {part} has no partition or no time that can "
            "be read. It was edited by hand or belongs to another source. Clear the stream, and the next sync reads it "
            "from its start.",
            failure_type=FailureType.config_error,
        )


def _written_by_hand(text: str) -> datetime:
    """Return the time of a cursor in any form that the manifest names for cursors; raises ValueError for another."""
    if not CURSOR.fullmatch(text):
        raise ValueError(text)
    return str_to_datetime(text)


def _written_here(text: Any) -> datetime | None:
    """Return the time of a cursor in the form that is written, in a fraction of what the CDK's function takes."""
    is_ours = isinstance(text, str) and len(text) == len("2026-01-31T12:00:00.000Z") and text[-1] == "Z"
    return datetime.fromisoformat(f"{text[:-1]}+00:00") if is_ours else None
