"""The API's limit in an Airbyte sync: never exceeded by a sync alone, and waited out if another program uses it up."""

import json
import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import requests

from integration_tests.airbyte.syncs import sync, with_token
from integration_tests.device_cloud import DeviceCloud, Fault, Fleet, FleetSize, Switches
from source_particle.source import SourceParticle

LIMIT, WINDOW = 60, 2.0
SIZE = FleetSize(products=2, devices=60, sims=0, days=1, user_devices=0, user_sims=0, samples=False)
EVERYTHING = {"product_id_or_slug": "*"}


def _limited_cloud() -> DeviceCloud:
    return DeviceCloud(Fleet.seeded(SIZE), Switches(rate_limit=(LIMIT, WINDOW)))


def _read(cloud: DeviceCloud, wait_factor: float) -> None:
    config = with_token(cloud, diagnostics=EVERYTHING, num_workers=32, retry_wait_factor=wait_factor)
    result = sync(
        {**config, "requests_per_5_minutes": LIMIT, "budget_seconds": WINDOW}, "diagnostics", "product_devices"
    )
    assert not result.errors
    for table in ("diagnostics", "product_devices"):
        assert not cloud.ledger.compare(table, EVERYTHING, result.records[table])


@contextmanager
def _another_program(cloud: DeviceCloud) -> Iterator[None]:
    """Use up half of the limit, as soon as it is there."""
    ended = threading.Event()

    def ask() -> None:
        headers = {"Authorization": f"Bearer {cloud.token}"}
        while not ended.is_set():
            for _ in range(LIMIT // 2):
                requests.get(f"{cloud.url}/v1/user", headers=headers, timeout=5)
            ended.wait(WINDOW)

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def test_a_limit_that_the_server_enforces_is_never_met() -> None:
    with _limited_cloud() as cloud:
        _read(cloud, wait_factor=0)
        assert cloud.ledger.count() > 2 * LIMIT
        assert cloud.ledger.rejected() == 0


def test_a_limit_that_another_program_uses_too_slows_a_sync_down() -> None:
    with _limited_cloud() as cloud, _another_program(cloud):
        time.sleep(0.1)
        _read(cloud, wait_factor=0.03)
        assert cloud.ledger.rejected() > 0


@pytest.mark.parametrize(
    ("stream", "path"),
    [
        ("diagnostics", "/v1/products"),
        ("diagnostics", "/v1/products/:p/devices"),
        ("diagnostics", "/v1/devices"),
        ("diagnostics", "/v1/diagnostics/:id"),
        ("ledgers", "/v1/orgs"),
        ("ledger_instances", "/v1/ledgers"),
        ("ledger_versions", "/v1/ledgers/:name/instances"),
        ("products", "/v1/user/products"),
        ("products", "/v1/orgs"),
        ("products", "/v1/orgs/:o/products"),
    ],
)
def test_the_platform_is_told_which_stream_waits_for_the_limit(
    stream: str, path: str, cloud: DeviceCloud, capsys: pytest.CaptureFixture[str]
) -> None:
    cloud.switches = Switches(products_endpoint=stream != "products")
    cloud.faults.add(Fault(f"GET {path}", status=429, body="{}"))
    assert not sync(with_token(cloud), stream).errors
    told = [json.loads(line)["trace"] for line in capsys.readouterr().out.splitlines() if "RATE_LIMITED" in line]
    assert {trace["stream_status"]["stream_descriptor"]["name"] for trace in told} == {stream}


@pytest.mark.parametrize("command", ["check", "discover"])
def test_where_no_stream_is_read_a_wait_for_the_limit_is_in_the_log_alone(
    command: str, cloud: DeviceCloud, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    cloud.faults.add(Fault("GET /v1/access_tokens/current", status=429, body="{}"))
    config, logger = with_token(cloud), logging.getLogger("airbyte")
    with caplog.at_level("INFO", logger="airbyte"):
        getattr(SourceParticle(config=config), command)(logger, config)
    assert cloud.ledger.rejected() == 1
    assert "RATE_LIMITED" not in capsys.readouterr().out
    assert "Rate limit exceeded (HTTP 429). Retrying in" in caplog.text
