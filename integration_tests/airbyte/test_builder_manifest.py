"""The manifest for the Connector Builder reads its tables, run as the Builder runs what is pasted into it."""

import copy
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest

from bridge.tables import catalog
from docs.submission_rules import parsed_text
from integration_tests.airbyte.command import Command, catalog_file, differing, python_command
from integration_tests.device_cloud import DeviceCloud, Fault, Fleet, FleetSize, Switches
from integration_tests.device_cloud.documented import documented
from integration_tests.device_cloud.faults import HTML
from source_particle import manifest, specification
from unit_tests.support.paths import ROOT

FILE = ROOT / "docs" / "airbyte" / "builder-manifest.yaml"
RUN = (
    "from airbyte_cdk.cli.source_declarative_manifest import _run; import sys; "
    "_run.handle_remote_manifest_command(sys.argv[1:])"
)
# Without the samples, among which is the form of SIM usage that the file says it cannot read.
SIZE = FleetSize(products=2, devices=25, sims=12, user_devices=5, user_sims=3, samples=False)


def written() -> dict[str, Any]:
    document: dict[str, Any] = copy.deepcopy(parsed_text(FILE.read_text("utf-8")))
    return document


@pytest.fixture
def source(tmp_path: Path) -> Command:
    """The CDK's command for a manifest that comes with the configuration; no code is enabled."""
    return python_command(tmp_path, tmp_path, RUN)


TABLES = tuple(stream["$ref"].rpartition("/")[2] for stream in written()["streams"])


def config(cloud: DeviceCloud, document: Any) -> dict[str, Any]:
    return {"access_token": cloud.token, "base_url": cloud.url, "__injected_declarative_manifest": document}


def custom_parts(document: Any) -> list[str]:
    """Find what needs code of ours."""
    if isinstance(document, dict):
        found = [str(value) for key, value in document.items() if key == "class_name" or _is_custom(key, value)]
        return [*found, *(part for value in document.values() for part in custom_parts(value))]
    return [part for item in document for part in custom_parts(item)] if isinstance(document, list) else []


def _is_custom(key: str, value: Any) -> bool:
    return key == "type" and isinstance(value, str) and value.startswith("Custom")


def test_it_holds_standard_components_only() -> None:
    assert custom_parts(written()) == []
    assert "source_particle.components.FleetRouter" in custom_parts(manifest())


def _messages(document: Any) -> list[str]:
    if isinstance(document, dict):
        own = [document["error_message"]] if isinstance(document.get("error_message"), str) else []
        return [*own, *(message for value in document.values() for message in _messages(value))]
    return [message for item in document for message in _messages(item)] if isinstance(document, list) else []


def test_no_error_speaks_of_an_option_that_is_not_there() -> None:
    options = specification()["properties"].keys()
    own = written()["spec"]["connection_specification"]["properties"].keys()
    named = re.compile("|".join([*(options - own), "named in the"]))
    assert [message for message in _messages(written()) if named.search(message)] == []
    assert [message for message in _messages(manifest()) if named.search(message)]


@pytest.mark.slow
def test_the_connectors_own_manifest_is_refused_where_no_code_may_run(source: Command, cloud: DeviceCloud) -> None:
    done = source.run("discover", config=config(cloud, json.loads(json.dumps(manifest()))))
    assert done.code == 1
    assert "custom" in done.errors.lower() + done.stderr.lower()


def test_it_has_the_documented_tables_and_some_more_with_their_keys_and_schemas(
    source: Command, cloud: DeviceCloud
) -> None:
    done = source.run("discover", config=config(cloud, written()))
    assert done.code == 0, done.errors
    [found] = done.parts("catalog")
    streams = {stream.name: stream for stream in found.streams}
    assert list(streams) == list(TABLES)
    assert list(TABLES[:10]) == list(catalog.tables())[:10]
    assert not any(catalog.table(name).on_request for name in TABLES)
    for name in TABLES:
        table = catalog.table(name)
        assert streams[name].source_defined_primary_key == [[key] for key in table.primary_key]
        assert streams[name].json_schema == table.schema
        assert streams[name].default_cursor_field == ([table.cursor_field] if table.cursor_field else None)


@pytest.mark.slow
def test_check_tells_a_good_token_from_a_bad_one(source: Command, cloud: DeviceCloud) -> None:
    good = config(cloud, written())
    for settings, status in ((good, "SUCCEEDED"), ({**good, "access_token": "mistyped-token"}, "FAILED")):
        done = source.run("check", config=settings)
        [answer] = done.parts("connectionStatus")
        assert (done.code, answer.status.value) == (0, status)
    assert "The access token was refused" in answer.message


def _as_object(body: bytes) -> bytes:
    return b'{"usage_by_day":%s}' % body if body.startswith(b"[") else body


def _merged(table: str, records: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return one record for each key, the first product's before the user's own, with documented values."""
    key = catalog.table(table).primary_key
    ordered = sorted(records, key=lambda record: -int(record.get("product_id_or_slug") or 10**9))
    merged = {tuple(record[name] for name in key): documented(table, record) for record in ordered}
    return list(merged.values())


def test_it_reads_the_ledger_and_then_what_is_new(source: Command) -> None:
    """In pages that the server cuts short."""
    with DeviceCloud(Fleet.seeded(SIZE), Switches(per_page_cap=10)) as cloud:
        # The form of SIM usage that the file says it cannot read.
        for path in ("/v1/products/:p/sims/:iccid/data_usage", "/v1/sims/:iccid/data_usage"):
            cloud.faults.add(Fault(f"GET {path}", times=None, change=_as_object))
        given = config(cloud, written())
        first = source.run("read", config=given, catalog=catalog_file(*TABLES, incremental=["diagnostics"]))
        assert first.code == 0, first.errors
        assert differing(cloud, {table: _merged(table, first.records[table]) for table in TABLES}, TABLES) == []
        assert cloud.token not in first.stdout + first.stderr
        assert "mobile_secret" not in first.stdout

        device = next(key for key in cloud.fleet.rows("devices") if cloud.fleet.vitals(key))
        new = cloud.fleet.add_vitals(device)
        vitals = catalog_file("diagnostics", incremental=["diagnostics"])
        second = source.run("read", config=given, catalog=vitals, state=first.state)
        assert second.code == 0, second.errors
        read_now = [record for record in second.records["diagnostics"] if record not in first.records["diagnostics"]]
        assert [(record["device_id"], record["updated_at"]) for record in read_now] == [(device, new["updated_at"])]
        assert len(second.records["diagnostics"]) < len(first.records["diagnostics"])


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param({"status": 500}, id="500", marks=pytest.mark.slow),
        pytest.param({"body": HTML}, id="HTML", marks=pytest.mark.slow),
        pytest.param({"body": "{}"}, id="an empty object"),
    ],
)
def test_no_stream_ends_well_with_fewer_rows(fault: dict[str, Any], source: Command, cloud: DeviceCloud) -> None:
    document = written()
    for stream in document["definitions"]["streams"].values():
        stream["retriever"]["requester"]["error_handler"]["max_retries"] = 0
    cloud.faults.add(Fault("*", times=None, **fault))
    done = source.run("read", config=config(cloud, document), catalog=catalog_file(*TABLES[:10]))
    assert done.code == 1
    statuses = {
        trace.stream_status.stream_descriptor.name: trace.stream_status.status.value
        for trace in done.parts("trace")
        if trace.stream_status
    }
    assert statuses == dict.fromkeys(TABLES[:10], "INCOMPLETE")
    assert done.records == {}
