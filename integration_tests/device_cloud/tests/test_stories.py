"""The data of a fleet is consistent: a device's record, vitals and SIM agree."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta, timezone
from itertools import pairwise
from typing import Any

from integration_tests.device_cloud import Fleet, FleetSize
from integration_tests.device_cloud.clock import parse_iso
from integration_tests.device_cloud.stories import AWKWARD

NOW = datetime(2026, 5, 24, 12, 0, tzinfo=timezone.utc)
SIZE = FleetSize(products=2, devices=500, sims=250, days=6, samples=False)
FLEET = Fleet.seeded(SIZE, seed=3, now=NOW)
MEMBERS = [
    device for product in FLEET.product_ids for device in list(FLEET.rows("devices", product).values())[AWKWARD:500]
]
DAY = timedelta(days=1)


def heard(device: Mapping[str, Any]) -> datetime:
    """Return when a device was heard last."""
    moment = parse_iso(device["last_heard"])
    assert moment
    return moment


def reports(device: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return what a device reported, oldest first."""
    return [vital.record["payload"]["device"] for vital in FLEET.vitals(device["id"])]


def test_who_is_online_was_heard_within_the_hour() -> None:
    online = [device for device in MEMBERS if device["online"]]
    assert 0.75 < len(online) / len(MEMBERS) < 0.9
    assert all(NOW - heard(device) < timedelta(hours=1) for device in online)


def test_a_few_are_silent_and_report_nothing_since() -> None:
    silent = [device for device in MEMBERS if NOW - heard(device) > DAY]
    assert 0.02 < len(silent) / len(MEMBERS) < 0.09
    # Some reports are spelt with microseconds of their own.
    second = timedelta(seconds=1)
    assert all(vital.moment < heard(device) + second for device in silent for vital in FLEET.vitals(device["id"]))
    empty = [charge for device in silent for charge in [*charges(device)][-1:] if charge < 7]
    assert empty


def charges(device: Mapping[str, Any]) -> Iterator[float]:
    """Yield the charge of a device's battery, oldest first."""
    for report in reports(device):
        if "power" in report:
            charge = report["power"].get("battery", {}).get("charge", {})
            if not isinstance(charge, dict):
                yield charge


def test_batteries_discharge() -> None:
    rising = falling = 0
    for device in MEMBERS:
        measured = [*charges(device)]
        if measured and measured[0] < 96:
            falling += sum(later < earlier for earlier, later in pairwise(measured))
            rising += sum(later > earlier for earlier, later in pairwise(measured))
    assert falling > 100
    assert rising < 0.05 * falling


def test_percentages_are_percentages() -> None:
    values = [charge for device in MEMBERS for charge in charges(device)]
    for device in MEMBERS:
        for report in reports(device):
            signal = report["network"]["signal"]
            values += [signal[name] for name in ("strength", "quality") if not isinstance(signal[name], dict)]
    assert len(values) > len(MEMBERS)
    assert 0 <= min(values) <= max(values) <= 100


def test_most_run_the_release() -> None:
    versions = Counter(device["firmware_version"] for device in MEMBERS)
    assert versions.keys() == {1, 2, 3, 4, 5}
    assert versions[4] > 0.6 * len(MEMBERS)
    assert all(device["development"] for device in MEMBERS if device["firmware_version"] == 5)


def test_no_sim_is_above_its_limit_and_who_is_at_it_is_paused() -> None:
    paused = 0
    for iccid, sim in list(FLEET.rows("sims", FLEET.product_ids[0]).items())[AWKWARD:]:
        used = sum(day["mbs_used"] for day in FLEET.usage(iccid)["usage_by_day"])
        assert used <= sim["mb_limit"] + 1e-9
        assert (sim["status"] == "inactive_data_limit_reached") == (round(used, 6) == sim["mb_limit"])
        paused += sim["status"] != "active"
    assert 0 < paused < 15


def test_a_device_names_the_sim_that_names_it() -> None:
    product = FLEET.product_ids[0]
    devices, sims = FLEET.rows("devices", product), FLEET.rows("sims", product)
    named = {sim["last_device_id"]: iccid for iccid, sim in sims.items() if sim.get("last_device_id")}
    assert len(named) > 200
    assert all(devices[device]["iccid"] == iccid for device, iccid in named.items())
