"""The console script `source-particle`, as Airbyte calls it: files in, one JSON message a line out."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from bridge import catalog
from integration_tests.airbyte import Config, command_of, with_password, with_token
from integration_tests.device_cloud import DeviceCloud

TABLES = tuple(catalog.tables())
Messages = list[dict[str, Any]]


def _run(tmp_path: Path, verb: str, **files: Any) -> tuple[int, Messages, str]:
    """Run the command in an empty directory; every line of its output must be an Airbyte message."""
    result = subprocess.run(
        command_of(verb, tmp_path, **files),
        cwd=tmp_path,
        env={"PYTHONPATH": str(Path(__file__).parents[1])},
        capture_output=True,
        text=True,
        check=False,
    )
    return result.returncode, [json.loads(line) for line in result.stdout.splitlines()], result.stdout + result.stderr


def _catalog(*tables: str) -> dict[str, Any]:
    streams = [
        {
            "stream": {"name": table, "json_schema": {}, "supported_sync_modes": ["full_refresh"]},
            "sync_mode": "full_refresh",
            "destination_sync_mode": "overwrite",
        }
        for table in tables
    ]
    return {"streams": streams}


def _without_top_level_nulls(record: dict[str, Any]) -> dict[str, Any]:
    """The CDK leaves a record's top-level nulls out of the line it writes."""
    return {key: value for key, value in record.items() if value is not None}


def test_spec_needs_no_configuration(tmp_path: Path) -> None:
    code, messages, _ = _run(tmp_path, "spec")

    assert code == 0
    assert messages[-1]["spec"]["connectionSpecification"]["title"] == "Particle"


def test_check_succeeds_and_fails_with_exit_code_0(tmp_path: Path, cloud: DeviceCloud) -> None:
    code, messages, _ = _run(tmp_path, "check", config=with_token(cloud))
    assert (code, messages[-1]["connectionStatus"]["status"]) == (0, "SUCCEEDED")

    wrong = with_password(cloud)
    wrong["credentials"]["password"] = "mistyped-password"
    code, messages, output = _run(tmp_path, "check", config=wrong)
    assert (code, messages[-1]["connectionStatus"]["status"]) == (0, "FAILED")
    assert "user name or password was refused" in messages[-1]["connectionStatus"]["message"]
    assert "mistyped-password" not in output


def test_discover_lists_the_ten_tables_with_their_keys_and_sync_modes(tmp_path: Path, cloud: DeviceCloud) -> None:
    code, messages, _ = _run(tmp_path, "discover", config=with_token(cloud))

    assert code == 0
    streams = {stream["name"]: stream for stream in messages[-1]["catalog"]["streams"]}
    assert list(streams) == list(TABLES)
    for name, table in catalog.tables().items():
        assert streams[name]["source_defined_primary_key"] == [[key] for key in table.primary_key]
        assert streams[name]["json_schema"] == table.schema
        cursor = [table.cursor_field] if table.cursor_field else None
        assert streams[name].get("default_cursor_field") == cursor
        assert streams[name]["supported_sync_modes"] == ["full_refresh", *(["incremental"] if cursor else [])]


def test_read_writes_the_ledger(tmp_path: Path, cloud: DeviceCloud) -> None:
    code, messages, output = _run(tmp_path, "read", config=with_token(cloud), catalog=_catalog(*TABLES))

    assert code == 0
    for table in TABLES:
        found = [message["record"]["data"] for message in messages if message.get("record", {}).get("stream") == table]
        truth = [_without_top_level_nulls(record) for record in cloud.ledger.records(table)]
        key = catalog.table(table).primary_key
        assert sorted(found, key=lambda row: [row[name] for name in key]) == sorted(
            truth, key=lambda row: [row[name] for name in key]
        )
    assert cloud.token not in output


def test_a_read_that_fails_ends_with_exit_code_1_and_says_why(tmp_path: Path, cloud: DeviceCloud) -> None:
    config: Config = with_token(cloud, product_devices={"product_id_or_slug": "no-such-product"})

    code, messages, _ = _run(tmp_path, "read", config=config, catalog=_catalog("product_devices"))

    assert code == 1
    errors = [message["trace"]["error"]["message"] for message in messages if message.get("trace", {}).get("error")]
    assert any("The API knows no such thing (404)" in error for error in errors)


@pytest.mark.parametrize("content", ["{", "[]", '"text"'])
def test_a_configuration_that_is_no_object_is_an_error_in_words(tmp_path: Path, content: str) -> None:
    code, messages, _ = _run(tmp_path, "check", config=content)

    assert code == 1
    assert "config.json" in messages[-1]["trace"]["error"]["message"]


def test_a_configuration_that_breaks_the_spec_is_an_error_in_words(tmp_path: Path, cloud: DeviceCloud) -> None:
    config = with_token(cloud, num_workers=99)

    code, messages, _ = _run(tmp_path, "read", config=config, catalog=_catalog("user"))

    assert code == 1
    assert "99 is greater than the maximum of 32" in json.dumps(messages)
