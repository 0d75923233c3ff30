"""What YAML cannot say: the classes that manifest.yaml names, each with the behaviour of the API that forces it.

ParticleAuthenticator    one login per process, because ten failed ones block the IP address
ParticleErrorHandler     a 200 may hold anything but the promised body
ParticleBackoff          a 429 comes without Retry-After
ParticleRequester        every request counts against one budget, and none may reach the log
SortedPages              which sorting makes pages rise by key
ParticleRetriever        short pages prove nothing, and pages shift while they are read
ProductsRetriever        the list of products has two homes
TokenRetriever           an API user's token serves some tables only
FleetRouter              there is no fleet-wide endpoint, and `*` meets what a token may not read
RecordFields             documented names, keys of parents, no secrets
NewDevicesFromStartDate  a device that joins later has a past of its own
RealDate                 a date may look right and not exist
Defaults                 a default stands in the specification alone
"""

from collections.abc import Iterator, Mapping, MutableMapping
from dataclasses import InitVar, dataclass, field
from typing import Any

from airbyte_cdk.models import FailureType
from airbyte_cdk.sources.declarative.interpolation.macros import str_to_datetime
from airbyte_cdk.sources.declarative.migrations.state_migration import StateMigration
from airbyte_cdk.sources.declarative.transformations import RecordTransformation
from airbyte_cdk.sources.declarative.transformations.config_transformations.config_transformation import (
    ConfigTransformation,
)
from airbyte_cdk.sources.declarative.validators.validation_strategy import ValidationStrategy
from airbyte_cdk.sources.types import Config, StreamSlice, StreamState
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from source_particle.config import is_date, shown
from source_particle.error_handler import ParticleBackoff, ParticleErrorHandler
from source_particle.login import ParticleAuthenticator, sign_in
from source_particle.paginator import SortedPages
from source_particle.paging import Record
from source_particle.requester import ParticleRequester
from source_particle.retrievers import ParticleRetriever, ProductsRetriever, TokenRetriever
from source_particle.router import FleetRouter
from source_particle.settings import with_defaults

__all__ = [
    "Defaults",
    "FleetRouter",
    "NewDevicesFromStartDate",
    "ParticleAuthenticator",
    "ParticleBackoff",
    "ParticleErrorHandler",
    "ParticleRequester",
    "ParticleRetriever",
    "ProductsRetriever",
    "RealDate",
    "RecordFields",
    "SortedPages",
    "TokenRetriever",
    "sign_in",
]


@dataclass
class RecordFields(RecordTransformation):
    """Adds documented names and the parents' keys to a record and removes secrets, at a tenth of AddFields' cost.

    `aliases` maps a name to the one whose value it takes where it is missing itself; `from_slice` names keys of the
    slice that the record lacks; `removed` names fields that must not leave the source.
    """

    config: Config = field(repr=False)
    parameters: InitVar[Mapping[str, Any]]
    aliases: Mapping[str, str] = field(default_factory=dict)
    from_slice: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)

    def __post_init__(self, parameters: Mapping[str, Any]) -> None:
        self._aliases = tuple(self.aliases.items())

    def transform(
        self,
        record: Record,
        config: Config | None = None,
        stream_state: StreamState | None = None,
        stream_slice: StreamSlice | None = None,
    ) -> None:
        """Change the record in place."""
        for name, other in self._aliases:
            if record.get(name) is None and other in record:
                record[name] = record[other]
        for name in self.from_slice:
            if record.get(name) is None and stream_slice is not None:
                record[name] = stream_slice.get(name, stream_slice.extra_fields.get(name))
        for name in self.removed:
            record.pop(name, None)


@dataclass
class NewDevicesFromStartDate(StateMigration):
    """Lets a device that joins later start with its whole 30 days.

    The CDK starts an unknown partition at the newest cursor of all others. Beyond 10,000 partitions it keeps that one
    cursor only; such a state is left as it is. What no version of the source has ever written is refused in words.
    """

    config: Config = field(repr=False)
    parameters: InitVar[Mapping[str, Any]]

    def should_migrate(self, stream_state: Mapping[str, Any]) -> bool:
        """Whether there is a state to look at."""
        return bool(stream_state)

    def migrate(self, stream_state: Mapping[str, Any]) -> Mapping[str, Any]:
        """Drop the newest cursor of all; raises AirbyteTracedException (config_error) for what no cursor can be."""
        for state, cursor in _cursors(stream_state):
            _refuse_without_time(state, cursor)
        if not stream_state.get("states") or stream_state.get("use_global_cursor"):
            return stream_state
        return {key: value for key, value in stream_state.items() if key not in ("state", "lookback_window")}


def _cursors(stream_state: Mapping[str, Any]) -> Iterator[tuple[Any, Any]]:
    """Yield each part of a state that says where to resume, with its cursor: of a device, and of all of them."""
    states = stream_state.get("states", [])
    for state in states if isinstance(states, list) else [states]:
        is_named = isinstance(state, Mapping) and isinstance(state.get("partition"), Mapping)
        yield state, state.get("cursor") if is_named else None
    if stream_state.get("state"):
        yield stream_state["state"], stream_state["state"]
    if "updated_at" in stream_state:
        yield stream_state, stream_state


def _refuse_without_time(state: Any, cursor: Any) -> None:
    try:
        str_to_datetime(cursor["updated_at"])
    except (TypeError, KeyError, ValueError) as error:
        raise AirbyteTracedException(
            message=f"diagnostics: the state of the sync cannot be used: {shown(state)} has no device or no time. It "
            "was changed by hand or is another source's: clear the stream, and the next sync reads all 30 days.",
            failure_type=FailureType.config_error,
        ) from error


class RealDate(ValidationStrategy):
    """Refuses a date that looks right and does not exist, such as the 30th of February."""

    def validate(self, value: Any) -> None:
        """Raise AirbyteTracedException (config_error) that names the value."""
        if value and not is_date(str(value)):
            raise AirbyteTracedException(
                message=f"diagnostics: {shown(value)} is not a date that exists. Correct start_date or end_date.",
                failure_type=FailureType.config_error,
            )


@dataclass
class Defaults(ConfigTransformation):
    """Gives each option that is unset or empty its default, so that the manifest need not repeat it."""

    config: Config = field(repr=False)
    parameters: InitVar[Mapping[str, Any]]

    def transform(self, config: MutableMapping[str, Any]) -> None:
        """Change the configuration in place."""
        config.update({name: value for name, value in with_defaults(config).items() if value is not None})
