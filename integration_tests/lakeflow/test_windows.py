"""Windows of vitals against a server's clock that goes wrong: nothing is read before its time, and nothing is lost."""

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from bridge import ParticleLakeflowConnect
from bridge.errors import ConfigurationError, TemporaryError, UnexpectedError
from bridge.reading.times import iso_ms
from integration_tests.device_cloud import DeviceCloud, Fault, Fleet, FleetSize
from integration_tests.device_cloud.clock import http_date

VITALS, CLOCK = "GET /v1/diagnostics/:id", "GET /v1/access_tokens/current"
Offset = dict[str, Any] | None


@pytest.fixture
def cloud() -> Iterator[DeviceCloud]:
    with DeviceCloud(Fleet.seeded(FleetSize(products=0, user_devices=3, days=2, samples=False))) as cloud:
        yield cloud


class Consumer:
    """Reads from offset to offset, each run with a connector of its own, and keeps what has arrived."""

    def __init__(self, cloud: DeviceCloud, **options: str) -> None:
        self.cloud = cloud
        eager = {"settle_seconds": "0", "min_window_seconds": "1", "numPartitions": "1"}
        connection = {
            "access_token": cloud.token,
            "base_url": cloud.url,
            "retry_wait_factor": "0",
            "numPartitions": "1",
        }
        self.options = {**connection, "device_id": "*", **eager, **options}
        self.offset: Offset = None
        self.arrived: list[tuple[str, str]] = []

    def run(self) -> None:
        """Read one batch; the offset moves on when all of it has arrived."""
        records, end = ParticleLakeflowConnect(self.options).read_table("diagnostics", self.offset, self.options)
        batch = [(record["device_id"], record["updated_at"]) for record in records]
        self.offset, self.arrived = end, self.arrived + batch

    def publish(self) -> None:
        """Let each device publish vitals, and let a second pass so that they are read."""
        now = self.cloud.fleet.clock.now()
        self.cloud.fleet.clock.skew += 1.5
        for device in list(self.cloud.fleet.rows("devices")):
            self.cloud.fleet.add_vitals(device, now)

    def assert_complete(self, **since: str) -> None:
        """Compare what has arrived with what there is."""
        records = self.cloud.ledger.records("diagnostics", {"device_id": "*", **since})
        assert sorted(self.arrived) == sorted((record["deviceID"], record["updated_at"]) for record in records)


def wrong(cloud: DeviceCloud, **apart: float) -> dict[str, str]:
    return {"Date": http_date(cloud.fleet.clock.now() + timedelta(**apart))}


@pytest.mark.parametrize("apart", [{"hours": 2}, {"days": 365}])
def test_one_date_in_the_future_ends_no_window_there(cloud: DeviceCloud, apart: dict[str, float]) -> None:
    consumer = Consumer(cloud)
    cloud.faults.add(Fault(CLOCK, headers=wrong(cloud, **apart)))
    for _ in range(3):
        consumer.run()
        consumer.publish()
    consumer.run()
    consumer.assert_complete()


def test_a_window_whose_end_no_reply_confirms_fails_and_is_read_when_its_time_has_come(cloud: DeviceCloud) -> None:
    start = {"start_date": iso_ms(cloud.fleet.clock.now() - timedelta(days=1))}
    consumer = Consumer(cloud, **start)
    cloud.faults.add(Fault(CLOCK, times=None, headers=wrong(cloud, hours=2)))
    made = ParticleLakeflowConnect(consumer.options)
    end = made.latest_offset("diagnostics", consumer.options, None)
    tasks = made.get_partitions("diagnostics", consumer.options, {}, end)
    with pytest.raises(TemporaryError, match=r"the reply was served at .* start again"):
        [list(made.read_partition("diagnostics", task, consumer.options)) for task in tasks]
    cloud.faults.clear()
    consumer.publish()
    cloud.fleet.clock.skew += 7_200
    consumer.arrived = [
        (record["device_id"], record["updated_at"])
        for task in made.get_partitions("diagnostics", consumer.options, {}, end)
        for record in made.read_partition("diagnostics", task, consumer.options)
    ]
    consumer.assert_complete(**start)


def test_a_reply_in_a_batch_that_is_older_than_the_windows_end_fails_the_batch(cloud: DeviceCloud) -> None:
    consumer = Consumer(cloud)
    cloud.faults.add(Fault(VITALS, at=2, times=None, headers=wrong(cloud, hours=-1)))
    with pytest.raises(TemporaryError, match="the reply was served at"):
        consumer.run()
    cloud.faults.clear()
    cloud.faults.add(Fault(VITALS, headers={"Date": "soon"}))
    with pytest.raises(UnexpectedError, match="replies have no time: the header Date is 'soon'"):
        consumer.run()


@pytest.mark.parametrize("days", [-10, -2, 2])
def test_what_the_api_keeps_is_read_whatever_this_machines_clock_says(days: int) -> None:
    now = datetime.now(timezone.utc) + timedelta(days=days)
    size = FleetSize(products=0, user_devices=2, days=29, samples=False)
    with DeviceCloud(Fleet.seeded(size, now=now)) as cloud:
        consumer = Consumer(cloud)
        consumer.run()
        consumer.assert_complete()
        resumed = Consumer(cloud)
        resumed.offset = {"until": iso_ms(now - timedelta(days=28))}
        resumed.run()
        resumed.assert_complete(start_date=iso_ms(now - timedelta(days=28)))


def test_a_checkpoint_in_the_future_is_told(cloud: DeviceCloud) -> None:
    consumer = Consumer(cloud)
    consumer.offset = {"until": iso_ms(cloud.fleet.clock.now() + timedelta(days=365))}
    with pytest.raises(ConfigurationError, match="ahead of the API's clock"):
        consumer.run()


@pytest.mark.parametrize("status", [400, 403, 404])
def test_the_clock_is_read_from_a_refusal_too(cloud: DeviceCloud, status: int) -> None:
    cloud.faults.add(Fault(CLOCK, times=None, status=status, body='{"ok": false, "error": "Not found"}'))
    consumer = Consumer(cloud)
    for _ in range(2):
        consumer.publish()
        consumer.run()
    consumer.assert_complete()


def test_what_a_stream_selects_belongs_to_its_checkpoint(cloud: DeviceCloud) -> None:
    first, second, third = cloud.fleet.rows("devices")
    consumer = Consumer(cloud, device_id=f"{first},{second}")
    consumer.run()
    consumer.publish()
    consumer.options["device_id"] = first
    with pytest.raises(ConfigurationError, match="written for another selection"):
        consumer.run()
    consumer.options["device_id"] = f"{second},{first}"
    consumer.run()
    consumer.options |= {"device_id": "*", "failOnSelectionChange": "false"}
    consumer.publish()
    consumer.run()
    assert {device for device, _ in consumer.arrived} == {first, second, third}
    # The way out that the error names: the past of the new one by a batch read.
    past = {**consumer.options, "device_id": third}
    made = ParticleLakeflowConnect(past)
    known = set(consumer.arrived)
    for task in made.get_partitions("diagnostics", past):
        rows = [(row["device_id"], row["updated_at"]) for row in made.read_partition("diagnostics", task, past)]
        consumer.arrived += [row for row in rows if row not in known]
    consumer.assert_complete()


def test_a_device_that_moves_between_products_while_they_are_listed_loses_nothing() -> None:
    fleet = Fleet.seeded(FleetSize(products=3, devices=4, user_devices=2, days=2, samples=False))
    first, _, last = fleet.product_ids
    mover = list(fleet.rows("devices", last))[-1]

    def move() -> None:
        record = fleet.rows("devices", last)[mover]
        fleet.remove_device(mover, last)
        fleet.add_device(first, {**record, "product_id": first})

    with DeviceCloud(fleet) as cloud:
        cloud.faults.add(Fault("GET /v1/products/:p/devices", path=f"/v1/products/{last}/devices", run=move))
        consumer = Consumer(cloud, product_id_or_slug="*")
        consumer.run()
        assert mover in {device for device, _ in consumer.arrived}
        consumer.assert_complete(product_id_or_slug="*")
        # The products are listed once, and all but the last one once more.
        assert cloud.ledger.count("GET /v1/products/:p/devices") == 3 + 2


def test_a_product_whose_list_is_refused_is_reported(caplog: pytest.LogCaptureFixture) -> None:
    fleet = Fleet.seeded(FleetSize(products=2, devices=2, user_devices=1, days=1, samples=False))
    path = f"/v1/products/{fleet.product_ids[-1]}/devices"
    with DeviceCloud(fleet) as cloud:
        cloud.faults.add(
            Fault("GET /v1/products/:p/devices", path=path, times=None, status=403, body='{"error": "no"}')
        )
        Consumer(cloud, product_id_or_slug="*").run()
    assert f"product {fleet.product_ids[-1]} (403)" in caplog.text
