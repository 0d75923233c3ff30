"""Bundles on their way through the CDK: each record is written as the CDK would, and counted."""

import gc
import json
import logging
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from airbyte_cdk.entrypoint import AirbyteEntrypoint
from airbyte_cdk.models import (
    AirbyteMessage,
    AirbyteMessageSerializer,
    AirbyteRecordMessage,
    AirbyteStateMessage,
    AirbyteStateType,
    AirbyteStreamState,
    ConnectorSpecification,
    StreamDescriptor,
    Type,
)
from airbyte_cdk.sources.source import Source
from airbyte_cdk.sources.utils.record_helper import stream_data_to_airbyte_message

from source_particle.bundles import WAITING, Bundler, bundled, records_in
from source_particle.entrypoint import Entrypoint
from source_particle.source import SourceParticle
from unit_tests.support.built import config

RECORDS: list[dict[str, Any]] = [
    {"id": "1", "name": None, "inner": {"is_null": None, "text": "näme\n"}, "list": [None, 1.5, True]},
    {"null": "null", "id": None},
    {},
]


def _read_by(source: Source, messages: list[AirbyteMessage], monkeypatch: pytest.MonkeyPatch) -> list[AirbyteMessage]:
    monkeypatch.setattr(source, "read", lambda *_: iter(messages))
    monkeypatch.setattr(source, "check_config_against_spec", False)
    return list(Entrypoint(source).read(ConnectorSpecification(connectionSpecification={}), {}, None, []))


def _message_of(records: list[dict[str, Any]]) -> AirbyteMessage:
    return stream_data_to_airbyte_message("devices", Bundler().bundle(records))


@pytest.mark.parametrize(
    "records", [RECORDS, [*RECORDS, {"long": 2**70}], [{"half": "\ud800"}, {"id": "1"}]], ids=["plain", "long", "half"]
)
def test_lines_are_those_of_the_cdk(
    records: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    message = _message_of(records)
    assert message.record is not None
    assert _read_by(SourceParticle(config()), [message], monkeypatch) == []
    alone = [
        AirbyteMessage(
            type=Type.RECORD,
            record=AirbyteRecordMessage(stream="devices", data=dict(one), emitted_at=message.record.emitted_at),
        )
        for one in records
    ]
    expected = [AirbyteEntrypoint.airbyte_message_to_string(one) for one in alone]
    written = [line for line in capsys.readouterr().out.splitlines() if '"RECORD"' in line]
    assert written == expected
    assert [AirbyteMessageSerializer.load(json.loads(line)).type for line in written] == [Type.RECORD] * len(records)


def test_a_state_says_how_many_records_came_before_it_and_the_log_says_it_too(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def state() -> AirbyteMessage:
        stream = AirbyteStreamState(stream_descriptor=StreamDescriptor(name="devices"))
        return AirbyteMessage(type=Type.STATE, state=AirbyteStateMessage(type=AirbyteStateType.STREAM, stream=stream))

    source = SourceParticle(config())

    class Messages(list[AirbyteMessage]):
        def __iter__(self) -> Iterator[AirbyteMessage]:
            yield from super().__iter__()
            # As the CDK's processor of a concurrent read does at the end of a stream; it counts bundles.
            source.logger.info("Read 3 records from devices stream")

    one = stream_data_to_airbyte_message("devices", {"id": "1"})
    messages = Messages([_message_of(RECORDS), one, state(), _message_of(RECORDS), state()])
    with caplog.at_level(logging.INFO):
        found = _read_by(source, messages, monkeypatch)

    stats = [message.state.sourceStats for message in found if message.state]
    assert [part and part.recordCount for part in stats] == [4.0, 3.0]
    assert "Read 7 records from devices stream" in caplog.text


def test_a_bundle_is_no_record_and_a_record_no_bundle() -> None:
    bundle = Bundler().bundle(RECORDS)
    assert records_in(bundle) == bundled(dict(bundle)) == RECORDS
    assert records_in({"records": [1]}) == [{"records": [1]}]
    assert bundled({"records": [1]}) is None


@pytest.mark.parametrize("way", ["written", "dropped"])
def test_no_more_bundles_wait_than_there_is_room_for(way: str) -> None:
    bundler, made = Bundler(), threading.Event()
    waiting = [bundler.bundle([]) for _ in range(WAITING)]

    def one_more() -> None:
        bundler.bundle([])
        made.set()

    thread = threading.Thread(target=one_more, daemon=True)
    thread.start()
    assert not made.wait(0.2)
    if way == "written":
        # The CDK hands on a copy, and threads and errors may hold the bundle for long.
        copies = [dict(waiting[0])] * 2
        assert [bundled(copy) for copy in copies] == [[], []]
    else:
        waiting.pop()
        gc.collect()
    assert made.wait(5)
    thread.join(5)
