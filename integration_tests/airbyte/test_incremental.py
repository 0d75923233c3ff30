"""Vitals sync by device: what is new arrives, nothing is lost, a device that joins later brings its whole past."""

import json
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from airbyte_cdk.models import AirbyteStateMessageSerializer
from airbyte_cdk.sources.declarative.incremental import ConcurrentPerPartitionCursor

from integration_tests.airbyte.syncs import State, sync, with_token
from integration_tests.device_cloud import DeviceCloud, Fault, Fleet, FleetSize, Switches
from integration_tests.device_cloud.clock import TIME_FORMS

WHOLE_FLEET = {"product_id_or_slug": "*"}


def _cloud(switches: Switches | None = None) -> DeviceCloud:
    size = FleetSize(products=1, devices=6, sims=0, days=3, user_devices=3, user_sims=0, samples=False)
    return DeviceCloud(Fleet.seeded(size), switches)


def _keys(records: list[dict[str, Any]]) -> set[tuple[str, str]]:
    return {(record["device_id"], record["updated_at"]) for record in records}


def _state(*, states: list[dict[str, Any]], **more: Any) -> State:
    blob = {"use_global_cursor": False, "states": states, **more}
    stream = {"stream_descriptor": {"name": "diagnostics"}, "stream_state": blob}
    return [AirbyteStateMessageSerializer.load({"type": "STREAM", "stream": stream})]


def _iso(moment: datetime) -> str:
    return moment.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def test_the_next_sync_brings_what_is_new_and_at_most_the_boundary_again() -> None:
    with _cloud() as cloud:
        config = with_token(cloud, diagnostics=WHOLE_FLEET)
        first = sync(config, "diagnostics", incremental=True)
        device = next(key for key in cloud.fleet.rows("devices") if cloud.fleet.vitals(key))
        new = cloud.fleet.add_vitals(device)

        second = sync(config, "diagnostics", state=first.state)

        assert not second.errors
        assert (device, new["updated_at"]) in _keys(second.records["diagnostics"])
        newest = {
            key: max(stamp for name, stamp in _keys(first.records["diagnostics"]) if name == key)
            for key, _ in _keys(first.records["diagnostics"])
        }
        again = _keys(second.records["diagnostics"]) - {(device, new["updated_at"])}
        assert again <= set(newest.items())
        everything = [*first.records["diagnostics"], *second.records["diagnostics"]]
        unique = {(record["device_id"], record["updated_at"]): record for record in everything}
        assert not cloud.ledger.compare("diagnostics", WHOLE_FLEET, unique.values())


@pytest.mark.parametrize(
    "spell", [form for form in TIME_FORMS if form(datetime(2026, 1, 31, tzinfo=timezone.utc)).endswith("Z")]
)
def test_the_state_follows_the_newest_report_however_its_time_is_written(spell: Callable[[datetime], str]) -> None:
    with _cloud() as cloud:
        device = next(iter(cloud.fleet.rows("devices")))
        newest = spell(cloud.fleet.clock.now() - timedelta(minutes=5))
        cloud.fleet.add_vitals(device, record={"updated_at": newest, "deviceID": device, "payload": {}})
        config = with_token(cloud, diagnostics={"device_id": device})
        first = sync(config, "diagnostics", incremental=True)

        second = sync(config, "diagnostics", state=first.state)

        assert not second.errors
        assert not cloud.ledger.compare("diagnostics", {"device_id": device}, first.records["diagnostics"])
        assert _keys(second.records["diagnostics"]) == {
            max(_keys(first.records["diagnostics"]), key=lambda key: key[1])
        }


def test_a_device_that_joins_later_brings_its_whole_past() -> None:
    with _cloud() as cloud:
        config = with_token(cloud, diagnostics=WHOLE_FLEET)
        first = sync(config, "diagnostics", incremental=True)
        late = cloud.fleet.add_device(cloud.fleet.product_ids[0])
        for days in (20, 10, 1):
            cloud.fleet.add_vitals(late, at=cloud.fleet.now - timedelta(days=days))

        second = sync(config, "diagnostics", state=first.state)

        arrived = [record for record in second.records["diagnostics"] if record["device_id"] == late]
        expected = [
            record for record in cloud.ledger.records("diagnostics", WHOLE_FLEET) if record["device_id"] == late
        ]
        assert len(arrived) == len(expected) >= 3


def test_state_is_kept_for_each_device_and_stays_small() -> None:
    with _cloud() as cloud:
        result = sync(with_token(cloud, diagnostics=WHOLE_FLEET), "diagnostics", incremental=True)

        blob = result.states["diagnostics"].stream.stream_state.__dict__  # type: ignore[union-attr]
        devices = {part["partition"]["device_id"] for part in blob["states"]}
        assert devices == {*cloud.fleet.rows("devices"), *cloud.fleet.rows("devices", cloud.fleet.product_ids[0])}
        assert all(list(part["partition"]) == ["device_id"] for part in blob["states"])


@pytest.mark.parametrize("skew", [-600, 0, 600])
def test_a_state_older_than_30_days_is_clipped_to_what_the_api_has(skew: float) -> None:
    with _cloud(Switches(clock_skew=skew)) as cloud:
        device = next(iter(cloud.fleet.rows("devices")))
        old = _iso(datetime.now(timezone.utc) - timedelta(days=200))
        state = _state(states=[{"partition": {"device_id": device}, "cursor": {"updated_at": old}}])

        result = sync(with_token(cloud, diagnostics={"device_id": device}), "diagnostics", state=state)

        assert not result.errors
        assert not cloud.ledger.compare("diagnostics", {"device_id": device}, result.records["diagnostics"])


@pytest.mark.parametrize("days", [-10, -2, 2])
def test_all_that_the_api_keeps_is_read_whatever_this_machines_clock_says(days: int) -> None:
    size = FleetSize(products=0, user_devices=2, days=29, samples=False)
    with DeviceCloud(Fleet.seeded(size, now=datetime.now(timezone.utc) + timedelta(days=days))) as cloud:
        result = sync(with_token(cloud), "diagnostics")

        assert not result.errors
        assert not cloud.ledger.compare("diagnostics", {}, result.records["diagnostics"])


def test_a_start_that_has_become_too_old_while_the_request_waited_is_asked_for_anew() -> None:
    with _cloud() as cloud:
        clock = cloud.fleet.clock
        wait = Fault(
            "GET /v1/diagnostics/:id", at=2, status=429, run=lambda: setattr(clock, "skew", clock.skew + 1_200)
        )
        cloud.faults.add(wait)

        result = sync(with_token(cloud), "diagnostics")

        assert not result.errors
        assert not cloud.ledger.compare("diagnostics", {}, result.records["diagnostics"])


@pytest.mark.parametrize(
    ("table", "days"), [("metrics_online", -3), ("metrics_online", 3), ("location_history", 3), ("ledger_versions", 3)]
)
def test_a_history_begins_30_days_ago_by_the_clock_of_the_api(table: str, days: int) -> None:
    with _cloud(Switches(clock_skew=days * 86_400.0)) as cloud:
        product = str(cloud.fleet.product_ids[0])
        of_owner = {"owner_type": "product", "owner": product}
        options = of_owner if table == "ledger_versions" else {"product_id_or_slug": product}
        mark = cloud.ledger.mark()

        result = sync(with_token(cloud, **{table: options}), table)

        assert not result.errors
        assert result.records[table]
        assert not cloud.ledger.compare(table, options, result.records[table], since=mark)


@pytest.mark.parametrize(
    "start", ["2020-01-01", "2020-01-01T00:00:00Z", "2020-01-01T00:00:00.123456+02:00", "2020-01-01T00:00Z"]
)
def test_a_start_date_long_ago_reads_all_that_the_api_has(start: str) -> None:
    with _cloud() as cloud:
        result = sync(with_token(cloud, diagnostics={"start_date": start}), "diagnostics")

        assert not result.errors
        assert not cloud.ledger.compare("diagnostics", {"start_date": start}, result.records["diagnostics"])


def test_start_is_inclusive_and_end_is_exclusive_to_the_millisecond() -> None:
    with _cloud() as cloud:
        device = next(key for key in cloud.fleet.rows("devices") if len(cloud.fleet.vitals(key)) > 2)
        everything = cloud.ledger.records("diagnostics", {"device_id": device})
        stamps = sorted(record["updated_at"] for record in everything if len(record["updated_at"]) == 24)
        options = {"device_id": device, "start_date": stamps[0], "end_date": stamps[-1]}

        result = sync(with_token(cloud, diagnostics=options), "diagnostics")

        found = {record["updated_at"] for record in result.records["diagnostics"]}
        assert stamps[0] in found
        assert stamps[-1] not in found
        assert not cloud.ledger.compare("diagnostics", options, result.records["diagnostics"])


def test_devices_that_the_api_refuses_keep_their_cursor() -> None:
    with _cloud(Switches(vitals_absent=404)) as cloud:
        silent = cloud.fleet.add_device(cloud.fleet.product_ids[0])
        config = with_token(cloud, diagnostics=WHOLE_FLEET)
        first = sync(config, "diagnostics", incremental=True)
        assert f"{silent} (404)" in first.warnings
        cloud.switches = Switches()
        new = cloud.fleet.add_vitals(silent, at=cloud.fleet.now - timedelta(days=2))

        second = sync(config, "diagnostics", state=first.state)

        assert (silent, new["updated_at"]) in _keys(second.records["diagnostics"])


def test_one_device_that_fails_leaves_the_others_whole_and_itself_unmoved() -> None:
    with _cloud() as cloud:
        devices = [key for key in cloud.fleet.rows("devices") if cloud.fleet.vitals(key)]
        cloud.faults.add(Fault("GET /v1/diagnostics/:id", path=f"/v1/diagnostics/{devices[0]}", status=503, times=None))
        config = with_token(cloud)
        first = sync(config, "diagnostics", incremental=True)
        assert "again later" in first.errors
        assert first.statuses["diagnostics"][-1] == "INCOMPLETE"
        others = {record["device_id"] for record in cloud.ledger.records("diagnostics")} - {devices[0]}
        assert {record["device_id"] for record in first.records["diagnostics"]} == others
        cloud.faults.clear()

        second = sync(config, "diagnostics", state=first.state)

        expected = [record for record in cloud.ledger.records("diagnostics") if record["device_id"] == devices[0]]
        arrived = [record for record in second.records["diagnostics"] if record["device_id"] == devices[0]]
        assert len(arrived) == len(expected) > 0


@pytest.mark.parametrize("ahead", [timedelta(hours=2), timedelta(days=27_000)], ids=["two hours", "2099"])
def test_a_report_from_the_future_does_not_stop_its_device(ahead: timedelta) -> None:
    with _cloud() as cloud:
        device = next(key for key in cloud.fleet.rows("devices") if cloud.fleet.vitals(key))
        config = with_token(cloud, diagnostics={"device_id": device})
        cloud.fleet.add_vitals(device, cloud.fleet.clock.now() + ahead)
        first = sync(config, "diagnostics", incremental=True)
        assert not cloud.ledger.compare("diagnostics", {"device_id": device}, first.records["diagnostics"])
        new = cloud.fleet.add_vitals(device)

        second = sync(config, "diagnostics", state=first.state)

        assert not second.errors
        assert (device, new["updated_at"]) in _keys(second.records["diagnostics"])
        assert len(second.records["diagnostics"]) <= 3, "Fix: the sync resumes at the newest report that is not ahead"


def test_reports_that_become_visible_late_arrive_within_lookback() -> None:
    with _cloud() as cloud:
        device = next(key for key in cloud.fleet.rows("devices") if cloud.fleet.vitals(key))
        # The API tells its time in whole seconds, and a report ahead of that is none to resume at.
        cloud.fleet.add_vitals(device, cloud.fleet.clock.now() - timedelta(minutes=1))
        for lookback, arrives in ((0, False), (7200, True)):
            config = with_token(cloud, diagnostics={"device_id": device, "lookback_seconds": lookback})
            first = sync(config, "diagnostics", incremental=True)
            late = cloud.fleet.add_vitals(device, cloud.fleet.clock.now() - timedelta(hours=1))

            second = sync(config, "diagnostics", state=first.state)

            assert not second.errors
            assert ((device, late["updated_at"]) in _keys(second.records["diagnostics"])) == arrives


@pytest.fixture
def _few_cursors(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the CDK switch to one cursor for all beyond three devices, not ten thousand."""
    monkeypatch.setattr(ConcurrentPerPartitionCursor, "SWITCH_TO_GLOBAL_LIMIT", 3)


@pytest.mark.usefixtures("_few_cursors")
def test_beyond_the_limit_of_cursors_the_log_says_what_is_kept_and_names_the_remedy() -> None:
    with _cloud() as cloud:
        result = sync(with_token(cloud, diagnostics=WHOLE_FLEET), "diagnostics", incremental=True)

        assert not result.errors
        assert "one cursor for all of them" in result.warnings
        assert "split the fleet into several sources by product_id_or_slug" in result.warnings
        assert not cloud.ledger.compare("diagnostics", WHOLE_FLEET, result.records["diagnostics"])


@pytest.mark.usefixtures("_few_cursors")
def test_beyond_the_limit_of_cursors_known_devices_lose_nothing_and_new_ones_their_past() -> None:
    with _cloud() as cloud:
        config = with_token(cloud, diagnostics=WHOLE_FLEET)
        first = sync(config, "diagnostics", incremental=True)
        now = cloud.fleet.clock.now()
        known = list(cloud.fleet.rows("devices", cloud.fleet.product_ids[0]))
        news = {(device, str(cloud.fleet.add_vitals(device)["updated_at"])) for device in known}
        joined = cloud.fleet.add_device(cloud.fleet.product_ids[0])
        past = (joined, str(cloud.fleet.add_vitals(joined, now - timedelta(days=2))["updated_at"]))
        news.add((joined, str(cloud.fleet.add_vitals(joined)["updated_at"])))

        second = sync(config, "diagnostics", state=first.state)

        assert not second.errors
        assert news <= _keys(second.records["diagnostics"])
        # The documented loss: a full refresh has it.
        assert past not in _keys(second.records["diagnostics"])
        assert past in _keys(sync(config, "diagnostics").records["diagnostics"])
        [state] = [AirbyteStateMessageSerializer.dump(part) for part in second.state]
        assert state["stream"]["stream_state"]["use_global_cursor"]
        assert len(json.dumps(state["stream"]["stream_state"])) < 1_500


@pytest.mark.usefixtures("_few_cursors")
def test_old_cursors_of_devices_that_are_gone_cost_no_new_device_its_past() -> None:
    with _cloud() as cloud:
        old = "2020-01-01T00:00:00.000Z"
        gone = [{"partition": {"device_id": f"{key:024x}"}, "cursor": {"updated_at": old}} for key in range(4)]
        device = next(key for key in cloud.fleet.rows("devices") if cloud.fleet.vitals(key))

        result = sync(with_token(cloud, diagnostics={"device_id": device}), "diagnostics", state=_state(states=gone))

        assert not cloud.ledger.compare("diagnostics", {"device_id": device}, result.records["diagnostics"])
        blob = vars(result.states["diagnostics"].stream.stream_state)  # type: ignore[union-attr]
        assert not blob["use_global_cursor"]
        assert [part["partition"]["device_id"] for part in blob["states"]] == [device]


@pytest.mark.slow
def test_beyond_ten_thousand_devices_every_device_arrives() -> None:
    size = FleetSize(products=1, devices=10_050, sims=0, days=0, user_devices=0, user_sims=0, samples=False)
    with DeviceCloud(Fleet.seeded(size), Switches(rate_limit=(100_000, 300))) as cloud:
        config = with_token(cloud, diagnostics=WHOLE_FLEET, requests_per_5_minutes=100_000)

        result = sync(config, "diagnostics", incremental=True)

        assert not result.errors
        assert "one cursor for all of them" in result.warnings
        assert "several sources by product_id_or_slug" in result.warnings
        assert not cloud.ledger.compare("diagnostics", WHOLE_FLEET, result.records["diagnostics"])
