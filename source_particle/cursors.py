"""Where an incremental sync resumes: cursors that can be trusted, one for each device."""

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

CURSOR = "updated_at"
# Longer than the API keeps anything, by clocks that may differ.
KEPT = timedelta(days=31)


class CursorlessRecord(dict[str, Any]):
    """A record that does not move the cursor, because it is dated in the future.

    The next sync would start there, and miss all that the device reports until then. The CDK gets a cursor with `get`,
    and copies the whole record to emit it.
    """

    def get(self, key: str, default: Any = None) -> Any:
        """Return a field, and for the cursor that there is none."""
        return default if key == CURSOR else super().get(key, default)


@dataclass
class UsableCursors(StateMigration):
    """Leaves out cursors that would lose records, or that say nothing.

    - One in the future: nothing would be read until then. The device is read as a new one.
    - One that is older than what the API keeps: a device without a cursor is read just the same, and beyond 10,000
      cursors the CDK keeps a single one for all devices.
    - The newest cursor of all: the CDK starts a device that joins later there, and it has older vitals of its own.
      Beyond 10,000 devices only that cursor is kept; such a state is left unchanged.

    A state that no version of the source has written is refused with a reason.
    """

    config: Config = field(repr=False)
    parameters: InitVar[Mapping[str, Any]]

    def should_migrate(self, stream_state: Mapping[str, Any]) -> bool:
        """Return whether there is a state."""
        return bool(stream_state)

    def migrate(self, stream_state: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the usable part of a state; raises AirbyteTracedException (config_error) for an invalid one."""
        now = budget_of(Settings.of(self.config)).api_clock.now()
        kept = [state for state, moment in _cursors(stream_state) if now - KEPT <= moment <= now]
        if not stream_state.get("states") or stream_state.get("use_global_cursor"):
            return stream_state if kept else {}
        own = {key: value for key, value in stream_state.items() if key not in ("state", "lookback_window")}
        return {**own, "states": [state for state in kept if state is not stream_state.get("state")]}


def _cursors(stream_state: Mapping[str, Any]) -> Iterator[tuple[Any, datetime]]:
    """Yield each part of a state that says where to resume, with its time: one per device, and the common one."""
    states = stream_state.get("states", [])
    for state in states if isinstance(states, list) else [states]:
        is_named = isinstance(state, Mapping) and isinstance(state.get("partition"), Mapping)
        yield state, _moment(state, state.get("cursor") if is_named else None)
    if stream_state.get("state"):
        yield stream_state["state"], _moment(stream_state["state"], stream_state["state"])
    if CURSOR in stream_state:
        yield stream_state, _moment(stream_state, stream_state)


def _moment(state: Any, cursor: Any) -> datetime:
    try:
        text = cursor[CURSOR]
        # The form that is written, at a fraction of the time that the CDK's function takes for each of many devices.
        is_written_here = isinstance(text, str) and len(text) == len("2026-01-31T12:00:00.000Z") and text[-1] == "Z"
        return datetime.fromisoformat(f"{text[:-1]}+00:00") if is_written_here else str_to_datetime(text)
    except (TypeError, KeyError, ValueError) as error:
        raise AirbyteTracedException(
            message=f"diagnostics: the state of the sync cannot be used: {shown(state)} has no device or no time. It "
            "was edited by hand or belongs to another source. Clear the stream, and the next sync reads all 30 days.",
            failure_type=FailureType.config_error,
        ) from error
