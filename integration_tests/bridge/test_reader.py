"""A table read by the bridge's reader in this process: closed early, failing, task by task, and the server's time."""

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Generator, Iterator, Mapping
from datetime import timedelta
from typing import Any, cast

import pytest

from bridge.errors import TemporaryError, UnexpectedError
from bridge.reading import reader
from bridge.reading.times import iso_ms
from bridge.tables.catalog import table
from bridge.tables.options import Options
from integration_tests.airbyte.syncs import sync, with_token
from integration_tests.device_cloud import DeviceCloud, Fault, Fleet, FleetSize, Switches
from source_particle import budget

pytestmark = pytest.mark.fleet(FleetSize(products=1, devices=40, samples=False))


def records(cloud: DeviceCloud, **options: str) -> Iterator[Mapping[str, Any]]:
    part = table("product_devices")
    given = {"access_token": cloud.token, "base_url": cloud.url, "retry_wait_factor": "0", "product_id_or_slug": "*"}
    return reader.read_records(part, Options.parse({**given, **options}, part).config())


def test_a_reading_may_be_closed_anywhere_and_soon_asks_for_no_more_pages(cloud: DeviceCloud) -> None:
    reading = records(cloud, per_page="1", num_workers="2")
    next(reading)
    cast("Generator[Any, None, None]", reading).close()
    for thread in threading.enumerate():
        if thread.name.startswith(("read-ahead", "pages-ahead")):
            thread.join(timeout=5)
            assert not thread.is_alive()
    assert list(reading) == []
    # The list of products, two products at once with two pages ahead of each, and what was sent meanwhile.
    assert cloud.ledger.count() < 20


def test_many_lists_together_hold_no_more_pages_than_one() -> None:
    size = FleetSize(products=16, devices=40, sims=0, days=1, samples=False)
    with DeviceCloud(Fleet.seeded(size), Switches(latency=0.05)) as cloud:
        reading = records(cloud, per_page="1", num_workers="32")
        next(reading)
        time.sleep(1)
        # Each list has one page at hand; the first one to be read may have fetched 32 ahead, the second 16 …
        assert cloud.ledger.count() < 150
        cast("Generator[Any, None, None]", reading).close()


WAITS: dict[str, tuple[list[Fault], dict[str, str]]] = {
    # Waits of 1, 2, 4 … seconds before it is asked again.
    "a server that fails": (
        [Fault("GET /v1/products/:p/devices", at=2, times=None, status=503)],
        {"retry_wait_factor": "1"},
    ),
    # A wait until the first request is five minutes old.
    "a budget that is used up": ([], {"requests_per_5_minutes": "4"}),
}


@pytest.mark.parametrize("what", WAITS)
def test_a_reading_that_is_closed_while_it_waits_sends_nothing_more(what: str, cloud: DeviceCloud) -> None:
    faults, options = WAITS[what]
    cloud.faults.add(*faults)
    reading = records(cloud, per_page="1", num_workers="2", **options)
    next(reading)
    time.sleep(0.5)
    cast("Generator[Any, None, None]", reading).close()
    sent = cloud.ledger.count()
    waiting = [thread for thread in threading.enumerate() if thread.name.startswith(("read-ahead", "pages-ahead"))]
    for thread in waiting:
        thread.join(timeout=2)
    assert not any(thread.is_alive() for thread in waiting)
    assert cloud.ledger.count() <= sent + 1


def test_a_reading_that_breaks_off_raises(cloud: DeviceCloud) -> None:
    cloud.faults.add(Fault("GET /v1/products/:p/devices", page=4, times=None, status=503))
    reading = records(cloud, per_page="5")
    with pytest.raises(TemporaryError, match="table product_devices: http"):
        for _ in reading:
            pass
    assert list(reading) == []


def test_the_time_is_that_of_the_server(cloud: DeviceCloud) -> None:
    cloud.switches = Switches(clock_skew=86_400)
    told = reader.server_time(config_of(cloud))
    assert abs(told - cloud.fleet.clock.now()) < timedelta(minutes=1)
    assert cloud.ledger.count() == 1


@pytest.mark.parametrize("way", ["airbyte", "bridge"])
def test_a_server_that_accepts_connections_and_never_answers_is_tried_once(
    way: str, cloud: DeviceCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(budget, "FIRST_CONTACT", 0.1)
    monkeypatch.setattr(budget, "SHORT_PATIENCE", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(0)
        base_url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        if way == "airbyte":
            said = sync({**with_token(cloud), "base_url": base_url}, "devices").errors
        else:
            with pytest.raises(TemporaryError) as error:
                list(records(cloud, base_url=base_url))
            said = str(error.value)
        assert f"{base_url}/v1/" in said
        assert "No complete answer arrived (ReadTimeout). Check base_url" in said
        silent.accept()[0].close()
        with pytest.raises(BlockingIOError):
            silent.accept()


@pytest.mark.parametrize("headers", ["", "Date: soon\r\n"])
def test_replies_that_tell_no_time_are_a_named_error(
    cloud: DeviceCloud, headers: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cloud, "_headers", lambda: headers)
    with pytest.raises(UnexpectedError, match="replies have no time"):
        reader.server_time(config_of(cloud))


def test_asking_for_the_time_says_nothing_about_what_the_token_can_serve(
    cloud: DeviceCloud, caplog: pytest.LogCaptureFixture
) -> None:
    reader.server_time(config_of(cloud, access_token=cloud.issue_token({"devices:list"}, api_user=True)))
    assert "cannot read the table" not in caplog.text


def test_a_task_reads_its_part_and_together_they_are_the_whole(cloud: DeviceCloud) -> None:
    part = table("diagnostics")
    whole = config_of(cloud, "diagnostics", device_id="*")
    parts = [list(reader.read_task(part, whole, {"part": number, "parts": 3})) for number in range(3)]
    keys = [(record["device_id"], record["updated_at"]) for records in parts for record in records]
    assert len(keys) == len(set(keys)) == len(cloud.ledger.records("diagnostics", {"device_id": "*"}))
    assert all(parts)


def test_a_window_that_starts_after_this_machines_clock_is_read(cloud: DeviceCloud) -> None:
    cloud.switches = Switches(clock_skew=3_600)
    device = next(iter(cloud.fleet.rows("devices")))
    cloud.fleet.add_vitals(device)
    now = cloud.fleet.clock.now()
    window = {"start": iso_ms(now - timedelta(minutes=1)), "end": iso_ms(now + timedelta(minutes=1))}
    task = {"part": 0, "parts": 1, **window}
    [record] = reader.read_task(table("diagnostics"), config_of(cloud, "diagnostics", device_id="*"), task)
    assert record["device_id"] == device


def config_of(cloud: DeviceCloud, name: str = "devices", **options: str) -> dict[str, Any]:
    given = {"access_token": cloud.token, "base_url": cloud.url, "retry_wait_factor": "0"}
    return Options.parse({**given, **options}, table(name)).config()


GUEST = """
import logging, sys, tempfile
handler = logging.StreamHandler(sys.stderr)
logging.basicConfig(handlers=[handler], level=logging.INFO)
from bridge.reading import reader
from bridge.tables.catalog import table
from bridge.errors import ParticleError
config = {"credentials": {"auth_type": "access_token", "access_token": "very-secret"},
          "base_url": "http://127.0.0.1:9", "retry_wait_factor": 0.0}
try:
    list(reader.read_records(table("devices"), config))
except ParticleError as error:
    print(type(error).__name__)
assert logging.getLogger().handlers == [handler]
"""


def test_a_program_keeps_its_own_logging_and_standard_output() -> None:
    run = subprocess.run([sys.executable, "-c", GUEST], capture_output=True, text=True, check=False)
    assert run.stdout == "TemporaryError\n", run.stderr
    assert "ERROR:bridge.airbyte:" in run.stderr
    assert '"type":' not in run.stderr
    # Each message once: under our name, not again under the CDK's.
    assert not any(f"{level}:airbyte" in run.stderr for level in ("INFO", "WARNING", "ERROR"))
    assert "very-secret" not in run.stderr
