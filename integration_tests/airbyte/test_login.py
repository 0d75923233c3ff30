"""Signing in: one login however much is read, one attempt with a wrong password, renewal when a token expires."""

import stat
from pathlib import Path

import pytest

from bridge.tables import catalog
from integration_tests.airbyte.syncs import sync, with_password, with_token
from integration_tests.device_cloud import DeviceCloud, Fault, Fleet, FleetSize, Switches
from source_particle.login import forget_accounts

TABLES = tuple(catalog.tables())


def test_an_account_with_multi_factor_authentication_is_told_to_use_an_access_token(cloud: DeviceCloud) -> None:
    config = with_password(cloud)
    config["credentials"]["username"] = cloud.mfa_username

    result = sync(config, "devices")

    assert "multi-factor authentication" in result.errors
    assert cloud.ledger.logins() == 1


def test_a_refused_access_token_is_named_and_asked_for_once_per_stream(cloud: DeviceCloud) -> None:
    config = with_token(cloud)
    config["credentials"]["access_token"] = cloud.expired_token

    result = sync(config, "devices", "user")

    assert "the access token was refused (401)" in result.errors
    assert cloud.expired_token not in result.errors
    assert cloud.ledger.count("GET /v1/devices") == cloud.ledger.count("GET /v1/user") == 1


def test_a_token_that_is_revoked_in_the_middle_is_renewed_once() -> None:
    size = FleetSize(products=1, devices=40, days=1)
    with DeviceCloud(Fleet.seeded(size), Switches(latency=0.01)) as cloud:
        options = {"product_id_or_slug": "*"}
        cloud.faults.add(Fault("GET /v1/products/:p/diagnostics/:id", at=20, revoke_token=True))

        result = sync(with_password(cloud, diagnostics=options, num_workers=8), "diagnostics")

        assert not result.errors
        assert cloud.ledger.logins() == 2
        assert not cloud.ledger.compare("diagnostics", options, result.records["diagnostics"])


def test_no_token_at_all_counts_as_a_refused_one(cloud: DeviceCloud) -> None:
    missing = '{"error": "invalid_request", "error_description": "The access token was not found"}'
    cloud.faults.add(Fault("GET /v1/devices", status=400, body=missing))

    result = sync(with_password(cloud), "devices")

    assert not result.errors
    assert cloud.ledger.logins() == 2


def test_a_cached_token_saves_the_login_of_the_next_process(cloud: DeviceCloud, tmp_path: Path) -> None:
    cache = tmp_path / "token"
    config = with_password(cloud, token_cache_file=str(cache))

    for _ in range(2):
        forget_accounts()
        assert not sync(config, "devices").errors

    assert cloud.ledger.logins() == 1
    assert stat.S_IMODE(cache.stat().st_mode) == 0o600


def test_a_cached_token_that_was_revoked_costs_one_login_and_is_replaced(cloud: DeviceCloud, tmp_path: Path) -> None:
    config = with_password(cloud, token_cache_file=str(tmp_path / "token"))
    sync(config, "devices")
    forget_accounts()
    cloud.faults.add(Fault("GET /v1/devices", revoke_token=True))

    assert not sync(config, "devices").errors
    forget_accounts()
    assert not sync(config, "devices").errors

    assert cloud.ledger.logins() == 2


def test_a_wrong_password_never_finds_the_cached_token(cloud: DeviceCloud, tmp_path: Path) -> None:
    config = with_password(cloud, token_cache_file=str(tmp_path / "token"))
    sync(config, "devices")
    forget_accounts()
    config["credentials"]["password"] += "x"

    assert "user name or password was refused" in sync(config, "devices").errors


def test_a_token_handed_over_by_a_planner_saves_the_login(cloud: DeviceCloud) -> None:
    result = sync(with_password(cloud, plan={"access_token": cloud.token}), "devices", "products")

    assert not result.errors
    assert cloud.ledger.logins() == 0


@pytest.mark.parametrize(
    "fault",
    [
        Fault("POST /oauth/token", status=503),
        Fault("POST /oauth/token", cut="reset"),
        Fault("POST /oauth/token", status=429, body="{}", times=5),
    ],
    ids=["503", "reset", "429"],
)
def test_a_login_that_fails_for_a_moment_is_tried_again(cloud: DeviceCloud, fault: Fault) -> None:
    cloud.faults.add(fault)

    assert not sync(with_password(cloud), "devices").errors


def test_a_silent_token_endpoint_ends_in_an_error(cloud: DeviceCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("source_particle.login.CONNECT_AND_READ_TIMEOUT", (1, 0.1))
    cloud.faults.add(Fault("POST /oauth/token", delay=1, times=None))

    result = sync(with_password(cloud), "devices")

    assert "signing in failed 6 times" in result.errors


def test_an_endpoint_that_refuses_every_token_costs_two_logins_for_all_its_devices(cloud: DeviceCloud) -> None:
    cloud.faults.add(Fault("GET /v1/products/:p/diagnostics/:id", status=401, times=None))

    result = sync(with_password(cloud, diagnostics={"product_id_or_slug": "*"}), "diagnostics")

    assert "refuses a token that it has just issued" in result.errors
    assert cloud.ledger.logins() == 2
