"""The data source as Spark's planner holds it, without a Spark session."""

import gc
import logging
import pickle
from collections.abc import Iterator
from unittest.mock import Mock

import pytest
from pyspark.sql.types import LongType, StructType

from bridge import register
from bridge.errors import ConfigurationError, OptionError, SignInError, UnknownTableError
from bridge.lakeflow.format import LakeflowDataSource
from bridge.reading import reader
from bridge.reading.tasks import DEFAULT_PARTS
from bridge.reading.times import moment_of
from bridge.registration import fitted
from bridge.rows.schema import spark_schema
from bridge.spark import versions
from bridge.spark.datasource import ParticleDataSource, ParticleReader, ParticleStreamReader, TablePartition
from bridge.tables.catalog import tables

# Before 4.1, PySpark has no filters, and what takes them cannot be imported.
FILTERING: type[ParticleReader] | None = None
if versions.KNOWS_FILTERS:
    from bridge.spark.filters import FilteringReader

    FILTERING = FilteringReader

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
def test_no_table_or_an_unknown_one_is_an_error_that_names_the_known_ones(named: dict[str, str]) -> None:
    with pytest.raises(UnknownTableError, match="one of devices, "):
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
    partitions = _reader(PASSWORD, "product_devices").partitions()
    signed_in.assert_called_once()
    assert [getattr(partition, "access_token", None) for partition in partitions] == ["signed-in"] * DEFAULT_PARTS


def test_with_an_access_token_nobody_signs_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "sign_in", lambda _config: pytest.fail("signed in"))
    [partition] = _reader(TOKEN).partitions()
    assert isinstance(partition, TablePartition)
    assert partition.access_token is None


def test_a_refused_account_ends_the_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "sign_in", Mock(side_effect=SignInError("refused")))
    with pytest.raises(SignInError):
        _reader(PASSWORD).partitions()


def test_a_task_that_is_abandoned_leaves_pythons_collector_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    thresholds = []

    def read_task(*_args: object) -> Iterator[dict[str, str]]:
        while True:
            thresholds.append(gc.get_threshold())
            yield {"id": "1"}

    monkeypatch.setattr(reader, "read_task", read_task)
    task = _reader({"access_token": "token"})
    before = gc.get_threshold()
    rows = task.read(task.partitions()[0])
    next(rows)
    assert thresholds[0][0] > before[0]
    rows.close()  # type: ignore[attr-defined]
    assert gc.get_threshold() == before


def test_what_spark_pickles_survives_it_and_shows_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "sign_in", lambda _config: "signed-in")
    made = _reader(PASSWORD)
    for thing in (source(**PASSWORD, path="devices"), made, *made.partitions()):
        shown = repr(pickle.loads(pickle.dumps(thing)))
        assert not any(secret in shown for secret in ("a-password", "signed-in", "user@example.com"))


@pytest.mark.parametrize("kind", [ParticleDataSource, LakeflowDataSource])
@pytest.mark.parametrize("stream", [False, True])
def test_the_password_stays_in_the_process_that_plans(kind: type[ParticleDataSource], stream: bool) -> None:
    planner = pickle.loads(pickle.dumps(kind({**PASSWORD, "tableName": "devices"})))
    assert planner.options["password"] == "a-password"
    made = planner.streamReader(planner.schema()) if stream else planner.reader(planner.schema())

    # Spark pickles a function that holds both.
    sent = pickle.dumps((planner, made.read))

    assert b"a-password" not in sent
    assert b"user@example.com" not in sent
    assert made.options.credentials["password"] == "a-password"


def test_a_table_about_the_tables_takes_no_password_along() -> None:
    planner = LakeflowDataSource({**PASSWORD, "tableName": "_community_tables"})
    planner.reader(planner.schema())
    assert b"a-password" not in pickle.dumps(planner)


def test_an_access_token_goes_to_the_tasks() -> None:
    made = pickle.loads(pickle.dumps(_reader(TOKEN)))
    assert made.options.credentials == {"auth_type": "access_token", **TOKEN}


def test_a_stream_reader_is_pickled_without_the_running_query_and_shows_no_secret(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reader, "sign_in", lambda _config: "signed-in")
    made = _stream_reader("devices")
    end = made.latestOffset(made.initialOffset(), None)
    partitions = made.partitions(made.initialOffset(), end)
    assert made.partitions(end, end) == []
    for thing in (made, *partitions):
        shown = repr(pickle.loads(pickle.dumps(thing)))
        assert not any(secret in shown for secret in ("a-password", "signed-in", "user@example.com"))
    assert pickle.dumps(made) == pickle.dumps(_stream_reader("devices"))


def test_where_spark_does_not_tell_the_start_the_last_planned_batch_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "server_time", lambda _config: moment_of("2026-06-14T12:00:00Z"))
    made = _stream_reader("diagnostics")
    ahead = {"until": "2026-06-14T11:58:00.000Z"}
    assert made.latestOffset()["until"] == "2026-06-14T11:45:00.000Z"
    assert made.partitions(ahead, ahead) == []
    assert made.latestOffset() == ahead


def test_split_windows_are_refused_where_spark_would_end_after_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    made = source(**TOKEN, path="diagnostics", device_id="*", window_seconds="60")
    monkeypatch.setattr(versions, "KNOWS_START", True)
    assert made.streamReader(made.schema())
    monkeypatch.setattr(versions, "KNOWS_START", False)
    with pytest.raises(OptionError, match=r"window_seconds needs Spark 4\.2"):
        made.streamReader(made.schema())


def test_a_registered_source_is_split_as_the_session_can_run_it() -> None:
    session = Mock(**{"sparkContext.defaultParallelism": 3, "conf.get.return_value": "false"})
    made = fitted(ParticleDataSource, session)({**TOKEN, "path": "diagnostics", "device_id": "*"})
    batch = made.reader(made.schema())
    assert type(batch) is (FILTERING or ParticleReader)
    assert len(batch.partitions()) == 3
    assert made.name() == "particle"


@pytest.mark.parametrize(("told", "count"), [("6", 6), (None, DEFAULT_PARTS)])
def test_with_spark_connect_the_session_is_asked_for_a_setting(told: str | None, count: int) -> None:
    session = Mock(spec=["conf"])
    session.conf.get.side_effect = lambda name, default: told if name.endswith("Parallelism") else default
    assert fitted(ParticleDataSource, session).default_parts == count


class Serverless:
    """A session that refuses the names of settings that it does not know, even with a default, and has no context."""

    @property
    def sparkContext(self) -> object:  # noqa: N802
        raise RuntimeError("[JVM_ATTRIBUTE_NOT_SUPPORTED]")

    @property
    def conf(self) -> Mock:
        return Mock(**{"get.side_effect": RuntimeError("[CONFIG_NOT_AVAILABLE]")})


@pytest.mark.parametrize("format_", [ParticleDataSource, LakeflowDataSource])
def test_a_session_that_tells_nothing_is_enough(format_: type[ParticleDataSource]) -> None:
    session = Serverless()
    session.dataSource = Mock()  # type: ignore[attr-defined]
    register(session)  # type: ignore[arg-type]
    assert session.dataSource.register.call_count == 2  # type: ignore[attr-defined]
    made = fitted(format_, session)  # type: ignore[arg-type]
    assert (made.default_parts, made.batch_reader) == (DEFAULT_PARTS, FILTERING)


def test_a_version_of_spark_without_filters_registers_with_the_setting_switched_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    session = Mock(**{"sparkContext.defaultParallelism": 3, "conf.get.return_value": "true"})
    monkeypatch.setattr(versions, "KNOWS_FILTERS", False)
    assert fitted(ParticleDataSource, session).batch_reader is None


def test_a_read_without_a_table_says_how_to_name_one() -> None:
    with pytest.raises(UnknownTableError, match=r'expected load\("devices"\) or .*CREATE TEMPORARY VIEW'):
        source(**TOKEN).schema()


def _reader(options: dict[str, str], name: str = "devices") -> ParticleReader:
    required = dict.fromkeys(tables()[name].required_options, "*")
    made = source(**options, **required, path=name)
    built = made.reader(made.schema())
    assert isinstance(built, ParticleReader)
    return built


def _stream_reader(name: str) -> ParticleStreamReader:
    required = dict.fromkeys(tables()[name].required_options, "*")
    made = source(**PASSWORD, **required, path=name)
    return made.streamReader(made.schema())
