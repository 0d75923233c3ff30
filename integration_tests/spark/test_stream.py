"""Vitals as a stream: no loss and no duplicates, whatever happens in between; and snapshots as streams.

Each start of a stream takes seconds. The slow ones have a faster sibling in `unit_tests/bridge/reading/` or in
`integration_tests/lakeflow/test_windows.py`, which use the same offsets and windows without Spark.
"""

import json
from datetime import timedelta
from pathlib import Path

import pytest
from pyspark.errors import PySparkException, StreamingQueryException
from pyspark.sql import SparkSession

from bridge.reading.times import iso_ms, moment_of
from bridge.spark.versions import KNOWS_START
from bridge.tables.catalog import table
from integration_tests.device_cloud import DeviceCloud, Fault, Fleet, FleetSize, Switches
from integration_tests.spark.sessions import EAGER, Stream, assert_same, truth_of
from unit_tests.support.kinds import one_of_each_shape

pytestmark = pytest.mark.fleet(FleetSize(products=0, user_devices=7, samples=False))

VITALS = "GET /v1/diagnostics/:id"
CLOCK = "GET /v1/access_tokens/current"
SNAPSHOTS = [part for part in one_of_each_shape() if not part.cursor_field]
DIAGNOSTICS = table("diagnostics")


@pytest.fixture
def stream(spark: SparkSession, cloud: DeviceCloud, tmp_path: Path) -> Stream:
    return Stream(spark, cloud, tmp_path)


def publish(cloud: DeviceCloud, seconds_ago: float = 0, count: int = 3) -> list[str]:
    """Let some devices publish vitals, and let a second pass so that an eager stream sees them."""
    at = cloud.fleet.clock.now() - timedelta(seconds=seconds_ago)
    cloud.fleet.clock.skew += 1.5
    devices = list(cloud.fleet.rows("devices"))[:count]
    return [cloud.fleet.add_vitals(device, at)["updated_at"] for device in devices]


def assert_complete(stream: Stream) -> None:
    """Compare what has arrived with what there was up to the last offset."""
    until = moment_of(stream.offsets[-1]["until"])
    assert_same(DIAGNOSTICS, stream.rows(), truth_of(stream.cloud, DIAGNOSTICS, until))


def test_runs_with_new_vitals_and_a_replayed_batch_between_them_equal_the_ledger(stream: Stream) -> None:
    stream.run(**EAGER)
    first = len(stream.rows())
    publish(stream.cloud)
    stream.run(**EAGER)
    assert len(stream.rows()) == first + 3
    stream.forget_commit(len(stream.offsets) - 1)
    publish(stream.cloud)
    stream.run(**EAGER)
    if not KNOWS_START:
        # Spark up to 4.1 ends a run with availableNow after one batch, here the repeated one.
        assert len(stream.rows()) == first + 3
        stream.run(**EAGER)
    assert len(stream.rows()) == first + 6
    assert_complete(stream)


@pytest.mark.slow
def test_a_run_without_news_adds_nothing(stream: Stream) -> None:
    stream.run(**EAGER)
    publish(stream.cloud)
    for _ in range(2):
        stream.run(**EAGER)
        assert_complete(stream)


@pytest.mark.slow
def test_a_batch_that_is_in_the_sink_but_not_committed_is_not_duplicated(stream: Stream) -> None:
    stream.run(**EAGER)
    publish(stream.cloud)
    stream.run(**EAGER)
    stream.forget_commit(len(stream.offsets) - 1, is_in_sink=True)
    publish(stream.cloud)
    stream.run(**EAGER)
    assert_complete(stream)


@pytest.mark.slow
@pytest.mark.parametrize("skew", [600.0, -600.0])
def test_a_clock_of_this_machine_that_is_wrong_changes_nothing(stream: Stream, skew: float) -> None:
    stream.cloud.switches = Switches(clock_skew=skew)
    stream.run(**EAGER)
    publish(stream.cloud)
    stream.run(**EAGER)
    assert abs(moment_of(stream.offsets[-1]["until"]) - stream.cloud.fleet.clock.now()) < timedelta(minutes=5)
    assert_complete(stream)


@pytest.mark.slow
def test_vitals_settle_and_windows_end_on_a_grid(stream: Stream) -> None:
    recent = publish(stream.cloud)
    stream.run()
    until = moment_of(stream.offsets[-1]["until"])
    assert until.timestamp() % 900 == 0
    assert until <= stream.cloud.fleet.clock.now() - timedelta(seconds=60)
    assert not {row.updated_at for row in stream.rows()} & set(recent)
    assert_complete(stream)


def test_an_idle_stream_reads_nothing(stream: Stream) -> None:
    # A long grid, so that no line of it is crossed while the test runs.
    query = stream.start(min_window_seconds="86400")
    try:
        query.processAllAvailable()
        read = stream.cloud.ledger.count(VITALS)
        # Spark asks for news all the time; each of these calls waits until it has been told that there are none.
        for _ in range(20):
            query.processAllAvailable()
        assert query.lastProgress is not None
    finally:
        query.stop()
    assert len(stream.offsets) == 1
    assert stream.cloud.ledger.count(VITALS) == read
    assert stream.cloud.ledger.count(CLOCK) == 1


def test_a_first_batch_that_failed_is_read_again_from_the_same_start(stream: Stream) -> None:
    stream.cloud.faults.add(Fault(VITALS, at=4, times=None, status=503))
    with pytest.raises(StreamingQueryException, match="TemporaryError: table diagnostics: "):
        stream.run(**EAGER)
    assert stream.rows() == []
    [offset] = stream.offsets
    stream.cloud.faults.clear()
    publish(stream.cloud)
    stream.run(**EAGER)
    assert stream.offsets[0] == offset
    assert_complete(stream)


@pytest.mark.slow
def test_a_second_consumer_reads_everything_for_itself(spark: SparkSession, cloud: DeviceCloud, tmp_path: Path) -> None:
    consumers = [Stream(spark, cloud, tmp_path / name) for name in "ab"]
    for _ in range(2):
        for consumer in consumers:
            consumer.run(**EAGER)
            publish(cloud)
    for consumer in consumers:
        assert_complete(consumer)


@pytest.mark.slow
def test_a_checkpoint_with_another_spelling_of_the_time_resumes(stream: Stream) -> None:
    stream.run(**EAGER)
    until = moment_of(stream.offsets[-1]["until"])
    stream.rewrite_offset(len(stream.offsets) - 1, json.dumps({"until": until.strftime("%Y-%m-%dT%H:%M:%S+00:00")}))
    publish(stream.cloud)
    stream.run(**EAGER)
    assert_complete(stream)


@pytest.mark.slow
def test_a_checkpoint_of_something_else_is_refused(stream: Stream) -> None:
    stream.run(**EAGER)
    stream.rewrite_offset(0, '{"cursor": "2026-01-01T00:00:00Z"}')
    with pytest.raises(StreamingQueryException, match=r"ConfigurationError: .*belongs to another stream"):
        stream.run(**EAGER)


@pytest.mark.slow
def test_a_checkpoint_older_than_the_api_remembers_is_an_error_that_names_the_gap(stream: Stream) -> None:
    stream.run(**EAGER)
    old = iso_ms(stream.cloud.fleet.clock.now() - timedelta(days=40))
    stream.rewrite_offset(0, json.dumps({"until": old}))
    with pytest.raises(StreamingQueryException, match=f"resumes at {old}, but .* failOnDataLoss=false"):
        stream.run(**EAGER)
    before = len(stream.rows())
    stream.run(**EAGER, failOnDataLoss="false")
    assert len(stream.rows()) > before


@pytest.mark.slow
def test_lookback_brings_vitals_that_became_visible_late(stream: Stream) -> None:
    stream.run(**EAGER)
    late = publish(stream.cloud, seconds_ago=600)
    stream.run(**EAGER)
    assert not {row.updated_at for row in stream.rows()} & set(late)
    publish(stream.cloud)
    stream.run(**EAGER, lookback_seconds="3600")
    assert set(late) <= {row.updated_at for row in stream.rows()}
    # Each arrives, some again: equal by key.
    truth = truth_of(stream.cloud, DIAGNOSTICS)
    assert stream.keys().keys() == {tuple(str(row[name]) for name in DIAGNOSTICS.primary_key) for row in truth}


def test_a_stream_begins_and_ends_where_the_user_says(stream: Stream) -> None:
    now = stream.cloud.fleet.clock.now()
    dates = {"start_date": iso_ms(now - timedelta(days=1)), "end_date": iso_ms(now - timedelta(hours=2))}
    stream.run(**EAGER, **dates)
    stream.run(**EAGER, **dates)
    assert [moment_of(offset["until"]) for offset in stream.offsets] == [moment_of(dates["end_date"])]
    assert_same(DIAGNOSTICS, stream.rows(), truth_of(stream.cloud, DIAGNOSTICS, None, **dates))


@pytest.mark.slow
def test_vitals_that_do_not_say_when_they_are_from_fail_the_batch(stream: Stream) -> None:
    body = json.dumps({"diagnostics": [{"updated_at": "yesterday", "deviceID": "abc", "payload": {}}]})
    stream.cloud.faults.add(Fault(VITALS, status=200, body=body, times=None))
    with pytest.raises(StreamingQueryException, match=r"UnexpectedError: .*'updated_at' is 'yesterday', not a time"):
        stream.run(**EAGER)


@pytest.mark.slow
def test_a_stream_with_a_password_keeps_a_limit_that_the_server_enforces(spark: SparkSession, tmp_path: Path) -> None:
    """The planner's own requests count too."""
    size = FleetSize(products=0, user_devices=120, days=1, samples=False)
    with DeviceCloud(Fleet.seeded(size), Switches(rate_limit=(100, 10.0))) as cloud:
        stream = Stream(spark, cloud, tmp_path)
        account = {"username": cloud.username, "password": cloud.password}
        stream.run(**EAGER, **account, requests_per_5_minutes="100", budget_seconds="10", numPartitions="2")
        assert cloud.ledger.rejected() == 0
        assert_complete(stream)


def test_a_password_signs_in_once_for_a_run(stream: Stream) -> None:
    stream.run(**EAGER, username=stream.cloud.username, password=stream.cloud.password)
    assert stream.cloud.ledger.logins() == 1
    assert_complete(stream)


@pytest.mark.slow
def test_split_windows_end_where_one_window_would(stream: Stream) -> None:
    if not KNOWS_START:
        with pytest.raises(PySparkException, match="OptionError: The option window_seconds needs"):
            stream.run(**EAGER, window_seconds="864000")
        return
    stream.run(**EAGER, window_seconds="864000")
    assert len(stream.offsets) == 3
    assert_complete(stream)


@pytest.mark.slow
def test_a_run_by_trigger_once_and_by_processing_time(stream: Stream) -> None:
    stream.start({"once": True}, **EAGER).awaitTermination()
    publish(stream.cloud)
    query = stream.start({"processingTime": "1 second"}, **EAGER)
    try:
        query.processAllAvailable()
    finally:
        query.stop()
    assert_complete(stream)


def test_a_continuous_query_is_refused(stream: Stream) -> None:
    query = stream.start({"continuous": "1 second"}, **EAGER)
    with pytest.raises(StreamingQueryException, match=r"(?i)continuous"):
        query.awaitTermination(60)


def test_every_snapshot_table_is_a_stream_of_one_snapshot_for_each_start(spark: SparkSession, tmp_path: Path) -> None:
    with DeviceCloud(Fleet.seeded(FleetSize(products=1, devices=5, sims=3))) as cloud:
        streams = [Stream(spark, cloud, tmp_path / part.name, part.name) for part in SNAPSHOTS]
        # Each starts a process of Python's, and Spark waits for that ten seconds only.
        for few in (streams[start : start + 3] for start in range(0, len(streams), 3)):
            for query in [stream.start({"availableNow": True}) for stream in few]:
                query.awaitTermination()
        for stream in streams:
            _assert_snapshots(stream, 1)
        for stream in streams[-2:]:
            stream.run()
            _assert_snapshots(stream, 2)


def _assert_snapshots(stream: Stream, count: int) -> None:
    assert len({offset["snapshot"] for offset in stream.offsets}) == len(stream.offsets) == count
    assert set(stream.keys().values()) == {count}, stream.part.name
    assert len(stream.keys()) == len(truth_of(stream.cloud, stream.part)), stream.part.name


@pytest.mark.slow
def test_a_running_stream_of_snapshots_reads_nothing_more(
    spark: SparkSession, cloud: DeviceCloud, tmp_path: Path
) -> None:
    stream = Stream(spark, cloud, tmp_path, "devices")
    query = stream.start()
    try:
        for _ in range(10):
            query.processAllAvailable()
    finally:
        query.stop()
    _assert_snapshots(stream, 1)
