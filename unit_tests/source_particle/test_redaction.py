"""What is masked because its name looks like a secret, and what is not."""

import json
import logging
import subprocess
import sys
from copy import deepcopy
from typing import Any

import pytest

from source_particle import manifest
from source_particle.redaction import REDACTED, SECRET_NAME, known_names, redact, scrubbed, visible, withhold_from_log

SCHEMA = {
    "properties": {
        "id": {"type": "string"},
        "no_password": {"type": "boolean"},
        "team": {"type": "object", "properties": {"name": {}, "token_count": {}}},
        "list": {"type": "array", "items": {"type": "object", "properties": {"name": {}}}},
        "map": {"type": "object", "additionalProperties": {"type": "string"}},
    }
}


def redacted(record: dict[str, Any]) -> dict[str, Any]:
    redact([record], known_names(SCHEMA))
    return record


@pytest.mark.parametrize(
    "name",
    ["secret", "client_secret", "mobileSecret", "access_token", "refreshToken", "TOKEN", "password", "wifi_passwd",
     "passphrase", "credentials", "Authorization", "api_key", "apiKey", "x-api-key", "private_key", "accessKey"],
)  # fmt: skip
@pytest.mark.parametrize("value", ["x", "", 5, 1.5, ["x"], {"a": "x"}, []])
def test_an_unknown_field_with_a_secret_name_keeps_its_name_alone(name: str, value: Any) -> None:
    assert redacted({"id": "1", name: value}) == {"id": "1", name: REDACTED}
    for place in ("team", "unknown", "id", "map"):
        assert redacted({place: {name: value}}) == {place: {name: REDACTED}}
    for place in ("list", "unknown", "id"):
        assert redacted({place: [{"name": "a"}, [{name: value}]]}) == {place: [{"name": "a"}, [{name: REDACTED}]]}


@pytest.mark.parametrize(
    "record",
    [
        {"no_password": True, "team": {"token_count": 5}},
        {"keyboard": "a", "key": "a", "author": "a", "pass": "a", "passed": 1, "monkey": "a", "pin": 1},
        {"has_password": False, "token": None},
        {"unknown": {"deep": [[{"a": None}], "token"]}},
        {},
    ],
)
def test_known_fields_other_names_null_and_booleans_stay(record: dict[str, Any]) -> None:
    assert redacted(dict(record)) == record


def test_depth_does_not_matter() -> None:
    deep: Any = {"secret": "x"}
    for _ in range(5_000):
        deep = {"a": [deep]}
    found = redacted(deep)
    for _ in range(5_000):
        found = found["a"][0]
    assert found == {"secret": REDACTED}


def test_records_are_looked_at_together_and_changed_each() -> None:
    records: list[dict[str, Any]] = [
        {"id": "1", "token": "x"},
        {"id": {"token": "x"}},
        {"id": "2", "list": [{"name": "a"}, {"secret": "x"}], "token": None},
        {"id": "3", "map": {f"key_{number}": "a" for number in range(50)}},
        {"id": "4", "map": {**{f"other_{number}": "a" for number in range(50)}, "password": "x"}},
        *({"id": str(number), "map": {f"one_{number}": {"token": "x"}}} for number in range(20)),
    ]
    alone = [redacted(deepcopy(record)) for record in records]
    redact(records, known_names(SCHEMA))
    assert records == alone
    assert json.dumps(records).count(REDACTED) == 24


def test_no_column_of_a_table_is_named_like_a_secret_but_the_one_that_says_whether_there_is_one() -> None:
    def names(known: Any, path: str) -> list[str]:
        return [
            found
            for name, inner in known.items()
            for found in [*([f"{path}.{name}"] if SECRET_NAME.search(name) else []), *names(inner, f"{path}.{name}")]
        ]

    assert [name for table, schema in manifest()["schemas"].items() for name in names(known_names(schema), table)] == [
        "user.no_password",
        "product_team.no_password",
        "organization_team.no_password",
    ]


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("https://host/v1/devices?access_token=abc&page=1", "https://host/v1/devices?access_token=****&page=1"),
        ('{"client_secret": "abc", "id": "1"}', '{"client_secret": "****", "id": "1"}'),
        ("password: hunter2, again", "password: ****, again"),
        ("got Authorization: Bearer 0123456789abcdef0123", "got Authorization: Bearer ****"),
        ("got bearer 0123456789abcdef0123", "got bearer ****"),
        ("unknown " + "0a" * 20, "unknown ****"),
        ("device " + "0a" * 12, "device " + "0a" * 12),
        ("The access token was not found", "The access token was not found"),
        ("Invalid bearer token", "Invalid bearer token"),
        ("basic authentication failed", "basic authentication failed"),
    ],
)
def test_a_text_is_scrubbed_of_what_looks_like_a_secret(text: str, kept: str) -> None:
    assert scrubbed(text) == kept


def test_of_requests_and_replies_a_log_keeps_what_is_no_secret() -> None:
    record = logging.makeLogRecord({"msg": "Receiving", "headers": {"A": "b"}, "body": "c", "request_body": None})
    assert withhold_from_log(record)
    assert (record.msg, vars(record)["headers"], vars(record)["body"]) == ("Receiving", REDACTED, REDACTED)
    assert vars(record)["request_body"] is None


def test_types_of_cloud_variables_are_no_secrets() -> None:
    records = [{"variables": {"tokenCount": "int32", "apiToken": "string", "password": "hunter2"}}]
    redact(records, {"variables": {}})
    assert records == [{"variables": {"tokenCount": "int32", "apiToken": "string", "password": REDACTED}}]


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ('{"password": "two words, \'one\' mark"}', '{"password": "****"}'),
        (r'"{\"password\": \"two words\", \"id\": 1}"', r'"{\"password\": \"****\", \"id\": 1}"'),
        ("a=token=abc", "a=token=****"),
        ("next=%2Fv1%3Faccess_token%3Dabc&x=1", "next=%2Fv1%3Faccess_token%3D****&x=1"),
        ("token: 'cut in the mid", "token: '****"),
    ],
)
def test_a_secret_in_a_text_is_withheld_as_a_whole(text: str, kept: str) -> None:
    assert scrubbed(text) == kept


@pytest.mark.parametrize(
    "part", ["token", "token ", 'token="', "token=\\", "token=a&", "bearer ", "x.", "0a", "\\\"'", " ", "\\", "="]
)
def test_no_text_takes_longer_than_in_proportion_to_its_length(part: str) -> None:
    # Looking at it again from each of its characters would take hours; a process of its own can be ended.
    text = f"{part!r} * {300_000 // len(part)} + 'g'"
    script = f"from source_particle.redaction import scrubbed; scrubbed({text})"
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a näme 😀", "a näme 😀"),
        ("a\nb\r\nc\td", r"a\nb\r\nc\td"),
        ("\x1b[31mred\x07", r"\x1b[31mred\x07"),
        ("\u202eright\u200bzero\u2028", r"\u202eright\u200bzero\u2028"),
    ],
)
def test_what_a_terminal_would_obey_is_spelled_out(text: str, shown: str) -> None:
    assert visible(text) == shown
