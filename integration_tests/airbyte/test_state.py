"""Every state that a platform may pass: of a first or later sync, the future, an older form, an interrupted sync."""

import json
import os
import subprocess
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from airbyte_cdk.models import (
    AirbyteMessage,
    AirbyteStateMessage,
    AirbyteStateMessageSerializer,
    ConfiguredAirbyteCatalogSerializer,
)

from bridge.reading.times import iso_ms, moment_of
from bridge.tables.catalog import tables
from integration_tests.airbyte.syncs import State, command_of, sync, with_token
from integration_tests.device_cloud import DeviceCloud, Fault, Fleet, FleetSize, Switches
from unit_tests.support.catalogs import catalog_of
from unit_tests.support.kinds import one_of_each_kind
from unit_tests.support.paths import ROOT

SOME = tuple(part.name for part in one_of_each_kind())
Key = tuple[str, str]

YESTERDAY = iso_ms(datetime.now(timezone.utc) - timedelta(hours=20))
NEXT_YEAR = iso_ms(datetime.now(timezone.utc) + timedelta(days=365))


def _at(moment: str) -> dict[str, Any]:
    """A state as this version writes it; `{device}` stands for each device in turn."""
    cursor = {"partition": {"device_id": "{device}"}, "cursor": {"updated_at": moment}}
    return {"use_global_cursor": False, "states": [cursor]}


# States, and what is left to read with each.
STATES: dict[str, tuple[dict[str, Any], str]] = {
    "a first sync": ({}, "everything"),
    "a later sync": (_at(YESTERDAY), "newer"),
    "the future": (_at(NEXT_YEAR), "everything"),
    "one cursor for all, in the future": (
        {"use_global_cursor": True, "state": {"updated_at": NEXT_YEAR}},
        "everything",
    ),
    "one cursor for all, longer ago than the API keeps": (
        {"use_global_cursor": True, "state": {"updated_at": "2020-01-01T00:00:00.000Z"}},
        "everything",
    ),
    "longer ago than the API keeps": (_at("2020-01-01T00:00:00.000Z"), "everything"),
    "without milliseconds": (_at(f"{YESTERDAY[:19]}Z"), "newer"),
    "with an offset": (_at(f"{YESTERDAY[:19]}+00:00"), "newer"),
    "without an offset": (_at(YESTERDAY[:19]), "newer"),
    "a bare date": (_at(YESTERDAY[:10]), "since that day"),
    "a device that is gone": (
        {"states": [{"partition": {"device_id": "0" * 24}, "cursor": {"updated_at": NEXT_YEAR}}]},
        "everything",
    ),
    "one cursor for all, as the CDK keeps beyond 10,000 devices": (
        {"use_global_cursor": True, "state": {"updated_at": YESTERDAY}, "lookback_window": 0},
        "newer",
    ),
    "one cursor for the stream, as a source without devices writes": ({"updated_at": YESTERDAY}, "newer"),
    "cursors by device of a CDK before global cursors": ({"states": _at(YESTERDAY)["states"]}, "newer"),
    "unknown parts": ({**_at(YESTERDAY), "parent_state": {}, "newer_part": 1}, "newer"),
}
BROKEN: dict[str, dict[str, Any]] = {
    "a time that is none": {"states": [{"partition": {"device_id": "a"}, "cursor": {"updated_at": "yesterday"}}]},
    "no time": {"states": [{"partition": {"device_id": "a"}, "cursor": {"updated_at": None}}]},
    "a number": {"states": [{"partition": {"device_id": "a"}, "cursor": {"updated_at": 1_700_000_000}}]},
    "no cursor": {"states": [{"partition": {"device_id": "a"}}]},
    "no list": {"states": "none"},
    "null in place of the list": {"states": None},
    "no device": {"states": [{"cursor": {"updated_at": YESTERDAY}}]},
    "a time for all that is none": {"use_global_cursor": True, "state": {"updated_at": "yesterday"}},
    "a time of the stream that is none": {"updated_at": ""},
    "a time beyond all time": _at("9999-12-31T23:59:59-14:00"),
    "a time in words of another format": _at("2026-W01-1"),
    "a lookback that is none": {
        "use_global_cursor": True,
        "state": {"updated_at": YESTERDAY},
        "lookback_window": "x",
    },
}


@pytest.fixture(scope="module")
def small() -> Iterator[DeviceCloud]:
    """A few devices with vitals of three days; nothing changes it."""
    size = FleetSize(products=1, devices=3, sims=0, days=3, user_devices=4, user_sims=0, samples=False)
    with DeviceCloud(Fleet.seeded(size)) as cloud:
        yield cloud


def _state(blob: dict[str, Any], devices: list[str]) -> State:
    for_each = [
        json.loads(json.dumps(cursor).replace("{device}", device))
        for device in devices
        for cursor in blob.get("states") or ()
        if isinstance(blob["states"], list)
    ]
    filled = {**blob, "states": for_each} if for_each else blob
    stream = {"stream_descriptor": {"name": "diagnostics"}, "stream_state": filled}
    return [AirbyteStateMessageSerializer.load({"type": "STREAM", "stream": stream})]


def _devices(cloud: DeviceCloud) -> list[str]:
    return sorted({record["device_id"] for record in cloud.ledger.records("diagnostics")})


def _keys(records: list[dict[str, Any]]) -> set[Key]:
    return {(record["device_id"], record["updated_at"]) for record in records}


def _cursors(state: AirbyteStateMessage) -> dict[str, datetime]:
    """The time of each device in a state, under "" the one of all."""
    assert state.stream is not None
    blob = vars(state.stream.stream_state)
    cursors = {one["partition"]["device_id"]: one["cursor"]["updated_at"] for one in blob.get("states", ())}
    shared = blob.get("state", {}).get("updated_at") or blob.get("updated_at")
    return {name: moment_of(text) for name, text in {**cursors, **({"": shared} if shared else {})}.items()}


@pytest.mark.parametrize("name", STATES)
def test_a_sync_reads_what_its_state_leaves_and_no_cursor_goes_back(small: DeviceCloud, name: str) -> None:
    blob, left = STATES[name]
    state = _state(blob, _devices(small))

    result = sync(with_token(small), "diagnostics", state=state)

    assert not result.errors
    everything = _keys(small.ledger.records("diagnostics"))
    newer = {key for key in everything if moment_of(key[1]) >= moment_of(YESTERDAY)}
    assert 0 < len(newer) < len(everything)
    since_that_day = {key for key in everything if key[1] >= YESTERDAY[:10]}
    expected = {"everything": everything, "newer": newer, "since that day": since_that_day}[left]
    assert _keys(result.records["diagnostics"]) == expected
    before, after = _cursors(state[0]), _cursors(result.states["diagnostics"])
    assert max(after.values()) <= datetime.now(timezone.utc)
    before = {device: moment for device, moment in before.items() if moment < datetime.now(timezone.utc)}
    assert [device for device, moment in before.items() if device in after and after[device] < moment] == []
    assert max(after.values()) >= max(moment_of(stamp) for _, stamp in everything)


@pytest.mark.parametrize("name", BROKEN)
def test_a_state_without_a_time_is_refused_with_a_reason(small: DeviceCloud, name: str) -> None:
    result = sync(with_token(small), "diagnostics", state=_state(BROKEN[name], ["a"]))

    assert "diagnostics: the state of the sync cannot be used" in result.errors
    assert "Clear the stream" in result.errors
    assert not result.records


def test_a_sync_cut_after_any_state_resumes_there(small: DeviceCloud) -> None:
    config = with_token(small, diagnostics={"product_id_or_slug": "*"}, num_workers=2)
    whole = sync(config, "diagnostics", incremental=True)
    everything = _keys(small.ledger.records("diagnostics", {"product_id_or_slug": "*"}))
    places = [place for place, message in enumerate(whole.messages) if message.state]
    assert len(places) >= 2

    before: dict[str, datetime] = {}
    for place in places:
        state = whole.messages[place].state
        assert state is not None
        now = _cursors(state)
        assert [device for device in before if now[device] < before[device]] == []
        before = now

        rest = sync(config, "diagnostics", state=[state])

        assert _read(whole.messages[:place]) | _keys(rest.records["diagnostics"]) == everything


def _read(messages: list[AirbyteMessage]) -> set[Key]:
    return _keys([dict(message.record.data) for message in messages if message.record])


def test_a_sync_that_is_killed_resumes_from_its_last_state(small: DeviceCloud, tmp_path: Path) -> None:
    config = with_token(small, num_workers=2)
    # Slow, because what is printed comes when more than a tenth of a second has passed; the last device never answers.
    small.switches = Switches(latency=0.2)
    small.faults.add(Fault("GET /v1/diagnostics/:id", at=5, delay=60))
    catalog = ConfiguredAirbyteCatalogSerializer.dump(catalog_of("diagnostics", incremental=True))
    command = command_of("read", tmp_path, config=config, catalog=catalog)
    seen: set[Key] = set()
    state = None
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            message = json.loads(line)
            if message["type"] == "RECORD":
                seen |= _keys([message["record"]["data"]])
            if message["type"] == "STATE":
                state = AirbyteStateMessageSerializer.load(message["state"])
                break
        process.kill()
    small.switches = Switches()
    small.reset()
    assert state is not None

    rest = sync(config, "diagnostics", state=[state])

    everything = _keys(small.ledger.records("diagnostics"))
    assert seen < everything, "the sync was not cut short"
    assert seen | _keys(rest.records["diagnostics"]) == everything
    assert seen - _keys(rest.records["diagnostics"]), "the sync began anew"


# ---- full refresh and incremental, together and apart ----


def test_two_full_refreshes_give_the_same(small: DeviceCloud) -> None:
    once, again = (sync(with_token(small), *SOME) for _ in range(2))
    for table in SOME:
        assert _in_order(once.records[table]) == _in_order(again.records[table]), table


def _in_order(records: list[dict[str, Any]]) -> list[str]:
    return sorted(json.dumps(record, sort_keys=True) for record in records)


def test_one_catalog_may_hold_both_modes(small: DeviceCloud) -> None:
    state = _state(_at(YESTERDAY), _devices(small))

    result = sync(with_token(small), *SOME, state=state, incremental={"diagnostics"})

    assert not result.errors
    others = [table for table in SOME if table != "diagnostics"]
    assert not any(small.ledger.compare(table, {}, result.records[table]) for table in others)
    assert 0 < len(result.records["diagnostics"]) < len(small.ledger.records("diagnostics"))


def test_tables_without_a_cursor_are_read_whole_in_an_incremental_sync_too(small: DeviceCloud) -> None:
    first = sync(with_token(small), *SOME, incremental=True)

    second = sync(with_token(small), *SOME, state=first.state)

    for result in (first, second):
        whole = [table for table in SOME if tables()[table].cursor_field is None]
        assert not any(small.ledger.compare(table, {}, result.records[table]) for table in whole)
