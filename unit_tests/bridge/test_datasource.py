"""The data source as Spark's planner holds it, without a Spark session."""

import logging
import pickle
from unittest.mock import Mock

import pytest
from pyspark.sql.types import LongType, StructType

from bridge import reader
from bridge.catalog import tables
from bridge.datasource import ParticleDataSource, ParticleReader, TablePartition
from bridge.errors import ConfigurationError, OptionError, SignInError, UnknownTableError
from bridge.schema import spark_schema

TOKEN = {"access_token": "a-token"}
PASSWORD = {"username": "user@example.com", "password": "a-password"}


def source(**options: str) -> ParticleDataSource:
    return ParticleDataSource(options)


@pytest.mark.parametrize("name", tables())
def test_schema_is_that_of_the_table(name: str) -> None:
    options = dict.fromkeys(tables()[name].required_options, "*")
    assert source(**TOKEN, **options, path=name).schema() == spark_schema(tables()[name])


@pytest.mark.parametrize(
    "named", [{"path": "devices"}, {"tableName": "devices"}, {"path": "devices", "tableName": "devices"}]
)
def test_table_is_named_by_path_or_by_option(named: dict[str, str]) -> None:
    assert source(**TOKEN, **named).schema() == spark_schema(tables()["devices"])


def test_two_different_names_are_an_error() -> None:
    with pytest.raises(OptionError, match=r"named twice, 'devices' by load\(\) and 'sims' by tableName"):
        source(**TOKEN, path="devices", tableName="sims").schema()


@pytest.mark.parametrize("named", [{}, {"path": ""}, {"path": "device"}])
def test_no_table_or_an_unknown_one_is_an_error_that_names_the_legal_ones(named: dict[str, str]) -> None:
    with pytest.raises(UnknownTableError, match="legal: devices, "):
        source(**TOKEN, **named).schema()


def test_near_miss_is_warned_about(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, logger="bridge"):
        source(**TOKEN, path="devices", num_worker="4").schema()
    assert "did you mean num_workers?" in caplog.text


def test_another_schema_is_an_error() -> None:
    with pytest.raises(ConfigurationError, match=r"leave out \.schema"):
        source(**TOKEN, path="devices").reader(StructType().add("id", LongType()))


def test_the_planner_signs_in_once_and_hands_the_token_to_the_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    signed_in = Mock(return_value="signed-in")
    monkeypatch.setattr(reader, "sign_in", signed_in)
    partitions = _reader(PASSWORD).partitions()
    signed_in.assert_called_once()
    assert [getattr(partition, "access_token", None) for partition in partitions] == ["signed-in"]


def test_with_an_access_token_nobody_signs_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "sign_in", lambda _config: pytest.fail("signed in"))
    [partition] = _reader(TOKEN).partitions()
    assert isinstance(partition, TablePartition)
    assert partition.access_token is None


def test_a_refused_account_ends_the_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "sign_in", Mock(side_effect=SignInError("refused")))
    with pytest.raises(SignInError):
        _reader(PASSWORD).partitions()


def test_what_spark_pickles_survives_it_and_shows_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "sign_in", lambda _config: "signed-in")
    made = _reader(PASSWORD)
    for thing in (source(**PASSWORD, path="devices"), made, *made.partitions()):
        shown = repr(pickle.loads(pickle.dumps(thing)))
        assert not any(secret in shown for secret in ("a-password", "signed-in", "user@example.com"))


def _reader(options: dict[str, str]) -> ParticleReader:
    made = source(**options, path="devices")
    return made.reader(made.schema())
