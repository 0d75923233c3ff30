"""Options of Spark and Lakeflow: which are accepted, what they become, and the errors for all others."""

import pickle
from typing import Any

import pytest

from bridge.errors import OptionError
from bridge.tables.catalog import Option, connection_options, table, tables
from bridge.tables.options import Options, doubtful_options
from source_particle import specification
from source_particle.config import expected

TOKEN = {"access_token": "a-token"}
PASSWORD = {"username": "user@example.com", "password": "a-password"}


def parse(name: str = "devices", **options: str) -> Options:
    required = dict.fromkeys(table(name).required_options, "*")
    return Options.parse({**TOKEN, **required, **options}, table(name))


@pytest.mark.parametrize(
    ("options", "credentials"),
    [
        (TOKEN, {"auth_type": "access_token", "access_token": "a-token"}),
        (PASSWORD, {"auth_type": "password", "username": "user@example.com", "password": "a-password"}),
        ({"password": " 007 ", "username": "1"}, {"auth_type": "password", "username": "1", "password": " 007 "}),
    ],
)
def test_each_way_to_sign_in_becomes_credentials(options: dict[str, str], credentials: dict[str, str]) -> None:
    assert Options.parse(options, table("devices")).config()["credentials"] == credentials


@pytest.mark.parametrize(
    ("options", "received"),
    [
        ({}, "nothing"),
        ({**TOKEN, **PASSWORD}, "access_token and password and username"),
        ({"username": "user@example.com"}, "username"),
        ({"password": "a-password"}, "password"),
        ({**TOKEN, "username": "user@example.com"}, "access_token and username"),
    ],
)
def test_anything_but_exactly_one_way_to_sign_in_is_an_error(options: dict[str, str], received: str) -> None:
    with pytest.raises(OptionError) as caught:
        Options.parse(options, table("devices"))
    assert str(caught.value) == (
        f"Received {received} to sign in with; expected access_token, or username and password."
    )


def test_configuration_is_what_the_specification_describes() -> None:
    given = {"num_workers": "4", "base_url": "http://localhost:8080/", "per_page": "50", "groups": "a,b"}
    assert parse("product_devices", **given).config() == {
        "credentials": {"auth_type": "access_token", "access_token": "a-token"},
        "base_url": "http://localhost:8080",
        "num_workers": 4,
        "on_refused": "skip",
        "requests_per_5_minutes": 10_000,
        "product_devices": {"product_id_or_slug": "*", "groups": "a,b", "per_page": 50},
    }


@pytest.mark.parametrize("name", tables())
def test_configuration_of_every_table_satisfies_the_specification(name: str) -> None:
    from jsonschema import Draft7Validator  # noqa: PLC0415

    config = parse(name, token_lifetime="60", retry_wait_factor="0.5").config()
    Draft7Validator(specification()).validate(config)


def test_options_are_found_in_any_case_and_unknown_ones_ignored() -> None:
    options = Options.parse({**TOKEN, "DEVICE_ID": "abc", "Path": "x", "tableName": "y"}, table("diagnostics"))
    assert options.table_options == {"device_id": "abc"}


def test_one_option_with_two_values_is_an_error() -> None:
    with pytest.raises(OptionError, match="num_workers is given twice"):
        Options.parse({**TOKEN, "num_workers": "2", "NUM_WORKERS": "3"}, table("devices"))


def test_an_option_of_another_table_does_not_get_into_the_configuration() -> None:
    assert "product_devices" not in parse("devices", per_page="10").config()


@pytest.mark.parametrize("part", [part for part in tables().values() if part.required_options], ids=lambda p: p.name)
def test_missing_required_option_is_an_error_that_names_it(part: Any) -> None:
    [name] = part.required_options
    with pytest.raises(OptionError) as caught:
        Options.parse(TOKEN, part)
    assert str(caught.value).startswith(f"The table {part.name} needs the option {name}; expected ")


@pytest.mark.parametrize(
    ("name", "option", "value", "message"),
    [
        ("product_devices", "per_page", "101", "Received '101' for option per_page of table product_devices; "
         "expected an integer from 1 to 100."),
        ("product_devices", "per_page", "abc", "expected an integer from 1 to 100."),
        ("product_devices", "per_page", "10.5", "expected an integer from 1 to 100."),
        ("product_devices", "max_pages", "0", "expected an integer of at least 1."),
        ("product_devices", "max_pages", "-1", "expected an integer of at least 1."),
        ("product_devices", "sort_dir", "up", "expected one of asc, desc."),
        ("product_devices", "groups", "a\nb", r"Received 'a\nb' for option groups"),
        ("product_devices", "product_id_or_slug", "a/../b", "several separated by commas, or *"),
        ("product_devices", "product_id_or_slug", "a\n", "several separated by commas, or *"),
        ("diagnostics", "start_date", "yesterday", "expected a value like 2026-01-31T00:00:00Z. "),
        ("diagnostics", "start_date", "2026-02-30", "expected a value like 2026-01-31T00:00:00Z. "),
        ("diagnostics", "end_date", "0001-01-01", "expected a value like 2026-01-31T00:00:00Z. "),
        ("diagnostics", "settle_seconds", "9" * 15, "expected an integer from 0 to 2592000."),
        ("diagnostics", "lookback_seconds", "9" * 15, "expected an integer from 0 to 2592000."),
        ("diagnostics", "min_window_seconds", "9" * 15, "expected an integer from 1 to 2592000."),
        ("diagnostics", "window_seconds", "9" * 15, "expected an integer from 1 to 2592000."),
        ("devices", "num_workers", "1", "for option num_workers of the connection; expected an integer from 2 to 32."),
        ("devices", "num_workers", "٤", "expected an integer from 2 to 32."),
        ("devices", "base_url", "http://api.particle.io", "must be https"),
        ("devices", "retry_wait_factor", "nan", "expected a number of at least 0."),
        ("diagnostics", "failOnDataLoss", "maybe", "expected true or false."),
        ("diagnostics", "numPartitions", "0", "expected an integer from 1 to 1000."),
    ],
)  # fmt: skip
def test_malformed_value_is_an_error_that_says_what_is_expected(
    name: str, option: str, value: str, message: str
) -> None:
    with pytest.raises(OptionError) as caught:
        parse(name, **{option: value})
    assert message in str(caught.value)


def test_every_option_can_say_what_is_expected() -> None:
    options: list[Option] = [*connection_options(), *(option for part in tables().values() for option in part.options)]
    for option in options:
        assert expected(option.schema).endswith("."), option.name


@pytest.mark.parametrize("unset", ["", None])
def test_a_cleared_option_is_unset(unset: Any) -> None:
    options = {"username": unset, "password": unset, "num_workers": unset, "groups": unset, "per_page": unset}
    assert parse("product_devices", **options) == parse("product_devices")
    with pytest.raises(OptionError, match="needs the option device_id"):
        Options.parse({**TOKEN, "device_id": unset}, table("diagnostics"))


def test_8_0_is_8() -> None:
    assert parse("product_devices", per_page="50.0").config()["product_devices"]["per_page"] == 50
    for space in (" ", "\n", "\x1f", "\xa0"):
        assert parse("product_devices", per_page=f"50{space}").config()["product_devices"]["per_page"] == 50


@pytest.mark.parametrize("around", ["\n", "\r\n", " ", "\u200b", "\ufeff"])
def test_a_token_loses_what_copying_adds_around_it(around: str) -> None:
    assert parse(access_token=f"{around}a-token{around}") == parse()


@pytest.mark.parametrize(
    "options",
    [
        *({"access_token": f"secret{inside}secret"} for inside in ("\n", "\u200b", "\u2019", " ")),
        *({"username": "me", "password": f"secret{inside}secret"} for inside in ("\n", "\x00")),
        *({**TOKEN, "base_url": address} for address in (
            "https://user:secret@api.particle.io", "user:secret@host", "https://host?access_token=secret",
        )),
    ],
)  # fmt: skip
def test_no_message_quotes_a_secret(options: dict[str, str]) -> None:
    with pytest.raises(OptionError) as caught:
        Options.parse(options, table("devices"))
    assert "secret" not in str(caught.value)


def test_repr_shows_what_is_read_and_no_credentials() -> None:
    options = Options.parse({**PASSWORD, "device_id": "abc"}, table("diagnostics"))
    assert repr(options) == (
        "Options(diagnostics, auth_type='password', username='****', password='****', device_id='abc')"
    )


def test_options_survive_pickling() -> None:
    options = parse("product_devices")
    assert pickle.loads(pickle.dumps(options)) == options


@pytest.mark.parametrize(
    ("name", "option", "doubt"),
    [
        ("product_devices", "perpage", "The option 'perpage' is not known and has no effect; did you mean per_page?"),
        ("product_devices", "maxPages", "did you mean max_pages?"),
        ("devices", "accessToken", "did you mean access_token?"),
        ("diagnostics", "startDate", "did you mean start_date?"),
        ("devices", "per_page", "The option per_page has no effect: the table devices does not take it."),
    ],
)
def test_option_without_effect_that_was_likely_meant_is_doubted(name: str, option: str, doubt: str) -> None:
    [said] = doubtful_options({option: "1"}, table(name))
    assert doubt in said


@pytest.mark.parametrize("name", tables())
def test_options_of_the_frameworks_and_known_ones_are_not_doubted(name: str) -> None:
    frameworks = (
        "path", "paths", "tableName", "tableNameList", "tableConfigs", "isDeleteFlow", "namespace", "namespacePrefix",
        "databricks.connection", "externalOptionsAllowList", "connectionName", "sourceName", "mergeSchema",
        "maxFilesPerTrigger", "failOnDataLoss", "header", "inferSchema",
    )  # fmt: skip
    mine = [option.name.upper() for option in (*connection_options(), *table(name).options)]
    assert doubtful_options(dict.fromkeys((*frameworks, *mine), "x"), table(name)) == []
