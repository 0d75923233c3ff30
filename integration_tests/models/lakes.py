"""The lake of a Device Cloud's fleet."""

from pathlib import Path

from bridge.export.sync import sync
from integration_tests.device_cloud import DeviceCloud


def write_lake(cloud: DeviceCloud, lake: Path) -> None:
    """Sync every table with all that the token can see."""
    results = sync(lake, {"access_token": cloud.token, "base_url": cloud.url})
    assert [result for result in results if result.error] == []
