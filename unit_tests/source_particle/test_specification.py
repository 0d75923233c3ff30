"""What the specification of a configuration promises: its options, their limits, and what Airbyte's form shows."""

from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest

from source_particle import specification
from source_particle.source import SourceParticle
from unit_tests.support.built import BASE_URL, MANIFEST, config, retriever_of
from unit_tests.support.contract import CONTRACT, OPTIONS

Json = dict[str, Any]

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
FORM: Json = MANIFEST["spec"]["connection_specification"]
SPEC: Json = dict(specification())
VALIDATOR = jsonschema.Draft7Validator(SPEC)


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
