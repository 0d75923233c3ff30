"""`check` says in plain words what is wrong, in at most three requests, and which tables a token cannot read."""

import logging
import socket
from typing import Any

import pytest
from airbyte_cdk.models import Status
from jsonschema import Draft7Validator

from integration_tests.airbyte.syncs import Config, with_password, with_token
from integration_tests.device_cloud import DeviceCloud, Fault
from source_particle.source import SourceParticle


def _check(config: Config) -> tuple[Status, str]:
    result = SourceParticle(config=config).check(logging.getLogger("airbyte"), config)
    return result.status, str(result.message)


def _with(config: Config, **credentials: Any) -> Config:
    return {**config, "credentials": {**config["credentials"], **credentials}}


def test_a_good_token_is_fine(cloud: DeviceCloud) -> None:
    assert _check(with_token(cloud)) == (Status.SUCCEEDED, "None")
    assert [entry.path for entry in cloud.ledger.requests()] == ["/v1/access_tokens/current"]


def test_a_good_password_is_fine(cloud: DeviceCloud) -> None:
    assert _check(with_password(cloud)) == (Status.SUCCEEDED, "None")
    assert cloud.ledger.count() == 2


def test_a_bad_token_is_reported(cloud: DeviceCloud) -> None:
    status, message = _check(_with(with_token(cloud), access_token="mistyped"))

    assert status == Status.FAILED
    assert "the access token was refused (401)" in message
    assert cloud.ledger.count() <= 3


def test_a_refused_password_is_reported_and_sent_once(cloud: DeviceCloud) -> None:
    status, message = _check(_with(with_password(cloud), password="mistyped"))

    assert status == Status.FAILED
    assert "user name or password was refused" in message
    assert cloud.ledger.count() == cloud.ledger.logins() == 1


def test_multi_factor_authentication_is_reported(cloud: DeviceCloud) -> None:
    status, message = _check(_with(with_password(cloud), username=cloud.mfa_username))

    assert status == Status.FAILED
    assert "multi-factor authentication" in message


def test_an_unreachable_host_is_reported(cloud: DeviceCloud) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        nobody = f"http://127.0.0.1:{free.getsockname()[1]}"

    status, message = _check({**with_token(cloud), "base_url": nobody})

    assert status == Status.FAILED
    assert f"{nobody}/v1/access_tokens/current: No complete answer arrived" in message


def test_an_unreachable_host_is_reported_with_a_password_too(cloud: DeviceCloud) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        nobody = f"http://127.0.0.1:{free.getsockname()[1]}"

    status, message = _check({**with_password(cloud), "base_url": nobody})

    assert status == Status.FAILED
    assert "Check whether this machine can reach the address" in message


def test_a_failing_server_costs_at_most_three_requests(cloud: DeviceCloud) -> None:
    cloud.faults.add(Fault("*", status=503, times=None))

    status, message = _check(with_token(cloud))

    assert status == Status.FAILED
    assert "again later" in message
    assert cloud.ledger.count() <= 3


@pytest.mark.parametrize(
    "fault",
    [
        Fault("POST /oauth/token", status=503, times=None),
        Fault("GET /v1/access_tokens/current", status=401, times=None),
        Fault("GET /v1/access_tokens/current", status=503, times=None),
    ],
)
def test_whatever_goes_wrong_with_a_password_costs_at_most_three_requests(cloud: DeviceCloud, fault: Fault) -> None:
    cloud.faults.add(fault)

    status, _ = _check(with_password(cloud))

    assert status == Status.FAILED
    assert cloud.ledger.count() <= 3


def test_the_tables_that_an_api_user_cannot_have_are_named(
    cloud: DeviceCloud, caplog: pytest.LogCaptureFixture
) -> None:
    token = cloud.issue_token({"products:list", "devices:list"}, api_user=True)

    status, _ = _check(_with(with_token(cloud), access_token=token))

    assert status == Status.SUCCEEDED
    for table in ("devices", "sims", "user", "oauth_clients"):
        assert f"cannot read the table {table}: the token belongs to an API user" in caplog.text
    assert "cannot read the table product_sims: the token lacks the scope sims:list" in caplog.text
    assert "the table product_devices" not in caplog.text
    assert "the table products" not in caplog.text


def test_a_users_own_token_serves_everything(cloud: DeviceCloud, caplog: pytest.LogCaptureFixture) -> None:
    _check(with_token(cloud))

    assert "cannot read the table" not in caplog.text


@pytest.mark.parametrize(
    "base_url", ["http://api.particle.io", "ftp://127.0.0.1", "https://user@host", "api.particle.io"]
)
def test_an_address_that_would_send_the_token_in_the_clear_is_refused(cloud: DeviceCloud, base_url: str) -> None:
    config = {**with_token(cloud), "base_url": base_url}
    schema = SourceParticle().spec(logging.getLogger("airbyte")).connectionSpecification

    assert [error.message for error in Draft7Validator(schema).iter_errors(config)]
    assert not list(Draft7Validator(schema).iter_errors({**config, "base_url": cloud.url}))


@pytest.mark.parametrize("table", ["product_devices", "diagnostics", "fleet_data_usage"])
def test_a_product_that_the_configuration_names_and_nobody_knows_is_reported(cloud: DeviceCloud, table: str) -> None:
    known = str(cloud.fleet.product_ids[0])

    assert _check(with_token(cloud, **{table: {"product_id_or_slug": known}})) == (Status.SUCCEEDED, "None")
    assert cloud.ledger.count() == 2
    status, message = _check(with_token(cloud, **{table: {"product_id_or_slug": f"{known}, no-such-product"}}))

    assert status == Status.FAILED
    assert "/v1/products/no-such-product/devices" in message
    assert "Product not found." in message


def test_at_most_ten_products_are_asked_for_and_each_once(cloud: DeviceCloud) -> None:
    known = str(cloud.fleet.product_ids[0])
    many = ",".join([known, *(f"{known}?{number}".replace("?", "") for number in range(20))])

    _check(with_token(cloud, product_devices={"product_id_or_slug": known}, diagnostics={"product_id_or_slug": known}))
    assert cloud.ledger.count("GET /v1/products/:p/devices") == 1
    _check(with_token(cloud, product_devices={"product_id_or_slug": many}))
    assert cloud.ledger.count("GET /v1/products/:p/devices") <= 1 + 10


def test_a_scope_that_is_missing_for_the_list_says_nothing_about_the_product(cloud: DeviceCloud) -> None:
    token = cloud.issue_token(scopes={"sims:list"}, api_user=True)
    product = str(cloud.fleet.product_ids[0])

    config = _with(with_token(cloud, product_sims={"product_id_or_slug": product}), access_token=token)

    assert _check(config) == (Status.SUCCEEDED, "None")


@pytest.mark.parametrize(
    "options", [{"start_date": "2099-01-01"}, {"start_date": "2026-01-02", "end_date": "2026-01-02"}]
)
def test_dates_that_cannot_be_meant_are_reported(cloud: DeviceCloud, options: dict[str, str]) -> None:
    status, message = _check(with_token(cloud, diagnostics=options))

    assert status == Status.FAILED
    assert "Correct" in message
