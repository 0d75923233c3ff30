"""What the manifest promises: names, keys, cursors and schemas."""

import copy
import logging
import re
from collections.abc import Callable, Iterator
from typing import Any

import jsonschema
import pytest
from airbyte_cdk.sources.declarative.concurrent_declarative_source import ConcurrentDeclarativeSource
from airbyte_cdk.sources.declarative.incremental import ConcurrentPerPartitionCursor
from airbyte_cdk.sources.streams.concurrent.cursor import FinalStateCursor

from source_particle.source import SourceParticle
from unit_tests.support.built import MANIFEST, config
from unit_tests.support.catalogs import catalog_of
from unit_tests.support.contract import CONTRACT, OPTIONS

Json = dict[str, Any]

CURSORS = {
    "diagnostics": "updated_at",
    "location_history": "timestamp",
    "ledger_versions": "replaced_at",
    **{f"metrics_{kind}": "time" for kind in ("online", "events", "integrations", "functions", "variables")},
    "daily_data_usage": "date",
    "fleet_daily_data_usage": "date",
}
SECRETS = {"mobile_secret", "secret", "client_secret"}
JSON_TYPES = {"null", "string", "integer", "number", "boolean", "object", "array"}

SOURCE = SourceParticle(config())
CATALOG = {stream["name"]: stream for stream in SOURCE.resolved_manifest["streams"] if "name" in stream}
SCHEMAS: dict[str, Json] = {name: stream["schema_loader"]["schema"] for name, stream in CATALOG.items()}


# ---- streams ----


def as_list(value: Any) -> list[str]:
    return value if isinstance(value, list) else [value]


def test_the_manifest_is_what_the_cdk_takes_for_one() -> None:
    ConcurrentDeclarativeSource(source_config=copy.deepcopy(MANIFEST))


def test_a_manifest_that_lacks_a_part_would_be_refused() -> None:
    broken = copy.deepcopy(MANIFEST)
    del broken["streams"][0]["retriever"]
    with pytest.raises(jsonschema.ValidationError):
        ConcurrentDeclarativeSource(source_config=broken)


def names_of(source: SourceParticle) -> list[str]:
    return [stream.name for stream in source.streams(config())]


def test_only_the_streams_that_are_read_are_built() -> None:
    assert names_of(SourceParticle(config(), catalog=catalog_of("user", "diagnostics"))) == ["user", "diagnostics"]
    assert names_of(SourceParticle(config(), tables=["sims"])) == ["sims"]
    clock = SourceParticle(config(plan={"clock": True}), tables=["access_token"])
    assert names_of(clock) == ["access_token"]


def test_discover_describes_the_streams_as_they_would_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("source_particle.source._unserved", lambda _config: {})
    logger = logging.getLogger("airbyte")
    assert SourceParticle(config()).discover(logger, config()) == ConcurrentDeclarativeSource.discover(
        SOURCE, logger, config()
    )


def test_the_tables_and_their_keys_are_the_documented_ones() -> None:
    streams = {stream.name: stream for stream in SOURCE.streams(config())}
    assert streams.keys() == CONTRACT.keys()
    for name, (key, required, ingestion) in CONTRACT.items():
        assert as_list(CATALOG[name]["primary_key"]) == key
        assert SCHEMAS[name].get("x-required-options", []) == required
        assert SCHEMAS[name]["x-ingestion-type"] == ingestion
        assert set(key) <= SCHEMAS[name]["properties"].keys()


def test_each_table_that_grows_has_a_cursor_and_it_is_a_field_of_the_table() -> None:
    cursors = {
        name: as_["incremental_sync"]["cursor_field"] for name, as_ in CATALOG.items() if "incremental_sync" in as_
    }
    assert cursors == CURSORS
    assert {name for name, (_, _, ingestion) in CONTRACT.items() if ingestion == "append"} == CURSORS.keys()
    for name, cursor in CURSORS.items():
        assert SCHEMAS[name]["properties"][cursor]["format"] == ("date" if cursor == "date" else "date-time")


def test_a_table_that_fans_out_takes_its_options_from_the_object_of_its_name() -> None:
    for name, stream in CATALOG.items():
        router = stream["retriever"].get("partition_router", {"table": name})
        assert router["table"] == name
        assert stream["retriever"].get("options", name) == name


def test_every_option_that_becomes_a_parameter_is_an_option_of_the_table() -> None:
    for name, stream in CATALOG.items():
        parameters = stream["retriever"].get("requester", {}).get("request_parameters", {})
        used = set(re.findall(r"config\['(\w+)'\]\['(\w+)'\]", " ".join(parameters.values())))
        assert used <= {(name, option) for option in OPTIONS.get(name, "").split()}
        assert len(used) >= 3 or name not in ("product_devices", "product_sims")


def test_checking_reads_one_stream_that_exists_only_then() -> None:
    checking = config(plan={"checking": True})
    streams = {stream.name for stream in SourceParticle(checking).streams(checking)}
    assert streams - CONTRACT.keys() == set(MANIFEST["check"]["stream_names"]) == {"access_token"}
    assert MANIFEST["check"]["config_overrides"] == {"plan": {"checking": True}}


def test_a_stream_that_is_told_where_to_start_keeps_no_cursors() -> None:
    planned = config(plan={"start": "2026-01-31T00:00:00.000Z"})
    for given, cursor in ((planned, FinalStateCursor), (config(), ConcurrentPerPartitionCursor)):
        [stream] = SourceParticle(given, tables=["diagnostics"]).streams(given)
        assert type(stream.cursor) is cursor


# ---- schemas ----


def faults_in(schema: Json) -> Iterator[str]:
    """What is wrong with a table's schema."""
    yield from (f"no {key}" for key in ("description", "x-endpoint", "x-ingestion-type") if not schema.get(key))
    yield from (
        f"x-ingestion-type {kind}" for kind in [schema.get("x-ingestion-type")] if kind not in ("snapshot", "append")
    )
    if schema.get("type") != "object" or schema.get("additionalProperties") is not True:
        yield "not an open object"
    yield from faults_below(schema, "")


def faults_below(node: Json, path: str) -> Iterator[str]:
    yield from (f"{path}: {word}" for word in ("oneOf", "anyOf", "allOf", "not", "enum", "const") if word in node)
    if node.get("additionalProperties") is False:
        yield f"{path}: closed"
    for name, child in node.get("properties", {}).items():
        yield from faults_of(child, f"{path}.{name}")
        if name in SECRETS:
            yield f"{path}.{name}: a secret"
        if not str(child.get("description", "")).endswith("."):
            yield f"{path}.{name}: no description in whole sentences"
    for name in ("items", "additionalProperties"):
        if isinstance(node.get(name), dict):
            yield from faults_of(node[name], f"{path}.{name}")


def faults_of(node: Json, path: str) -> Iterator[str]:
    kinds = node.get("type")
    if not isinstance(kinds, list) or kinds[0] != "null" or len(kinds) < 2 or not set(kinds) <= JSON_TYPES:
        yield f"{path}: type {kinds}"
    yield from faults_below(node, path)


@pytest.mark.parametrize("table", SCHEMAS)
def test_a_schema_is_open_nullable_and_described_at_every_depth(table: str) -> None:
    assert list(faults_in(SCHEMAS[table])) == []


@pytest.mark.parametrize(
    ("violate", "fault"),
    [
        (lambda schema: schema.pop("description"), "no description"),
        (lambda schema: schema.update({"x-ingestion-type": "merge"}), "x-ingestion-type merge"),
        (lambda schema: schema.update({"additionalProperties": False}), "not an open object"),
        (lambda schema: schema["properties"].update(id={"type": "string", "description": "Id."}), ".id: type string"),
        (lambda schema: schema["properties"]["id"].update(type=["string"]), ".id: type ['string']"),
        (lambda schema: schema["properties"]["id"].pop("description"), ".id: no description in whole sentences"),
        (lambda schema: schema["properties"]["id"].update(oneOf=[]), ".id: oneOf"),
        (lambda schema: schema["properties"]["network"].update(allOf=[]), ".network: allOf"),
        (lambda schema: schema["properties"]["network"].update(additionalProperties=False), ".network: closed"),
        (
            lambda schema: schema["properties"]["network"]["properties"]["role"].update({"not": {}}),
            ".network.role: not",
        ),
        (lambda schema: schema["properties"]["groups"]["items"].update(anyOf=[]), ".groups.items: anyOf"),
        (
            lambda schema: schema["properties"]["variables"]["additionalProperties"].update(type="string"),
            ".variables.additionalProperties: type string",
        ),
        (
            lambda schema: schema["properties"].update(
                mobile_secret={"type": ["null", "string"], "description": "The secret."}
            ),
            ".mobile_secret: a secret",
        ),
    ],
)
def test_each_fault_of_a_schema_would_be_seen(violate: Callable[[Json], Any], fault: str) -> None:
    schema = copy.deepcopy(SCHEMAS["devices"])
    violate(schema)
    assert fault in list(faults_in(schema))


def test_secrets_are_removed_from_the_tables_that_are_sent_them() -> None:
    removed = {
        name: {field for step in stream.get("transformations", ()) for field in step.get("removed", ())}
        for name, stream in CATALOG.items()
    }
    assert removed["devices"] == removed["product_devices"] == {"mobile_secret"}
    assert removed["oauth_clients"] == {"secret", "client_secret"}
