"""A report of a Device Cloud's fleet, and a browser that shows it."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from bridge.models.lake import Lake, open_lake
from bridge.report import write_report
from integration_tests.device_cloud import DeviceCloud, Fleet, FleetSize
from integration_tests.models.lakes import write_lake
from integration_tests.report.browser import Browser, browser

SIZE = FleetSize(products=2, devices=150, sims=60, days=4, vitals_per_day=1, user_devices=5, user_sims=5)


@dataclass(frozen=True)
class Reported:
    """A fleet, its lake and its report."""

    cloud: DeviceCloud
    lake: Lake
    page: Path


@pytest.fixture(scope="session")
def reported(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reported]:
    folder = tmp_path_factory.mktemp("report")
    with DeviceCloud(Fleet.seeded(SIZE)) as cloud:
        write_lake(cloud, folder / "lake")
        write_report(folder / "lake", folder / "report.html")
        lake = open_lake(folder / "lake")
        yield Reported(cloud, lake, folder / "report.html")
        lake.close()


@pytest.fixture(scope="session")
def _running_browser() -> Iterator[Browser]:
    with browser() as opened:
        yield opened


@pytest.fixture
def chromium(_running_browser: Browser) -> Browser:
    _running_browser.forget()
    return _running_browser
