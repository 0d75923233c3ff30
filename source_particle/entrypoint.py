"""The CDK's entry point, which writes the records of a bundle at once."""

import logging
import re
from collections.abc import Iterable
from typing import Any

import orjson
from airbyte_cdk.entrypoint import AirbyteEntrypoint
from airbyte_cdk.models import AirbyteMessage, AirbyteRecordMessage, ConnectorSpecification, Type
from airbyte_cdk.sources.connector_state_manager import HashableStreamDescriptor
from airbyte_cdk.sources.source import Source

from source_particle.bundles import bundled
from source_particle.paging import Record

# The CDK counts a bundle as one record when it logs this.
_READ = re.compile(r"Read \d+ records from (?P<stream>.+) stream")


class Entrypoint(AirbyteEntrypoint):
    """Runs a command like the CDK, and writes the records of a bundle to standard output, one message each."""

    def __init__(self, source: Source) -> None:
        super().__init__(source)
        self._counts: dict[str, int] = {}

    def read(
        self, source_spec: ConnectorSpecification, config: Any, catalog: Any, state: list[Any]
    ) -> Iterable[AirbyteMessage]:
        """Yield the messages of a sync, and write those of bundles where they belong among them."""
        self.logger.addFilter(self._corrected)
        try:
            for message in super().read(source_spec, config, catalog, state):
                records = _bundle_of(message)
                if records is None:
                    yield message
                else:
                    assert message.record is not None
                    print(_written(message.record, records), end="")
        finally:
            self.logger.removeFilter(self._corrected)

    def handle_record_counts(self, message: AirbyteMessage, stream_message_count: Any) -> AirbyteMessage:  # type: ignore[override]
        """Count the records of a message: each state says how many came before it."""
        counted = super().handle_record_counts(message, stream_message_count)
        if message.record is not None:
            stream, count = message.record.stream, len(_bundle_of(message) or (None,))
            stream_message_count[HashableStreamDescriptor(name=stream, namespace=message.record.namespace)] += count - 1
            self._counts[stream] = self._counts.get(stream, 0) + count
        return counted

    def _corrected(self, record: logging.LogRecord) -> bool:
        """Put the number of records into the CDK's line at the end of a stream."""
        if found := _READ.fullmatch(record.getMessage()):
            stream = found["stream"]
            record.msg, record.args = "Read %d records from %s stream", (self._counts.get(stream, 0), stream)
        return True


def _bundle_of(message: AirbyteMessage) -> list[Record] | None:
    return bundled(message.record.data) if message.type == Type.RECORD and message.record else None


def _written(around: AirbyteRecordMessage, records: list[Record]) -> str:
    """Return the messages for some records, one a line, exactly as the CDK writes them."""
    message = {"type": "RECORD", "record": {"stream": around.stream, "data": None, "emitted_at": around.emitted_at}}
    before, after = orjson.dumps(message).split(b"null")
    try:
        lines = [b"%b%b%b\n" % (before, orjson.dumps(_without_nulls(record)), after) for record in records]
    except orjson.JSONEncodeError:
        # An integer beyond 64 bits, or half a surrogate pair.
        return "".join(f"{_written_by_the_cdk(around, record)}\n" for record in records)
    return b"".join(lines).decode()


def _without_nulls(record: Record) -> Record:
    return {name: value for name, value in record.items() if value is not None}


def _written_by_the_cdk(around: AirbyteRecordMessage, record: Record) -> str:
    own = AirbyteRecordMessage(stream=around.stream, data=record, emitted_at=around.emitted_at)
    return AirbyteEntrypoint.airbyte_message_to_string(AirbyteMessage(type=Type.RECORD, record=own))
