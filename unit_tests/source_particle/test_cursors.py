"""Where an incremental sync resumes: what of a state is used, and which records move a cursor."""

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from source_particle.cursors import CursorlessRecord, UsableCursors
from unit_tests.support.built import config


def ago(**time: float) -> str:
    moment = datetime.now(timezone.utc) - timedelta(**time)
    return f"{moment.isoformat(timespec='milliseconds')[:23]}Z"


def of(device: str, moment: str) -> dict[str, Any]:
    return {"partition": {"device_id": device}, "cursor": {"updated_at": moment}}


def migrated(state: dict[str, Any]) -> Any:
    migration = UsableCursors(config=config(), parameters={}, kept_days=30)
    return migration.migrate(state) if migration.should_migrate(state) else state


RECENT = ago(days=2)
PER_DEVICE = {
    "states": [of("d1", RECENT)],
    "state": {"updated_at": RECENT},
    "lookback_window": 7,
    "use_global_cursor": False,
    "parent_state": {},
}


def test_a_device_that_joins_later_does_not_start_where_the_others_are() -> None:
    assert migrated(PER_DEVICE) == {key: PER_DEVICE[key] for key in ("states", "use_global_cursor", "parent_state")}
    assert "state" in PER_DEVICE, "Fix: the state that was given is not to be changed"


@pytest.mark.parametrize(
    "moment",
    [ago(hours=-2), "2099-01-01T00:00:00.000Z", "2099-01-01T00:00:00+02:00", ago(days=40)],
    ids=["soon", "2099", "2099 with an offset", "long ago"],
)
def test_a_cursor_in_the_future_or_older_than_what_the_api_keeps_is_none(moment: str) -> None:
    kept = of("d2", RECENT)
    assert migrated({"use_global_cursor": False, "states": [of("d1", moment), kept]})["states"] == [kept]
    assert migrated({"use_global_cursor": False, "states": [of("d1", moment)]})["states"] == []
    for whole in ({"use_global_cursor": True, "state": {"updated_at": moment}}, {"updated_at": moment}):
        assert migrated(whole) == {}


def test_so_many_old_cursors_that_the_cdk_would_keep_a_single_one_are_forgotten() -> None:
    old = [of(f"d{number}", ago(days=365)) for number in range(10_500)]
    assert migrated({"states": [*old, of("d", RECENT)], "use_global_cursor": False})["states"] == [of("d", RECENT)]


@pytest.mark.parametrize(
    "state",
    [
        {},
        {"use_global_cursor": True, "state": {"updated_at": RECENT}},
        {**PER_DEVICE, "use_global_cursor": True},
        {"updated_at": RECENT},
    ],
    ids=lambda state: "-".join(state) or "empty",
)
def test_a_state_without_a_cursor_for_each_device_is_left_as_it_is(state: dict[str, Any]) -> None:
    assert migrated(state) == state


def test_a_record_from_the_future_is_whole_and_has_no_cursor() -> None:
    data = {"device_id": "d1", "updated_at": "2099-01-01T00:00:00.000Z"}
    record = CursorlessRecord(data, "updated_at")
    assert dict(record) == data
    assert record.get("updated_at") is None
    assert record.get("device_id") == "d1"
