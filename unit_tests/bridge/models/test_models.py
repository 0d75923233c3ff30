"""What the models say of small fleets."""

import os
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bridge.tables.catalog import chosen_tables
from unit_tests.support.lakes import NOW, Opener, ago, ask, member, vitals


@pytest.mark.parametrize(
    ("device", "reported", "hours", "contact"),
    [
        ({"last_heard": ago(minutes=59)}, None, 0, "1 under an hour"),
        ({"last_heard": ago(hours=1)}, None, 1, "2 1 to 24 hours"),
        ({"last_heard": ago(hours=23, minutes=59)}, None, 23, "2 1 to 24 hours"),
        ({"last_heard": ago(hours=24)}, None, 24, "3 1 to 7 days"),
        ({"last_heard": ago(days=7)}, None, 168, "4 7 to 30 days"),
        ({"last_heard": ago(days=30)}, None, 720, "5 over 30 days"),
        ({"last_heard": None, "last_handshake_at": ago(hours=5)}, None, 5, "2 1 to 24 hours"),
        ({"last_heard": ago(days=9)}, ago(hours=2), 2, "2 1 to 24 hours"),
        ({"last_heard": ago(hours=-1)}, None, 0, "1 under an hour"),
        ({"last_heard": "yesterday"}, None, None, "6 never heard"),
        ({}, None, None, "6 never heard"),
    ],
)
def test_silence_is_counted_from_the_last_sign_of_life(
    opened: Opener, device: dict[str, Any], reported: str | None, hours: int | None, contact: str
) -> None:
    reports = [vitals("a1", reported)] if reported else []
    lake = opened(product_devices=[member("a1", **device)], diagnostics=reports)
    assert ask(lake, "SELECT silent_hours, last_contact, is_silent FROM fleet") == [
        (hours, contact, hours is not None and hours >= 24)
    ]


def test_silence_is_counted_up_to_when_the_list_was_synced(opened: Opener, tmp_path: Path) -> None:
    last_heard = ago(hours=80)
    opened(
        product_devices=[member("a", last_heard=last_heard)],
        devices=[{"id": "b", "product_id": 13, "platform_id": 13, "last_heard": last_heard}],
        user=[],
    )
    for table, hours in (("product_devices", 72), ("devices", 30)):
        _set_time(tmp_path / "lake" / table / "part-0.parquet", NOW - timedelta(hours=hours))
    silence = ask(opened(), "SELECT device_id, silent_hours, is_silent FROM fleet ORDER BY device_id")
    assert silence == [("a", 8, False), ("b", 50, True)]


def _set_time(file: Path, moment: datetime) -> None:
    os.utime(file, (moment.timestamp(), moment.timestamp()))


def test_a_device_in_several_lists_is_one_row(opened: Opener) -> None:
    lake = opened(
        product_devices=[member("a1"), {**member("a1"), "product_id_or_slug": "8"}, member("b2")],
        devices=[{"id": "a1", "product_id": 7, "platform_id": 13}, {"id": "c3", "product_id": 13, "platform_id": 13}],
        products=[{"id": 7, "slug": "pumps", "name": "Pumps"}],
    )
    rows = ask(lake, "SELECT device_id, product, product_name FROM fleet ORDER BY device_id")
    assert rows == [("a1", "7", "Pumps"), ("b2", "7", "Pumps"), ("c3", None, "no product")]


def test_two_products_of_one_name_can_be_told_apart(opened: Opener) -> None:
    lake = opened(
        product_devices=[
            member("a", product_id_or_slug="7"),
            member("b", product_id_or_slug="pumps-2"),
            member("c", product_id_or_slug="9"),
            member("d", product_id_or_slug="10"),
        ],
        products=[
            {"id": 7, "slug": "pumps", "name": "Pumps"},
            {"id": 8, "slug": "pumps-2", "name": "Pumps"},
            {"id": 9, "slug": "fans", "name": "Fans"},
            {"id": 10, "slug": "unnamed-1"},
            {"id": 11, "slug": "unnamed-2"},
        ],
    )
    rows = ask(lake, "SELECT device_id, product_name FROM fleet ORDER BY device_id")
    assert rows == [("a", "Pumps (7)"), ("b", "Pumps (8)"), ("c", "Fans"), ("d", "10")]


def test_a_product_has_its_name_whichever_way_it_was_asked_for(opened: Opener) -> None:
    lake = opened(
        product_devices=[{**member("a1"), "product_id_or_slug": "pumps"}],
        products=[{"id": 7, "slug": "pumps", "name": "Pumps"}],
    )
    assert ask(lake, "SELECT product, product_name FROM fleet") == [("pumps", "Pumps")]


def test_versions_are_counted_from_the_release(opened: Opener) -> None:
    running = {"a": 12, "b": 12, "c": 11, "d": 9, "e": None}
    fleet = [member(name, firmware_version=version) for name, version in running.items()]
    trial = member("f", firmware_version=14, development=True)
    locked = member("g", firmware_version=9, desired_firmware_version=9)
    lake = opened(product_devices=[*fleet, trial, locked])
    rows = ask(
        lake,
        "SELECT firmware_version, release_version, versions_behind, is_newer, devices, locked_devices "
        "FROM firmware_rollout ORDER BY 1 DESC NULLS LAST",
    )
    assert rows == [
        (14, 12, 0, True, 1, 0),
        (12, 12, 0, False, 2, 0),
        (11, 12, 1, False, 1, 0),
        (9, 12, 2, False, 2, 1),
        (None, 12, None, False, 1, 0),
    ]
    assert ask(lake, "SELECT COUNT(*) FROM fleet WHERE is_behind") == [(3,)]
    assert ask(lake, "SELECT device_id FROM fleet WHERE is_newer") == [("f",)]


def test_a_release_that_is_on_its_way_is_the_release(opened: Opener) -> None:
    lake = opened(product_devices=[member("a", firmware_version=3, targeted_firmware_release_version=4)])
    assert ask(lake, "SELECT release_version, is_behind FROM fleet") == [(4, True)]
    assert ask(lake, "SELECT versions_behind FROM firmware_rollout") == [(1,)]


def test_what_is_released_to_the_product_is_the_release_whatever_its_devices_run(opened: Opener) -> None:
    versions = {3: False, 4: True, 5: False}
    firmware = [
        {"product_id_or_slug": "7", "version": version, "product_default": is_default}
        for version, is_default in versions.items()
    ]
    other = [{"product_id_or_slug": "8", "version": 9, "product_default": None}]
    on_trial, in_time, late = (
        member(name, firmware_version=version) for name, version in (("a", 5), ("b", 4), ("c", 3))
    )
    elsewhere = {**member("d", firmware_version=2), "product_id_or_slug": "8"}
    lake = opened(product_firmware=[*firmware, *other], product_devices=[on_trial, in_time, late, elsewhere])
    rows = ask(lake, "SELECT device_id, release_version, is_behind, is_newer FROM fleet ORDER BY device_id")
    assert rows == [("a", 4, False, True), ("b", 4, False, False), ("c", 4, True, False), ("d", 2, False, False)]


def test_versions_in_between_count_even_if_no_device_runs_them(opened: Opener) -> None:
    listed = [
        {"product_id_or_slug": product, "version": version, "product_default": version == 6}
        for product, version in (("7", 3), ("7", 4), ("7", 6), ("7", 7), ("8", 5))
    ]
    running = [member(name, firmware_version=version) for name, version in (("a", 3), ("b", 5), ("c", 6), ("d", 7))]
    lake = opened(product_firmware=listed, product_devices=running)
    rows = ask(lake, "SELECT firmware_version, versions_behind FROM firmware_rollout ORDER BY 1")
    # 4, 5 and 6; 6; the release; newer.
    assert rows == [(3, 3), (5, 1), (6, 0), (7, 0)]


def test_a_product_of_development_devices_alone_has_no_release_to_be_behind(opened: Opener) -> None:
    lake = opened(product_devices=[member("a", firmware_version=3, development=True)])
    assert ask(lake, "SELECT release_version, versions_behind, is_newer FROM firmware_rollout") == [(None, None, False)]


def test_restarts_and_disconnects_are_what_each_report_adds(opened: Opener) -> None:
    def report(hours: int, uptime: int, disconnects: int) -> dict[str, Any]:
        cloud = {"connection": {"disconnects": disconnects}}
        return vitals("a", ago(hours=hours), system={"uptime": uptime}, cloud=cloud)

    # Started 100 h ago with 5 disconnects so far; 2 more; a restart and 1; nothing.
    lake = opened(diagnostics=[report(9, 90 * 3600, 5), report(8, 91 * 3600, 7), report(7, 60, 1), report(6, 3660, 1)])
    assert ask(lake, "SELECT reports, restarts, disconnects FROM connectivity") == [(4, 1, 3)]


def test_the_last_vitals_are_those_of_the_latest_report(opened: Opener) -> None:
    def charge(percent: Any) -> dict[str, Any]:
        return {"power": {"battery": {"charge": percent}}}

    lake = opened(
        product_devices=[member("a"), member("b")],
        diagnostics=[
            vitals("a", ago(days=2), **charge(80)),
            vitals("a", ago(days=1), **charge(19.5)),
            vitals("b", ago(days=1), **charge({"err": -210})),
        ],
    )
    rows = ask(lake, "SELECT device_id, battery_percent, is_battery_low FROM fleet ORDER BY device_id")
    assert rows == [("a", 19.5, True), ("b", None, False)]


@pytest.mark.parametrize(
    ("age", "hours", "is_old"),
    [({"hours": 167, "minutes": 59}, 167, False), ({"days": 7}, 168, True), ({"hours": -1}, 0, False)],
)
def test_vitals_are_old_after_a_week_even_if_the_device_was_heard_since(
    opened: Opener, age: dict[str, int], hours: int, is_old: bool
) -> None:
    lake = opened(product_devices=[member("a", last_heard=ago(hours=1))], diagnostics=[vitals("a", ago(**age))])
    assert ask(lake, "SELECT vitals_hours, is_vitals_old, is_silent FROM fleet") == [(hours, is_old, False)]


def test_usage_is_held_against_the_limit_and_forecast_for_the_whole_period(opened: Opener) -> None:
    days = [{"date": f"2026-11-{day:02}", "mbs_used": 0.5} for day in range(1, 11)]
    lake = opened(
        product_sims=[{"product_id_or_slug": "7", "iccid": "1", "mb_limit": 10}, {"iccid": "2"}],
        sim_data_usage=[{"iccid": "1", "usage_by_day": days}, {"iccid": "2", "usage_by_day": []}],
    )
    rows = ask(lake, "SELECT mb_used, percent_of_limit, mb_forecast, forecast_percent_of_limit FROM sim_usage")
    assert sorted(rows, key=str) == [(5.0, 50.0, 15.0, 150.0), (None, None, None, None)]


def test_a_limit_is_used_up_although_the_sum_of_the_days_is_a_little_below_it(opened: Opener) -> None:
    days = [{"date": f"2026-11-{day:02}", "mbs_used": 0.1} for day in range(1, 11)]
    assert sum([0.1] * 10) < 1
    lake = opened(
        product_sims=[{"product_id_or_slug": "7", "iccid": "1", "mb_limit": 1}],
        sim_data_usage=[{"iccid": "1", "usage_by_day": days}],
    )
    assert ask(lake, "SELECT mb_used, percent_of_limit FROM sim_usage") == [(1.0, 100.0)]


def test_a_sim_that_was_stopped_has_reached_its_limit_whatever_the_days_add_up_to(opened: Opener) -> None:
    stopped = {"product_id_or_slug": "7", "status": "inactive_data_limit_reached"}
    active = {"product_id_or_slug": "7", "status": "active", "mb_limit": 10}
    used = {"2": 1.0, "3": 9.9, "4": 10.0}
    lake = opened(
        product_sims=[{**stopped, "iccid": "1"}, {**stopped, "iccid": "2", "mb_limit": 10}]
        + [{**active, "iccid": iccid} for iccid in ("3", "4")],
        sims=[{"iccid": "5"}],
        sim_data_usage=[
            {"iccid": iccid, "usage_by_day": [{"date": "2026-11-01", "mbs_used": used[iccid]}]} for iccid in used
        ],
    )
    rows = ask(lake, "SELECT iccid, is_stopped, is_at_limit FROM sim_usage ORDER BY iccid")
    assert rows == [
        ("1", True, True),
        ("2", True, True),
        ("3", False, False),
        ("4", False, True),
        ("5", False, False),
    ]


def test_the_limit_of_the_product_holds_where_a_sim_has_none(opened: Opener) -> None:
    lake = opened(
        product_sims=[
            {"product_id_or_slug": "7", "iccid": "1"},
            {"product_id_or_slug": "7", "iccid": "2", "mb_limit": 3},
        ],
        products=[{"id": 7, "mb_limit": 25}],
    )
    assert ask(lake, "SELECT iccid, mb_limit FROM sim_usage ORDER BY iccid") == [("1", 25.0), ("2", 3.0)]


def test_freshness_names_every_table_and_which_are_there(opened: Opener) -> None:
    lake = opened(diagnostics=[vitals("a", "2026-11-26T10:00:00.000Z")], user=[])
    rows = ask(lake, "SELECT table_name, is_loaded, row_count, newest_at, hours_since_sync FROM freshness")
    there = {row[0]: row[2:] for row in rows if row[1]}
    assert {row[0] for row in rows} == {part.name for part in chosen_tables()}
    assert there == {"diagnostics": (1, datetime(2026, 11, 26, 10), 0), "user": (0, None, 0)}  # noqa: DTZ001


@pytest.mark.parametrize("table", ["product_locations", "location_history"])
def test_places_are_the_last_of_each_device(table: str, opened: Opener) -> None:
    places = ((8.1, 50.2, "2026-01-01T00:00:00.000Z"), (8.2, 50.3, "2026-01-02T00:00:00.000Z"))
    columns = ("longitude", "latitude", "timestamp")
    lake = opened(**{table: [{"device_id": "a", **dict(zip(columns, place, strict=True))} for place in places]})
    [(device, longitude, latitude)] = ask(lake, "SELECT device_id, longitude, latitude FROM last_places")
    assert (device, float(longitude), float(latitude)) == ("a", 8.2, 50.3)
