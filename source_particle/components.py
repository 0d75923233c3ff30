"""The classes that manifest.yaml uses where YAML is not enough, each with the API behaviour that requires it.

ParticleAuthenticator    one login per process, because ten failed ones block the IP address
ParticleErrorHandler     a 200 may contain anything but the promised body
ParticleBackoff          a 429 comes without Retry-After
ParticleRequester        all requests share one budget, and none may reach the log
SortedPages              pages have a stable order only if the API is asked for it
ParticleRetriever        short pages prove nothing, and pages shift while they are read
ProductsRetriever        the list of products has two addresses
TokenRetriever           an API user's token can read some tables only
HistoryRetriever         a range of time may come with more than was asked for
BucketsRetriever         zeros are left out, and the last bucket still grows
VersionsRetriever        has_more stands in place of pages
ItemsExtractor           the days of a billing period come in one record
PointsExtractor          the points of a track come in one record
FleetRouter              there is no fleet-wide endpoint, and `*` finds items that a token may not read
OwnerRouter              one list has three addresses: of the user, a product or an organization
WithinRouter             some lists can only be found through another list
RecordFields             records lack documented names and parents' keys, and contain secrets
UsableCursors            a device that joins later has older vitals of its own, and a report may be dated in 2099
DateRanges               a date may be well-formed and not exist, or lie in the future
Defaults                 defaults are in the specification only
"""

import re
from collections.abc import Mapping, MutableMapping
from dataclasses import InitVar, dataclass, field
from datetime import datetime, timezone
from typing import Any

from airbyte_cdk.models import FailureType
from airbyte_cdk.sources.declarative.interpolation.macros import str_to_datetime
from airbyte_cdk.sources.declarative.transformations import RecordTransformation
from airbyte_cdk.sources.declarative.transformations.config_transformations.config_transformation import (
    ConfigTransformation,
)
from airbyte_cdk.sources.declarative.validators.validation_strategy import ValidationStrategy
from airbyte_cdk.sources.types import Config, StreamSlice, StreamState
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from source_particle.backoff import ParticleBackoff
from source_particle.config import is_date, shown
from source_particle.cursors import UsableCursors
from source_particle.error_handler import ParticleErrorHandler
from source_particle.extractors import ItemsExtractor, PointsExtractor
from source_particle.histories import BucketsRetriever, HistoryRetriever, VersionsRetriever
from source_particle.login import ParticleAuthenticator, sign_in
from source_particle.owners import OwnerRouter, WithinRouter
from source_particle.paginator import SortedPages
from source_particle.paging import Record
from source_particle.requester import ParticleRequester
from source_particle.retrievers import ParticleRetriever, ProductsRetriever
from source_particle.router import FleetRouter
from source_particle.settings import with_defaults
from source_particle.token_retriever import TokenRetriever
from source_particle.values import value_at

__all__ = [
    "BucketsRetriever",
    "DateRanges",
    "Defaults",
    "FleetRouter",
    "HistoryRetriever",
    "ItemsExtractor",
    "OwnerRouter",
    "ParticleAuthenticator",
    "ParticleBackoff",
    "ParticleErrorHandler",
    "ParticleRequester",
    "ParticleRetriever",
    "PointsExtractor",
    "ProductsRetriever",
    "RecordFields",
    "SortedPages",
    "TokenRetriever",
    "UsableCursors",
    "VersionsRetriever",
    "WithinRouter",
    "sign_in",
]


@dataclass
class RecordFields(RecordTransformation):
    """Adds documented names and the parents' keys to a record and removes secrets, at a tenth of AddFields' cost.

    `aliases` maps a name to the field whose value it gets if it is missing; `from_slice` lists keys of the slice that
    are added to the record; `lifted` maps a name to the path of its value within the record; `removed` lists fields
    that must not leave the source, `without_query` addresses whose query must not.
    """

    config: Config = field(repr=False)
    parameters: InitVar[Mapping[str, Any]]
    aliases: Mapping[str, str] = field(default_factory=dict)
    from_slice: list[str] = field(default_factory=list)
    lifted: Mapping[str, list[str]] = field(default_factory=dict)
    removed: list[str] = field(default_factory=list)
    without_query: list[str] = field(default_factory=list)

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
        for name, path in self.lifted.items():
            record[name] = value_at(record, path)
        for name in self.removed:
            record.pop(name, None)
        for name in self.without_query:
            if name in record:
                record[name] = re.split("[?#]", str(record[name]), maxsplit=1)[0]


class DateRanges(ValidationStrategy):
    """Rejects dates among the options of a table that cannot be meant.

    Reading from a start in the future would leave a cursor there, and the records in between would never be read.
    """

    def validate(self, value: Any) -> None:
        """Raise AirbyteTracedException (config_error) that names the date and the option."""
        if not isinstance(value, Mapping):
            return
        dates = {name: str(value[name]) for name in ("start_date", "end_date") if value.get(name)}
        for name, text in dates.items():
            if not is_date(text):
                raise _wrong(f"{shown(text)} is not a date that exists. Correct {name}.")
        moments = {name: str_to_datetime(text) for name, text in dates.items()}
        start, end = moments.get("start_date"), moments.get("end_date")
        if start and start > datetime.now(timezone.utc):
            raise _wrong(f"start_date {shown(dates['start_date'])} is in the future. Correct it, or leave it out.")
        if start and end and end <= start:
            raise _wrong(
                f"end_date {shown(dates['end_date'])} is not after start_date {shown(dates['start_date'])}: there is "
                "nothing between them. Correct one of them."
            )


def _wrong(problem: str) -> AirbyteTracedException:
    return AirbyteTracedException(message=problem, failure_type=FailureType.config_error)


@dataclass
class Defaults(ConfigTransformation):
    """Sets the default of each missing or empty option, so that the manifest need not repeat it."""

    config: Config = field(repr=False)
    parameters: InitVar[Mapping[str, Any]]

    def transform(self, config: MutableMapping[str, Any]) -> None:
        """Change the configuration in place."""
        config.update({name: value for name, value in with_defaults(config).items() if value is not None})
