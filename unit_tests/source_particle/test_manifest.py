"""What the manifest promises: names, keys, schemas and options."""

import copy
import re
from collections.abc import Callable, Iterator
from typing import Any

import jsonschema
import pytest
from airbyte_cdk.sources.declarative.concurrent_declarative_source import ConcurrentDeclarativeSource
from airbyte_cdk.sources.declarative.incremental import ConcurrentPerPartitionCursor
from airbyte_cdk.sources.streams.concurrent.cursor import FinalStateCursor

from source_particle import specification
from source_particle.source import SourceParticle
from unit_tests.support.built import BASE_URL, MANIFEST, config, retriever_of
from unit_tests.support.catalogs import catalog_of

Json = dict[str, Any]

# name: (key, options that have to be given to it, how it is read)
CONTRACT: dict[str, tuple[list[str], list[str], str]] = {
    "devices": (["id"], [], "snapshot"),
    "products": (["id"], [], "snapshot"),
    "sims": (["iccid"], [], "snapshot"),
    "user": (["username"], [], "snapshot"),
    "oauth_clients": (["id"], [], "snapshot"),
    "product_devices": (["product_id_or_slug", "id"], ["product_id_or_slug"], "snapshot"),
    "product_sims": (["product_id_or_slug", "iccid"], ["product_id_or_slug"], "snapshot"),
    "diagnostics": (["device_id", "updated_at"], ["device_id"], "append"),
    "sim_data_usage": (["iccid"], ["iccid"], "snapshot"),
    "fleet_data_usage": (["product_id_or_slug"], ["product_id_or_slug"], "snapshot"),
    "organizations": (["id"], [], "snapshot"),
    "product_firmware": (["product_id_or_slug", "version"], ["product_id_or_slug"], "snapshot"),
    "product_groups": (["product_id_or_slug", "name"], ["product_id_or_slug"], "snapshot"),
    "product_customers": (["product_id_or_slug", "id"], ["product_id_or_slug"], "snapshot"),
    "product_oauth_clients": (["product_id_or_slug", "id"], ["product_id_or_slug"], "snapshot"),
    "product_team": (["product_id_or_slug", "username"], ["product_id_or_slug"], "snapshot"),
    "organization_team": (["owner", "username"], [], "snapshot"),
    "integrations": (["id"], [], "snapshot"),
    "product_integrations": (["product_id_or_slug", "id"], ["product_id_or_slug"], "snapshot"),
    "product_locations": (["product_id_or_slug", "device_id"], ["product_id_or_slug"], "snapshot"),
    "ledgers": (["owner_type", "owner", "name"], [], "snapshot"),
    "ledger_instances": (["owner_type", "owner", "ledger", "scope_value"], [], "snapshot"),
    "service_agreements": (["id"], [], "snapshot"),
    "service_agreement_notifications": (["id"], [], "snapshot"),
    "logic_functions": (["id"], [], "snapshot"),
    "logic_runs": (["id"], [], "snapshot"),
    "device_configuration": (["product_id_or_slug", "device_id"], ["product_id_or_slug"], "snapshot"),
    "location_history": (["product_id_or_slug", "device_id", "timestamp"], ["product_id_or_slug"], "append"),
    "ledger_versions": (["owner_type", "owner", "ledger", "scope_value", "replaced_at"], [], "append"),
    **{
        f"metrics_{kind}": (["product_id_or_slug", "time"], ["product_id_or_slug"], "append")
        for kind in ("online", "events", "integrations", "functions", "variables")
    },
    "daily_data_usage": (["iccid", "date"], ["iccid"], "append"),
    "fleet_daily_data_usage": (["product_id_or_slug", "date"], ["product_id_or_slug"], "append"),
}
CURSORS = {
    "diagnostics": "updated_at",
    "location_history": "timestamp",
    "ledger_versions": "replaced_at",
    **{f"metrics_{kind}": "time" for kind in ("online", "events", "integrations", "functions", "variables")},
    "daily_data_usage": "date",
    "fleet_daily_data_usage": "date",
}
OPTIONS = {
    "product_devices": "product_id_or_slug groups device_name device_id serial_number sort_attr sort_dir "
    "per_page max_pages",
    "product_sims": "product_id_or_slug iccid device_id device_name per_page max_pages",
    "diagnostics": "device_id product_id_or_slug start_date end_date",
    "sim_data_usage": "iccid product_id_or_slug",
    **dict.fromkeys(
        (
            "fleet_data_usage",
            *(f"product_{kind}" for kind in ("firmware", "groups", "customers", "oauth_clients", "team")),
            "product_integrations",
            "product_locations",
        ),
        "product_id_or_slug",
    ),
    **dict.fromkeys(
        (
            "organization_team",
            "ledgers",
            "ledger_instances",
            "service_agreements",
            "service_agreement_notifications",
            "logic_functions",
            "logic_runs",
        ),
        "owner_type owner",
    ),
    "device_configuration": "product_id_or_slug device_id",
    "location_history": "product_id_or_slug start_date end_date",
    "ledger_versions": "owner_type owner start_date end_date",
    **{
        f"metrics_{kind}": "product_id_or_slug start_date end_date bucket_size "
        "device_group product_fw device_os_version"
        for kind in ("online", "events", "integrations", "functions", "variables")
    },
    "daily_data_usage": "iccid product_id_or_slug start_date end_date",
    "fleet_daily_data_usage": "product_id_or_slug start_date end_date",
}
HIDDEN = {
    "plan",
    "token_lifetime",
    "budget_seconds",
    "largest_reply_bytes",
    "longest_reply_seconds",
    "retry_wait_factor",
}
# Documented, but not in Airbyte's form: few need them there.
NOT_IN_THE_FORM = {
    "token_cache_file",
    *(f"{table}.{name}" for table in ("product_devices", "product_sims") for name in ("per_page", "max_pages")),
    *(f"product_devices.{name}" for name in ("sort_attr", "sort_dir")),
}
SECRETS = {"mobile_secret", "secret", "client_secret"}
JSON_TYPES = {"null", "string", "integer", "number", "boolean", "object", "array"}

SOURCE = SourceParticle(config())
CATALOG = {stream["name"]: stream for stream in SOURCE.resolved_manifest["streams"] if "name" in stream}
SCHEMAS: dict[str, Json] = {name: stream["schema_loader"]["schema"] for name, stream in CATALOG.items()}
FORM: Json = MANIFEST["spec"]["connection_specification"]
SPEC: Json = dict(specification())
VALIDATOR = jsonschema.Draft7Validator(SPEC)


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


# ---- options ----


def properties_of(schema: Json, path: str = "") -> Iterator[tuple[str, Json]]:
    for name, child in schema.get("properties", {}).items():
        yield f"{path}{name}", child
        for branch in [child, *child.get("oneOf", ())]:
            yield from properties_of(branch, f"{path}{name}.")


EVERY_OPTION = dict(properties_of(SPEC))


def test_the_options_are_the_documented_ones() -> None:
    tables = {name: " ".join(SPEC["properties"][name]["properties"]) for name in SPEC["properties"] if name in CONTRACT}
    own = {"diagnostics": {"lookback_seconds"}}
    assert {name: set(options.split()) for name, options in tables.items()} == {
        name: set(options.split()) | own.get(name, set()) for name, options in OPTIONS.items()
    }
    for name, (_, required, _) in CONTRACT.items():
        assert set(required) <= set(OPTIONS.get(name, "").split())


def test_what_is_secret_is_marked_so() -> None:
    secret = {path for path, option in EVERY_OPTION.items() if option.get("airbyte_secret")}
    assert secret == {"credentials.access_token", "credentials.password", "plan.access_token"}
    words = ("secret", "password", "token")
    suspicious = {path for path, it in EVERY_OPTION.items() if any(word in path.rpartition(".")[2] for word in words)}
    assert suspicious - secret == {"token_cache_file", "token_lifetime"}


def test_a_stream_that_is_told_where_to_start_keeps_no_cursors() -> None:
    planned = config(plan={"start": "2026-01-31T00:00:00.000Z"})
    for given, cursor in ((planned, FinalStateCursor), (config(), ConcurrentPerPartitionCursor)):
        [stream] = SourceParticle(given, tables=["diagnostics"]).streams(given)
        assert type(stream.cursor) is cursor


def test_what_is_not_for_people_is_hidden() -> None:
    hidden = {path: option for path, option in EVERY_OPTION.items() if option.get("airbyte_hidden")}
    assert {path for path, option in hidden.items() if not option.get("x-documented")} == HIDDEN
    assert {path for path, option in hidden.items() if option.get("x-documented")} == NOT_IN_THE_FORM


def test_airbyte_is_told_of_no_option_that_a_user_cannot_use_there() -> None:
    hidden = {path for path, option in properties_of(FORM) if option.get("airbyte_hidden")}
    assert hidden == NOT_IN_THE_FORM - {"token_cache_file"}


def test_what_people_see_has_a_title_a_description_and_a_place() -> None:
    for path, option in EVERY_OPTION.items():
        if "const" not in option:
            assert option["title"], path
            assert option["description"].endswith("."), path
        # Airbyte's form shows it beside the field and in the error, where else the pattern itself would stand.
        assert ("pattern" in option) == ("pattern_descriptor" in option), path
        if not option.get("airbyte_hidden") and not path.startswith("plan"):
            orders = [part["order"] for part in option.get("properties", {}).values()]
            assert len(set(orders)) == len(orders), path
            chosen = {"default", "enum", "const", "properties", "oneOf", "examples", "airbyte_secret"}
            assert chosen & option.keys(), f"{path} has no example"
    shown = [option for name, option in SPEC["properties"].items() if "order" in option]
    assert [option["order"] for option in shown] == list(range(len(shown)))


def is_valid(**changes: Any) -> bool:
    return bool(VALIDATOR.is_valid({**config(), **changes}))


@pytest.mark.parametrize(
    ("credentials", "valid"),
    [
        ({"auth_type": "access_token", "access_token": "x"}, True),
        ({"auth_type": "password", "username": "user@example.com", "password": " "}, True),
        ({"auth_type": "access_token", "access_token": ""}, False),
        ({"auth_type": "access_token", "username": "x", "password": "x"}, False),
        ({"auth_type": "password", "username": "x"}, False),
        ({"auth_type": "password", "username": "x", "password": ""}, False),
        ({"auth_type": "oauth", "access_token": "x"}, False),
        ({"access_token": "x"}, False),
        ({}, False),
        (None, False),
    ],
    ids=str,
)
def test_credentials_are_of_one_kind_and_whole(credentials: Any, valid: bool) -> None:
    assert is_valid(credentials=credentials) is valid


@pytest.mark.parametrize(
    ("url", "valid"),
    [
        ("https://api.particle.io", True),
        ("https://api.particle.io/", True),
        ("https://api.example.com:8443", True),
        ("http://localhost", True),
        ("http://localhost:8080/", True),
        ("http://127.0.0.1:1", True),
        ("http://[::1]:8080", True),
        ("http://api.particle.io", False),
        ("http://localhost.example.com", False),
        ("http://127.0.0.1.example.com", False),
        ("http://127.0.0.1@example.com", False),
        ("http://localhost:8080@example.com", False),
        ("https://user@example.com", False),
        ("https://example.com/path", False),
        ("https://example.com?x", False),
        ("https://example.com#x", False),
        ("https://", False),
        ("https://a b", False),
        ("ftp://example.com", False),
        ("api.particle.io", False),
        ("", False),
    ],
)
def test_nothing_secret_goes_over_an_open_line(url: str, valid: bool) -> None:
    assert is_valid(base_url=url) is valid


NAMES = [(table, "product_id_or_slug") for table in OPTIONS if "product_id_or_slug" in OPTIONS[table]] + [
    ("ledgers", "owner"),
    ("diagnostics", "device_id"),
    ("sim_data_usage", "iccid"),
]


@pytest.mark.parametrize(("table", "option"), NAMES)
def test_names_are_one_several_or_all(table: str, option: str) -> None:
    good: list[Any] = ["*", "12857", "my-product", "a,b", "a , b,c", "8934076500002589174", "ä"]
    bad: list[Any] = [
        "",
        " ",
        ",",
        "a,",
        ",a",
        "a,,b",
        "a b",
        "a/b",
        "../user",
        "a?b",
        "a#b",
        "a%2e",
        "a\\b",
        7,
        None,
        [],
    ]
    assert [value for value in good + bad if is_valid(**{table: {option: value}})] == good


@pytest.mark.parametrize("option", ["start_date", "end_date"])
def test_dates_are_iso_8601(option: str) -> None:
    good: list[Any] = [
        "2026-01-31",
        "2026-01-31T00:00",
        "2026-01-31T00:00:00",
        "2026-01-31T00:00:00Z",
        "2026-01-31T00:00:00.123Z",
        "2026-01-31T00:00:00+02:00",
    ]
    bad: list[Any] = ["", "today", "31.01.2026", "2026-1-31", "2026-01-31 00:00:00", "2026-01-31T00", 1769817600, None]
    assert [value for value in good + bad if is_valid(diagnostics={option: value})] == good


@pytest.mark.parametrize(
    ("option", "good", "bad"),
    [
        ("num_workers", [2, 32], [1, 33, "8", 2.5]),
        ("requests_per_5_minutes", [1, 10**6], [0, -1, "10000"]),
        ("token_lifetime", [0, 1], [-1, "1"]),
        ("budget_seconds", [0.5, 300], [0, -1, "1"]),
        ("longest_reply_seconds", [0.5, 600], [0, -1, "1"]),
        ("largest_reply_bytes", [1, 1_000_000], [0, -1, "1", 0.5]),
        ("retry_wait_factor", [0, 0.5, 1], [-1, "1"]),
        ("token_cache_file", ["/tmp/x"], ["", 1]),
        ("product_devices.per_page", [1, 100], [0, 101, "100"]),
        ("product_devices.max_pages", [1, 10**6], [0, -1, "1"]),
        ("product_devices.sort_attr", ["deviceName", "deviceId", "firmwareVersion", "lastConnection"], ["name", ""]),
        ("product_devices.sort_dir", ["asc", "desc"], ["ASC", ""]),
        ("product_devices.groups", ["a,b"], [""]),
        ("product_sims.per_page", [1, 100], [0, 101]),
        ("product_sims.max_pages", [1], [0]),
    ],
)
def test_numbers_and_choices_have_limits(option: str, good: list[Any], bad: list[Any]) -> None:
    def valid(value: Any) -> bool:
        table, _, name = option.rpartition(".")
        return is_valid(**({table: {name: value}} if table else {name: value}))

    assert [valid(value) for value in good] == [True] * len(good)
    assert [valid(value) for value in bad] == [False] * len(bad)


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ({}, BASE_URL),
        ({"base_url": ""}, BASE_URL),
        ({"base_url": "https://api.particle.io/"}, BASE_URL),
        ({"base_url": "http://127.0.0.1:8080/"}, "http://127.0.0.1:8080"),
        ({"base_url": "https://api.example.com"}, "https://api.example.com"),
    ],
    ids=str,
)
def test_the_address_of_the_api_is_filled_in_and_has_no_slash_at_its_end(given: Json, used: str) -> None:
    plain = {name: value for name, value in config().items() if name != "base_url"}
    source = SourceParticle({**plain, **given}, tables=["devices"])
    streams: list[Any] = list(source.streams({**plain, **given}))
    requester = retriever_of(streams[0]).requester
    assert requester.get_url(stream_state=None, stream_slice=None, next_page_token=None) == f"{used}/v1/devices"


@pytest.mark.parametrize("change", [{"base_url": "https://api.particle.io\n"}, {"diagnostics": {"device_id": "a\n"}}])
def test_a_line_break_at_the_end_is_no_part_of_a_value(change: dict[str, object]) -> None:
    assert not is_valid(**change)
