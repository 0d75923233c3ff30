"""The Airbyte source for the tests: a configuration for a Device Cloud, and a sync through `source.read()`.

The CDK drops a record's top-level nulls when it writes the line, so values are compared before that; the tests of the
console script look at the lines themselves.
"""

import json
import logging
import sys
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from airbyte_cdk.models import (
    AirbyteMessage,
    AirbyteStateMessage,
    AirbyteStateMessageSerializer,
)
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from integration_tests.device_cloud import DeviceCloud
from source_particle.bundles import records_in
from source_particle.source import SourceParticle
from unit_tests.support.catalogs import catalog_of

Config = dict[str, Any]
State = list[AirbyteStateMessage]


def with_token(cloud: DeviceCloud, **more: Any) -> Config:
    """A configuration with the user's access token; waits before retries are shrunk, their number is real."""
    return {
        "credentials": {"auth_type": "access_token", "access_token": cloud.token},
        "base_url": cloud.url,
        "retry_wait_factor": 0,
        **more,
    }


def with_password(cloud: DeviceCloud, **more: Any) -> Config:
    """The same with user name and password."""
    credentials = {"auth_type": "password", "username": cloud.username, "password": cloud.password}
    return {**with_token(cloud), "credentials": credentials, **more}


@dataclass
class Sync:
    """What one sync gave, in order and by stream; `errors` is empty when it was a success."""

    messages: list[AirbyteMessage] = field(default_factory=list)
    records: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))
    statuses: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    states: dict[str, AirbyteStateMessage] = field(default_factory=dict)
    failures: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    error_messages: list[str] = field(default_factory=list)
    warnings: str = ""

    @property
    def errors(self) -> str:
        """All error messages as one text."""
        return "\n".join(self.error_messages)

    @property
    def state(self) -> State:
        """The last state of each stream, as the next sync is given it."""
        return list(self.states.values())

    def add(self, message: AirbyteMessage) -> None:
        """Sort one message in."""
        self.messages.append(message)
        if message.record:
            self.records[message.record.stream] += map(dict, records_in(message.record.data))
        elif message.state and message.state.stream:
            self.states[message.state.stream.stream_descriptor.name] = message.state
        elif message.trace and message.trace.error:
            if message.trace.error.stream_descriptor:
                self.failures[message.trace.error.stream_descriptor.name].append(str(message.trace.error.message))
            self.error_messages += [message.trace.error.message, str(message.trace.error.internal_message)]
        elif message.trace and message.trace.stream_status:
            status = message.trace.stream_status
            self.statuses[status.stream_descriptor.name].append(status.status.value)


def sync(
    config: Mapping[str, Any],
    *tables: str,
    state: State | None = None,
    incremental: bool | Collection[str] | None = None,
) -> Sync:
    """Read tables as Airbyte does; an error is in the result, not raised.

    A sync is incremental when it is given a state, unless `incremental` says which tables are.
    """
    catalog = catalog_of(*tables, incremental=state is not None if incremental is None else incremental)
    # A fresh copy, as a platform would hand it over: a used state object is changed by the CDK.
    fresh = [AirbyteStateMessageSerializer.load(AirbyteStateMessageSerializer.dump(part)) for part in state or []]
    result = Sync()
    with warnings_of("airbyte") as warnings:
        try:
            source = SourceParticle(config=config, catalog=catalog, state=fresh)
            for message in source.read(logging.getLogger("airbyte"), config, catalog, fresh):
                result.add(message)
        except AirbyteTracedException as error:
            result.error_messages.append(str(error.message))
    result.warnings = "\n".join(warnings)
    return result


def command_of(verb: str, folder: Path, **files: Any) -> list[str]:
    """The console script's command with files that hold JSON (text: as it is), as a platform would mount them."""
    command = [sys.executable, "-c", "from source_particle.run import run; run()", verb]
    for name, content in files.items():
        path = folder / f"{name}.json"
        path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
        command += [f"--{name}", str(path)]
    return command


@contextmanager
def warnings_of(name: str) -> Iterator[list[str]]:
    """Collect what a logger warns of."""
    texts: list[str] = []

    class _Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            texts.append(record.getMessage())

    listener = _Listener(logging.WARNING)
    logger = logging.getLogger(name)
    logger.addHandler(listener)
    try:
        yield texts
    finally:
        logger.removeHandler(listener)
