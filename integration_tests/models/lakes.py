"""The lake of a Device Cloud's fleet."""

from pathlib import Path

from bridge.export.sync import sync
from integration_tests.device_cloud import DeviceCloud


def write_lake(cloud: DeviceCloud, lake: Path) -> None:
    """Sync every table with all that the token can see."""
    # Vitals and data usage are those of the user's own devices alone, unless products are named.
    products = {"product_id_or_slug": "*"}
    results = sync(
        lake,
        {"access_token": cloud.token, "base_url": cloud.url},
        table_options={"diagnostics": products, "sim_data_usage": products},
    )
    assert [result for result in results if result.error] == []
