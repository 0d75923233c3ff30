"""The numbers of the report are those of the ledger."""

import re
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from html import unescape
from typing import Any

import pytest

from integration_tests.device_cloud.clock import parse_iso
from integration_tests.report.conftest import Reported

Record = Mapping[str, Any]


class Truth:
    """What the tiles should say, counted from the records that the ledger holds and by no SQL."""

    def __init__(self, reported: Reported) -> None:
        ledger, self.now = reported.cloud.ledger, reported.lake.as_of
        everything = {"product_id_or_slug": "*"}
        members = sorted(ledger.records("product_devices", everything), key=lambda one: one["product_id_or_slug"])
        self.devices: dict[str, Record] = {}
        for record in [*members, *ledger.records("devices")]:
            self.devices.setdefault(record["id"], record)
        self.vitals: dict[str, Record] = {}
        reports = ledger.records("diagnostics", {**everything, "device_id": "*"})
        for report in sorted(reports, key=lambda one: self.moment(one["updated_at"]) or self.now):
            self.vitals[report["device_id"]] = report
        usage = ledger.records("sim_data_usage", {**everything, "iccid": "*"})
        self.used = {one["iccid"]: sum(day["mbs_used"] for day in one.get("usage_by_day") or []) for one in usage}
        self.sims: dict[str, Record] = {}
        for sim in [*ledger.records("product_sims", everything), *ledger.records("sims")]:
            self.sims.setdefault(sim["iccid"], sim)
        self.products = {str(product["id"]): product for product in ledger.records("products")}
        self.firmware = ledger.records("product_firmware", everything)

    @staticmethod
    def moment(text: str | None) -> datetime | None:
        if text and " " in text:
            day, time, offset = text.split(" ")
            text = f"{day}T{time}{offset}"
        return parse_iso(text) if text else None

    def heard(self, device: Record) -> datetime | None:
        report = self.vitals.get(device["id"], {})
        texts = (device.get("last_heard"), device.get("last_handshake_at"), report.get("updated_at"))
        return max(filter(None, map(self.moment, texts)), default=None)

    def silent(self) -> list[str]:
        day_ago = self.now - timedelta(days=1)
        return [key for key, device in self.devices.items() if (heard := self.heard(device)) and heard <= day_ago]

    def online(self) -> list[str]:
        return [key for key, device in self.devices.items() if device.get("online", device.get("connected"))]

    def below(self, limit: float, *path: str) -> list[str]:
        return [
            key for key in self.devices if isinstance(value := self.measured(key, *path), int | float) and value < limit
        ]

    def measured(self, device: str, *path: str) -> Any:
        value: Any = self.vitals.get(device, {}).get("payload", {}).get("device", {})
        for name in path:
            value = value.get(name) or {}
        return value

    def behind(self) -> list[str]:
        releases: dict[str, int] = {}
        for product, device in self._members():
            if device.get("desired_firmware_version") is None and not device.get("development"):
                versions = [device.get("firmware_version"), device.get("targeted_firmware_release_version")]
                releases[product] = max([releases.get(product, 0), *(int(one) for one in versions if one is not None)])
        releases |= {one["product_id_or_slug"]: one["version"] for one in self.firmware if one["product_default"]}
        return [
            device["id"]
            for product, device in self._members()
            if device.get("firmware_version") is not None and int(device["firmware_version"]) < releases.get(product, 0)
        ]

    def _members(self) -> Iterable[tuple[str, Record]]:
        return [(one["product_id_or_slug"], one) for one in self.devices.values() if "product_id_or_slug" in one]

    def at_their_limit(self) -> list[str]:
        found = []
        for iccid, sim in self.sims.items():
            product = self.products.get(str(sim.get("product_id_or_slug", sim.get("product_id"))), {})
            limit = sim.get("mb_limit") or product.get("mb_limit")
            is_stopped = sim.get("status") == "inactive_data_limit_reached"
            if is_stopped or (limit and round(self.used.get(iccid, 0), 6) >= limit):
                found.append(iccid)
        return found


@pytest.fixture(scope="module")
def truth(reported: Reported) -> Truth:
    return Truth(reported)


@pytest.fixture(scope="module")
def tiles(reported: Reported) -> dict[str, int]:
    found = re.findall(r'<span class="label">(.+?)</span><strong>([\d,]+)</strong>', reported.page.read_text("utf-8"))
    return {label: int(number.replace(",", "")) for label, number in found}


def test_the_tiles_say_what_the_ledger_holds(truth: Truth, tiles: dict[str, int]) -> None:
    assert tiles == {
        "Devices": len(truth.devices),
        "Online": len(truth.online()),
        "Silent": len(truth.silent()),
        "Behind": len(truth.behind()),
        "Low battery": len(truth.below(20, "power", "battery", "charge")),
        "Weak signal": len(truth.below(25, "network", "signal", "strength")),
        "Data limit": len(truth.at_their_limit()),
    }
    assert all(tiles.values())


def test_the_silent_devices_are_named(truth: Truth, reported: Reported) -> None:
    section = re.search(r'<section id="silence">(.+?)</section>', reported.page.read_text("utf-8"), re.DOTALL)
    assert section
    text = unescape(section[1])
    silent = truth.silent()
    assert len(silent) < 200
    assert [key for key in silent if key not in text] == []
