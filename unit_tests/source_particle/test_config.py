"""Configurations that users write: unset fields, errors, and no secrets in messages."""

from typing import Any

import pytest

from source_particle.config import cleaned, expected, is_date, problems, shown
from source_particle.masking import keep_secret

TOKEN = {"auth_type": "access_token", "access_token": "a-token"}
PASSWORD = {"auth_type": "password", "username": "user@example.com", "password": " a password "}
# Characters that each way of quoting changes.
SECRET = "h0t\\'\"\nä"


def said(config: dict[str, Any]) -> str:
    return "\n".join(problems(cleaned(config)))


@pytest.mark.parametrize("unset", ["", None, {}])
def test_a_cleared_field_is_unset_wherever_it_is(unset: Any) -> None:
    config = {
        "credentials": {**TOKEN, "username": unset, "password": unset},
        "diagnostics": {"start_date": unset, "device_id": "*"},
        "product_devices": {"groups": unset},
        "num_workers": unset,
        "base_url": unset,
        "plan": unset,
    }
    assert cleaned(config) == {"credentials": TOKEN, "diagnostics": {"device_id": "*"}}
    assert said(config) == ""


def test_what_is_false_or_zero_is_not_unset() -> None:
    config = {"credentials": TOKEN, "retry_wait_factor": 0, "plan": {"part": 0, "checking": False, "only": {"a": []}}}
    assert cleaned(config) == config


def test_8_0_is_8() -> None:
    config = cleaned({"credentials": TOKEN, "num_workers": 8.0, "product_devices": {"per_page": 50.0}})
    assert (config["num_workers"], config["product_devices"]["per_page"]) == (8, 50)
    assert type(config["num_workers"]) is type(config["product_devices"]["per_page"]) is int
    assert cleaned({"retry_wait_factor": 0.5}) == {"retry_wait_factor": 0.5}


@pytest.mark.parametrize("around", ["\n", "\r\n", " ", "\t", "\u200b", "\ufeff", "\u00a0", "\u2028 \n"])
def test_a_token_and_a_user_name_lose_what_copying_adds_around_them(around: str) -> None:
    for credentials, name in ((TOKEN, "access_token"), (PASSWORD, "username")):
        padded = {**credentials, name: f"{around}{credentials[name]}{around}"}
        assert cleaned({"credentials": padded}) == {"credentials": credentials}
    assert said({"credentials": {**TOKEN, "access_token": around}}).startswith("credentials.access_token: missing")


@pytest.mark.parametrize("inside", ["\n", "\r\n", " ", "\u200b", "\u2019", "ä", "\x00", "\ud800"])
def test_a_token_that_no_header_carries_is_refused_and_not_quoted(inside: str) -> None:
    [problem] = problems(cleaned({"credentials": {**TOKEN, "access_token": f"s3cr{inside}3t"}}))
    assert problem.startswith(
        f"credentials.access_token: the access token contains an invalid character, U+{ord(inside[0]):04X} at"
    )
    assert "s3cr" not in problem
    assert "3t" not in problem


@pytest.mark.parametrize("inside", ["\n", "\r", "\x00", "\ud800"])
@pytest.mark.parametrize("name", ["username", "password"])
def test_a_password_that_nobody_can_type_is_refused_and_not_quoted(name: str, inside: str) -> None:
    [problem] = problems(cleaned({"credentials": {**PASSWORD, name: f"s3cr{inside}3t"}}))
    assert problem.startswith(f"credentials.{name}: the {name} contains a line break")
    assert "s3cr" not in problem


@pytest.mark.parametrize(
    "credentials",
    [
        SECRET,
        [SECRET],
        [[{"a": SECRET}]],
        {"auth_type": SECRET},
        {"auth_type": [SECRET]},
        {"auth_type": "client", "client_id": "a", "client_secret": SECRET},
        {"username": "a", "password": SECRET},
        {"auth_type": "password", "password": SECRET},
        {"auth_type": "password", "username": [SECRET], "password": {"a": SECRET}},
        {"auth_type": "access_token", "access_token": [SECRET]},
        {"auth_type": "access_token", "password": SECRET},
        {SECRET: SECRET},
        None,
    ],
)
def test_nothing_under_credentials_is_ever_quoted(credentials: Any) -> None:
    text = said({"credentials": credentials})
    assert text.startswith("credentials")
    assert "expected" in text or "missing" in text
    assert "h0t" not in text


@pytest.mark.parametrize(
    "address",
    ["me:h0t@host", "h0t@host", "https://me:h0t@host", "https://me:a?h0t@host", "https://host?access_token=h0t",
     "https://host/#h0t", "https://host/?key=h0t&x=y", "https://host/v1/devices/" + "0a" * 20,
     "https://host/ bearer h0th0th0th0th0th0t", "http//me:h0t%40host", "http//me:h0t%2540host", "http:me:h0t/host",
     "http://host%3Fkey=h0t", "http://host;access_token=h0t", "http//me:h0t", "http://me:h0t\\u0040host",
     "h0t&#64;host"],
)  # fmt: skip
def test_an_address_with_a_typo_is_quoted_only_if_no_secret_can_be_in_it(address: str) -> None:
    text = said({"credentials": TOKEN, "base_url": address})
    assert text.startswith("base_url: received ")
    assert "must be https" in text
    assert "h0t" not in text
    assert "0a0a" not in text


@pytest.mark.parametrize(
    "address", ["http://api.particle.io", "htp://api.particle.io/", "api.particle.io:443/v1", "https:/api.particle.io"]
)
def test_a_plain_address_is_quoted(address: str) -> None:
    assert said({"credentials": TOKEN, "base_url": address}).startswith(f"base_url: received {address!r}, expected")


def test_an_encoded_address_in_another_option_is_quoted_without_secrets() -> None:
    assert shown("http//me:h0t%40host%3Fkey=h0t") == "'****@host%3F****'"


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"num_workers": 99}, "num_workers: received 99, expected an integer from 2 to 32."),
        ({"num_workers": "8"}, "num_workers: received '8', expected an integer from 2 to 32."),
        ({"num_workers": True}, "num_workers: received True, expected an integer from 2 to 32."),
        ({"num_workers": 8.5}, "num_workers: received 8.5, expected an integer from 2 to 32."),
        ({"budget_seconds": 0}, "budget_seconds: received 0, expected a number above 0."),
        ({"diagnostics": {"start_date": "yesterday"}},
         "diagnostics.start_date: received 'yesterday', expected a value like 2026-01-31T"),
        ({"diagnostics": {"end_date": "2026-02-30"}},
         "diagnostics.end_date: received '2026-02-30', expected a value like 2026-01-31T"),
        ({"diagnostics": {"device_id": "a\nb"}},
         r"diagnostics.device_id: received 'a\nb', expected a value like one"),
        ({"diagnostics": []}, "diagnostics: received [], expected an object with options."),
        ({"product_devices": {"sort_dir": "up"}},
         "product_devices.sort_dir: received 'up', expected one of asc, desc."),
        ({"product_devices": {"groups": ["a"]}}, "product_devices.groups: received ['a'], expected a non-empty text. "),
        ({"token_cache_file": 5}, "token_cache_file: received 5, expected a non-empty text. "),
    ],
)  # fmt: skip
def test_what_is_wrong_names_the_field_and_what_is_expected(config: dict[str, Any], message: str) -> None:
    assert said({"credentials": TOKEN, **config}).startswith(message)


def test_everything_that_is_wrong_is_said_at_once() -> None:
    assert len(list(problems({"num_workers": 1, "diagnostics": {"start_date": "x", "device_id": ","}}))) == 4


def test_a_quoted_value_is_cut_on_one_line_and_without_known_secrets() -> None:
    keep_secret(["hush"])
    assert shown("a\x1b[2Jhush") == r"'a\x1b[2J****'"
    assert len(shown("x" * 1000)) == 256


@pytest.mark.parametrize(
    ("text", "exists"),
    [
        ("2026-01-31", True), ("2026-01-31T00:00", True), ("2024-02-29T23:59:59.1Z", True),
        ("2026-01-31T10:00:00.123456+14:00", True), ("1900-01-01", True),
        ("2026-02-29", False), ("2026-13-01", False),
        ("2026-01-01T24:00:00Z", False), ("2026-01-01T10:00+24:00", False),
        ("2026-01-01T10:00+01:60", False), ("0001-01-01", False),
        ("9999-12-31T23:59:59Z", False), ("0000-01-01", False),
        ("2026-1-1", False), ("٢٠٢٦-01-01", False), ("2026-01-31\n", False), ("", False),
    ],
)  # fmt: skip
def test_a_date_exists_and_leaves_room_around_it(text: str, exists: bool) -> None:
    assert is_date(text) is exists


def test_an_open_range_is_said_without_its_missing_end() -> None:
    assert expected({"type": "integer", "minimum": 1}) == "an integer of at least 1."
    assert expected({"type": "number", "exclusiveMinimum": 0}) == "a number above 0."
