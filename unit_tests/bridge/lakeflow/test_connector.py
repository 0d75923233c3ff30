"""The connector of a Lakeflow pipeline as an object: what it is given, what it keeps, what it refuses."""

import json
import logging
import pickle
from datetime import timedelta
from typing import Any

import pytest

from bridge import ParticleLakeflowConnect
from bridge.errors import OptionError, SignInError, UnknownTableError
from bridge.reading import reader, streams
from bridge.reading.times import moment_of
from bridge.rows.schema import spark_schema
from bridge.tables.catalog import tables

TOKEN = {"access_token": "a-token"}
PASSWORD = {"username": "user@example.com", "password": "a-password"}
NAMES = list(tables())


def given(name: str, **options: str) -> dict[str, str]:
    """Options as the framework merges them, in the lower case that its streams give them."""
    required = dict.fromkeys(tables()[name].required_options, "*")
    return {**TOKEN, **required, "tablename": name, "tableconfigs": "{}", "databricks.connection": "c", **options}


def connector(**options: str) -> ParticleLakeflowConnect:
    return ParticleLakeflowConnect({**TOKEN, **options})


def test_tables_are_those_of_the_manifest() -> None:
    assert connector().list_tables() == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_schema_and_metadata_are_stable_and_ask_for_no_credentials(name: str) -> None:
    made = ParticleLakeflowConnect({})
    assert made.get_table_schema(name, {}) == made.get_table_schema(name, {}) == spark_schema(tables()[name])
    metadata = made.read_table_metadata(name, {})
    assert metadata == made.read_table_metadata(name, {}) == json.loads(json.dumps(metadata))
    assert set(metadata["primary_keys"]) <= set(made.get_table_schema(name, {}).names)
    assert metadata.get("cursor_field", "id") in {*made.get_table_schema(name, {}).names, "id"}
    assert metadata["ingestion_type"] == ("append" if "cursor_field" in metadata else "snapshot")
    assert made.is_partitioned(name) is True


@pytest.mark.parametrize("name", ["device", "", "_community_tables", "access_token"])
def test_an_unknown_table_is_an_error_in_every_method(name: str) -> None:
    made = connector()
    calls: list[Any] = [
        lambda: made.get_table_schema(name, {}),
        lambda: made.read_table_metadata(name, {}),
        lambda: made.read_table(name, None, {}),
        lambda: made.is_partitioned(name),
        lambda: made.latest_offset(name, {}),
        lambda: made.get_partitions(name, {}),
        lambda: made.read_partition(name, {"part": 0, "parts": 1}, {}),
    ]
    for call in calls:
        with pytest.raises(UnknownTableError, match="expected one of devices, "):
            call()


@pytest.mark.parametrize("name", NAMES)
def test_partitions_are_at_least_one_stable_and_serialisable(name: str) -> None:
    partitions = connector().get_partitions(name, given(name))
    assert partitions
    assert partitions == connector().get_partitions(name, given(name)) == json.loads(json.dumps(partitions))


@pytest.mark.parametrize("name", NAMES)
def test_it_is_pickled_small_after_every_call(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "server_time", lambda _config: moment_of("2026-06-14T12:00:00Z"))
    options = given(name, tableNameList=json.dumps(NAMES))
    made = ParticleLakeflowConnect(options)
    offset = made.latest_offset(name, options)
    for _ in range(2):
        made.get_table_schema(name, options)
        made.get_partitions(name, options)
        made.get_partitions(name, options, {}, offset)
        assert len(pickle.dumps(made)) <= len(pickle.dumps(options)) + 2_000
        made = pickle.loads(pickle.dumps(made))
    assert b"airbyte" not in pickle.dumps(made)


def test_nothing_that_is_pickled_or_shown_holds_a_secret_it_was_not_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "sign_in", lambda _config: "signed-in")
    made = ParticleLakeflowConnect(PASSWORD)
    partitions = made.get_partitions("devices", {})
    assert partitions[0]["access_token"] == "signed-in"
    assert not any(secret in repr((made, partitions)) for secret in ("a-password", "signed-in"))
    assert b"signed-in" not in pickle.dumps(made)
    assert b"a-password" not in pickle.dumps(partitions)


def test_an_error_in_planning_a_whole_read_is_raised_by_its_task(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_config: Any) -> str:
        raise SignInError("refused")

    monkeypatch.setattr(reader, "sign_in", refuse)
    made = ParticleLakeflowConnect(PASSWORD)
    [partition] = json.loads(json.dumps(made.get_partitions("devices", {})))
    with pytest.raises(SignInError, match="refused"):
        made.read_partition("devices", partition, {})
    with pytest.raises(SignInError):
        made.get_partitions("devices", {}, {"snapshot": ""}, {"snapshot": "2026-01-01T00:00:00.000Z"})


def test_a_required_option_that_is_missing_is_an_error_wherever_the_framework_goes_on() -> None:
    for call in (connector().get_partitions, lambda name, options: connector().read_table(name, None, options)):
        with pytest.raises(OptionError, match="needs the option product_id_or_slug"):
            call("product_devices", {})


@pytest.mark.parametrize("name", ["isDeleteFlow", "isdeleteflow"])
def test_deletions_are_refused(name: str) -> None:
    made = connector(**{name: "true"})
    calls: list[Any] = [
        lambda: made.read_table("devices", {}, {}),
        lambda: made.read_table_deletes("devices", {}, {}),
        lambda: made.latest_offset("devices", {}),
        lambda: made.get_partitions("devices", {}),
    ]
    for call in calls:
        with pytest.raises(OptionError, match="isDeleteFlow asks for deleted rows"):
            call()
    assert connector(isDeleteFlow="false").get_partitions("devices", {})


def test_a_near_miss_of_an_option_is_warned_about(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, logger="bridge"):
        connector().get_table_schema("diagnostics", {"window_second": "60"})
    assert "did you mean window_seconds?" in caplog.text


def test_options_of_the_table_go_before_those_of_the_connection_in_any_case() -> None:
    made = connector(NUMPARTITIONS="2", Product_Id_Or_Slug="*")
    assert len(made.get_partitions("product_devices", {})) == 2
    assert len(made.get_partitions("product_devices", {"numpartitions": "5"})) == 5


def test_the_same_table_with_other_options_is_another_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "server_time", lambda _config: moment_of("2026-06-14T12:00:00Z"))
    made = connector(device_id="aa", numPartitions="1")
    ends = [made.latest_offset("diagnostics", given) for given in ({"end_date": "2026-06-01"}, {"device_id": "aa,bb"})]
    assert ends[0]["until"] == "2026-06-01T00:00:00.000Z"
    assert ends[1]["until"] == "2026-06-14T11:45:00.000Z"
    assert ends[0]["selection"] != ends[1]["selection"]
    tasks = [made.get_partitions("devices", {}, {"snapshot": ""}, made.latest_offset("devices", {})) for _ in range(2)]
    assert tasks[0] == tasks[1]


class Polled:
    """Latest offsets of a stream as the framework's reader asks for them: with windows that end all the time."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **options: str) -> None:
        self.now = moment_of("2026-06-14T12:00:00Z")
        monkeypatch.setattr(reader, "server_time", lambda _config: self.now)
        monkeypatch.setattr(streams, "CLOCK_KEPT", -1.0)
        self.made = connector(device_id="*", min_window_seconds="1", settle_seconds="0", **options)
        self.offset: dict[str, Any] = {}

    def poll(self) -> bool:
        """Ask once, an hour after the last time, and say whether there was something new."""
        before, self.offset = self.offset, self.made.latest_offset("diagnostics", {}, self.offset)
        self.now += timedelta(hours=1)
        return self.offset != before


@pytest.mark.parametrize(("options", "batches"), [({}, 1), ({"window_seconds": "86400"}, 29)])
def test_a_run_for_what_is_available_now_ends_without_being_told_to(
    options: dict[str, str], batches: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Polled(monkeypatch, **options)
    assert [run.poll() for _ in range(batches + 1)] == [True] * batches + [False]
    assert run.offset["until"] == "2026-06-14T12:00:00.000Z"


def test_a_continuous_run_continues_after_each_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    run = Polled(monkeypatch)
    assert [run.poll() for _ in range(6)] == [True, False] * 3
    assert run.offset["until"] == "2026-06-14T16:00:00.000Z"
