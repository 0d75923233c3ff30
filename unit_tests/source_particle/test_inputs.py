"""Files as platforms write them and as people save them: configuration, catalog and state."""

import json
from pathlib import Path
from typing import Any

import pytest
from airbyte_cdk.models import AirbyteStateMessageSerializer, ConfiguredAirbyteCatalogSerializer
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from source_particle import manifest
from source_particle.inputs import read_catalog, read_config, read_state

CURSORS = {"states": [{"partition": {"device_id": "a"}, "cursor": {"updated_at": "2026-01-01T00:00:00Z"}}]}
STREAM = {"stream_descriptor": {"name": "diagnostics"}, "stream_state": CURSORS}
STATE = {"type": "STREAM", "stream": STREAM}
MESSAGE = {"type": "STATE", "state": STATE}
OLDER = {"type": "STATE", "state": {**STATE, "stream": {**STREAM, "stream_state": {"updated_at": "2025"}}}}
LOG = {"type": "LOG", "log": {"level": "INFO", "message": "a\u2028b"}}
RECORD = {"type": "RECORD", "record": {"stream": "user", "data": {}, "emitted_at": 1}}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file to be written by the test."""
    return tmp_path / "file.json"


def lines(*messages: Any) -> str:
    return "".join(json.dumps(message, ensure_ascii=False) + "\n" for message in messages)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_files_may_begin_with_a_byte_order_mark(file: Path, encoding: str) -> None:
    file.write_bytes('{"credentials": {"password": "ä"}}'.encode(encoding))
    assert read_config(str(file)) == {"credentials": {"password": "ä"}}


@pytest.mark.parametrize("content", ["", "{", "[]", "null", '"text"', "[" * 100_000, '{"a": 1}\n{"b": 2}'])
def test_a_configuration_that_is_no_object_is_refused(file: Path, content: str) -> None:
    file.write_text(content)
    with pytest.raises(AirbyteTracedException, match=r"file\.json cannot be used: ") as caught:
        read_config(str(file))
    assert caught.value.failure_type.value == "config_error"


def test_a_file_that_is_not_there_or_no_text_is_refused_by_name(file: Path) -> None:
    for read in (read_config, read_catalog, read_state):
        with pytest.raises(AirbyteTracedException, match=r"file\.json cannot be used: .*No such file"):
            read(str(file))
    file.write_bytes(b'{"password": "\xff"}')
    with pytest.raises(AirbyteTracedException, match=r"file\.json cannot be used: .*utf-8"):
        read_config(str(file))


CONFIGURED = {"stream": {"name": "user"}, "sync_mode": "full_refresh", "destination_sync_mode": "overwrite"}
DISCOVERED = [
    {"name": "user", "json_schema": {"type": "object"}, "supported_sync_modes": ["full_refresh"]},
    {"name": "diagnostics", "json_schema": {}, "supported_sync_modes": ["full_refresh", "incremental"]},
]


BOTH = {"user": "full_refresh", "diagnostics": "incremental"}


@pytest.mark.parametrize(
    ("content", "modes"),
    [
        (lines({"streams": [CONFIGURED]}), {"user": "full_refresh"}),
        (lines({"streams": [{"stream": {"name": "user"}}]}), {"user": "full_refresh"}),
        (lines({"streams": [{"name": "user"}]}), {"user": "full_refresh"}),
        (lines({"streams": DISCOVERED}), BOTH),
        (lines({"type": "CATALOG", "catalog": {"streams": DISCOVERED}}), BOTH),
        (lines(LOG, {"type": "CATALOG", "catalog": {"streams": DISCOVERED[:1]}}, LOG), {"user": "full_refresh"}),
        (lines({"streams": []}), {}),
    ],
)  # fmt: skip
def test_a_catalog_is_understood_in_every_form(file: Path, content: str, modes: dict[str, str]) -> None:
    file.write_text(content)
    streams = ConfiguredAirbyteCatalogSerializer.dump(read_catalog(str(file)))["streams"]
    assert {stream["stream"]["name"]: stream["sync_mode"] for stream in streams} == modes


@pytest.mark.parametrize(
    "catalog",
    [{}, [], None, "user", {"streams": None}, {"streams": ["user"]}, {"streams": [{"stream": {"name": 5}}]},
     {"streams": [{"a": 1}]}, {"streams": [{**CONFIGURED, "sync_mode": "sometimes"}]},
     {"type": "CATALOG", "catalog": 1}],
)  # fmt: skip
def test_another_catalog_is_refused_with_what_is_expected(file: Path, catalog: Any) -> None:
    file.write_text(json.dumps(catalog))
    with pytest.raises(
        AirbyteTracedException, match=r"file\.json cannot be used: expected a configured catalog such as"
    ):
        read_catalog(str(file))


def test_a_stream_that_is_not_there_is_refused_and_not_left_out(file: Path) -> None:
    file.write_text(json.dumps({"streams": [CONFIGURED, {"name": "device"}]}))
    with pytest.raises(
        AirbyteTracedException, match=f"no stream 'device'; expected {', '.join(manifest()['schemas'])}"
    ):
        read_catalog(str(file))


@pytest.mark.parametrize(
    "content",
    [
        lines([STATE]), lines(STATE), lines({"stream": STREAM}), lines(MESSAGE), lines([MESSAGE]),
        lines(LOG, RECORD, OLDER, RECORD, MESSAGE, LOG), lines([OLDER, MESSAGE]), lines({"diagnostics": CURSORS}),
        json.dumps([STATE], indent=2),
    ],
)  # fmt: skip
def test_a_state_is_understood_in_every_form_and_the_last_one_counts(file: Path, content: str) -> None:
    file.write_text(content)
    [found] = read_state(str(file))
    assert AirbyteStateMessageSerializer.dump(found)["stream"] == STREAM


@pytest.mark.parametrize(
    "content",
    ["", "\n", "null", "{}", "[]", "[null]", lines(LOG, RECORD), lines({"stream": {**STREAM, "stream_state": None}}),
     lines([{**STATE, "stream": {**STREAM, "stream_state": {}}}]), lines({"diagnostics": None})],
)  # fmt: skip
def test_nothing_is_no_state(file: Path, content: str) -> None:
    file.write_text(content)
    assert read_state(str(file)) == []
    assert read_state(None) == []


@pytest.mark.parametrize(
    "content", ["5", '"a"', '[{"a": 1}]', '{"stream": 5}', '{"stream": {"stream_state": {"a": 1}}}']
)
def test_another_state_is_refused_with_what_is_expected(file: Path, content: str) -> None:
    file.write_text(content)
    with pytest.raises(AirbyteTracedException, match=r"file\.json cannot be used: expected a list of state messages"):
        read_state(str(file))
