"""Airbyte's protocol, message by message, as the console script writes it: a sync of all tables, one of which fails."""

import json
import subprocess
from collections import Counter, defaultdict
from typing import Any

import pytest
from airbyte_cdk.models import AirbyteMessageSerializer, ConfiguredAirbyteCatalogSerializer
from jsonschema import Draft7Validator

from bridge.tables.catalog import tables
from integration_tests.airbyte.syncs import command_of, with_token
from integration_tests.device_cloud import DeviceCloud, Fleet, FleetSize
from unit_tests.support.catalogs import catalog_of
from unit_tests.support.paths import ROOT

FAILING = "product_sims"
Message = dict[str, Any]
# The part of a message that holds what its type promises.
PARTS = {"LOG": "log", "RECORD": "record", "STATE": "state", "TRACE": "trace"}


@pytest.fixture(scope="module")
def messages(tmp_path_factory: pytest.TempPathFactory) -> list[Message]:
    """What a sync of all tables writes; one names a product that is not there, one is incremental."""
    folder = tmp_path_factory.mktemp("sync")
    size = FleetSize(products=2, devices=4, sims=2, days=1, user_devices=3, user_sims=2, samples=False)
    with DeviceCloud(Fleet.seeded(size)) as cloud:
        config = with_token(cloud, **{FAILING: {"product_id_or_slug": "no-such-product"}})
        catalog = ConfiguredAirbyteCatalogSerializer.dump(catalog_of(*tables(), incremental={"diagnostics"}))
        command = command_of("read", folder, config=config, catalog=catalog)
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 1
    assert done.stderr == ""
    assert cloud.token not in done.stdout
    return [json.loads(line) for line in done.stdout.splitlines()]


def _of(messages: list[Message], kind: str) -> list[Message]:
    """The contents of all messages of a type."""
    return [message[PARTS[kind]] for message in messages if message["type"] == kind]


def _statuses(messages: list[Message]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for trace in _of(messages, "TRACE"):
        if trace["type"] == "STREAM_STATUS":
            found[trace["stream_status"]["stream_descriptor"]["name"]].append(trace["stream_status"]["status"])
    return found


def _errors(messages: list[Message]) -> list[dict[str, Any]]:
    return [trace["error"] for trace in _of(messages, "TRACE") if trace["type"] == "ERROR"]


def test_every_line_is_one_message_of_the_protocol_and_nothing_else(messages: list[Message]) -> None:
    for message in messages:
        # Raises where a field is missing or of another type, and drops what the protocol does not know.
        known = AirbyteMessageSerializer.dump(AirbyteMessageSerializer.load(message))
        assert _without_nulls(known) == _without_nulls(message)
        assert {name for name in message if name != "type"} == {PARTS[message["type"]]}


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_nulls(part) for name, part in value.items() if part is not None}
    return [_without_nulls(part) for part in value] if isinstance(value, list) else value


def test_every_stream_starts_runs_and_ends(messages: list[Message]) -> None:
    whole = ["STARTED", "RUNNING", "COMPLETE"]
    assert _statuses(messages) == {**dict.fromkeys(tables(), whole), FAILING: ["STARTED", "INCOMPLETE"]}


def test_records_come_between_running_and_the_end_of_their_stream(messages: list[Message]) -> None:
    status: dict[str, str] = {}
    for message in messages:
        if message["type"] == "RECORD":
            assert status[message["record"]["stream"]] == "RUNNING"
        elif message["type"] == "TRACE" and message["trace"]["type"] == "STREAM_STATUS":
            told = message["trace"]["stream_status"]
            status[told["stream_descriptor"]["name"]] = told["status"]


def test_every_record_fits_its_schema_and_tells_when_it_was_read(messages: list[Message]) -> None:
    validators = {name: Draft7Validator(part.schema) for name, part in tables().items()}
    records = _of(messages, "RECORD")
    assert {record["stream"] for record in records} == set(tables()) - {FAILING}
    for record in records:
        assert not list(validators[record["stream"]].iter_errors(record["data"]))
        assert record["emitted_at"] > 1_600_000_000_000


def test_states_count_the_records_before_them(messages: list[Message]) -> None:
    counted: Counter[str] = Counter()
    seen: Counter[str] = Counter()
    for message in messages:
        if message["type"] == "RECORD":
            seen[message["record"]["stream"]] += 1
        elif message["type"] == "STATE":
            state = message["state"]
            name = state["stream"]["stream_descriptor"]["name"]
            counted[name] += int(state["sourceStats"]["recordCount"])
            assert counted[name] == seen[name]
    assert set(counted) == set(tables())
    assert seen.total() > 0


def test_only_streams_with_a_cursor_have_a_state_to_go_on_from(messages: list[Message]) -> None:
    last = {
        state["stream"]["stream_descriptor"]["name"]: state["stream"]["stream_state"]
        for state in _of(messages, "STATE")
    }
    growing = {name for name, part in tables().items() if part.cursor_field}
    assert {name for name, blob in last.items() if blob.get("states")} == growing
    others = [blob for name, blob in last.items() if name not in growing]
    assert others == [{"__ab_no_cursor_state_message": True}] * (len(tables()) - len(growing))


def test_an_error_names_its_stream_and_what_to_do_and_the_last_one_sums_up(messages: list[Message]) -> None:
    first, last = _errors(messages)
    assert first["stream_descriptor"] == {"name": FAILING}
    assert first["failure_type"] == "config_error"
    assert "no-such-product" in first["message"]
    assert "Check the product" in first["message"]
    assert FAILING in last["message"]


def test_the_log_tells_of_one_failure(messages: list[Message]) -> None:
    levels = Counter(log["level"] for log in _of(messages, "LOG"))
    assert set(levels) <= {"INFO", "WARN", "ERROR", "FATAL"}
    assert levels["ERROR"] == levels["FATAL"] == 1
