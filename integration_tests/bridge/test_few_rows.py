"""A query for a few rows: what a task has requested by the time that Spark has them and may end it."""

from types import SimpleNamespace
from typing import Any

import pytest

from bridge.spark import datasource
from bridge.spark.datasource import ParticleDataSource
from integration_tests.device_cloud import DeviceCloud, FleetSize, Switches

LIST = "GET /v1/products/:p/devices"

pytestmark = pytest.mark.fleet(FleetSize(products=1, devices=3_000, sims=0, days=0, user_devices=0, samples=False))


@pytest.mark.parametrize("latency", [0.0, 0.05])
def test_the_first_rows_come_before_half_of_a_list_is_requested(
    cloud: DeviceCloud, latency: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud.switches = Switches(latency=latency)
    requested: list[int] = []
    paused = SimpleNamespace(sleep=lambda _seconds: requested.append(cloud.ledger.count(LIST)))
    monkeypatch.setattr(datasource, "time", paused)
    options = {"access_token": cloud.token, "base_url": cloud.url, "product_id_or_slug": "*", "numPartitions": "1"}
    made = ParticleDataSource({**options, "path": "product_devices"})
    reader = made.reader(made.schema())
    [task] = reader.partitions()
    batches: Any = reader.read(task)
    rows = [batch.num_rows for batch in batches]
    assert (sum(rows), rows[:4]) == (3_000, [10, 20, 40, 80])
    # A hundred rows a page: Spark gets the first rows with its buffer, and each further time twice as many.
    assert len(requested) == 4
    assert requested[0] <= 15
