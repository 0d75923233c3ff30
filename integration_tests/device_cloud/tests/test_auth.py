"""Tokens, scopes and logins of the Device Cloud."""

from __future__ import annotations

import time
from typing import Any

import pytest
import requests

from integration_tests.device_cloud import DeviceCloud, Switches, auth
from integration_tests.device_cloud.limits import SlidingWindow
from integration_tests.device_cloud.routes import ROUTES
from integration_tests.device_cloud.tests.client import concrete, get

pytestmark = pytest.mark.fleet()


def login(
    cloud: DeviceCloud, client: tuple[str, str] | None = ("particle", "particle"), **form: Any
) -> requests.Response:
    """Post a form to the token endpoint."""
    return requests.post(f"{cloud.url}/oauth/token", data=form, auth=client, timeout=10)


def password_login(cloud: DeviceCloud, **form: Any) -> requests.Response:
    """Log in with the right password unless told otherwise."""
    return login(cloud, **{"grant_type": "password", "username": cloud.username, "password": cloud.password, **form})


def refusal(response: requests.Response) -> tuple[int, str]:
    """Return what an OAuth refusal says."""
    return response.status_code, response.json()["error"]


# where the token is


def test_a_token_is_taken_from_header_query_and_form(cloud: DeviceCloud) -> None:
    url = f"{cloud.url}/v1/user"
    assert requests.get(url, headers={"authorization": f"bearer {cloud.token}"}, timeout=10).status_code == 200
    assert requests.get(url, params={"access_token": cloud.token}, timeout=10).status_code == 200
    assert requests.get(url, data={"access_token": cloud.token}, timeout=10).status_code == 200


def test_the_request_log_never_holds_a_token(cloud: DeviceCloud) -> None:
    requests.get(f"{cloud.url}/v1/user", params={"access_token": cloud.token, "a": "b"}, timeout=10)
    entry = cloud.ledger.requests()[-1]
    assert entry.query == {"a": "b"}
    assert cloud.token not in repr(entry)


def test_token_info_describes_both_kinds_of_token(cloud: DeviceCloud) -> None:
    info = get(cloud, "/v1/access_tokens/current").json()
    assert info == {"expires_at": None, "client": "particle", "scopes": [], "orgs": []}
    limited = get(cloud, "/v1/access_tokens/current", token=cloud.api_user_token).json()
    assert "devices:list" in limited["scopes"]
    assert limited["client_id"] == "particle"
    assert limited["orgs"] == [{"id": "a" * 24, "slug": "my-org"}]


# scopes


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.pattern)
def test_a_route_wants_its_scope_and_user_level_ones_refuse_api_users(cloud: DeviceCloud, route: Any) -> None:
    path = concrete(cloud, route.pattern)
    api_user = get(cloud, path, token=cloud.api_user_token)
    if route.user_level:
        assert api_user.status_code == 400
        assert api_user.json() == {
            "error": "unauthorized",
            "error_description": "API users are not allowed to call this endpoint",
        }
    else:
        assert api_user.status_code == (200 if route.scope in {None, *auth.API_USER_SCOPES} else 403)
    bare = get(cloud, path, token=cloud.issue_token(set()))
    assert bare.status_code == (200 if route.scope is None else 403)
    if route.scope is not None:
        assert bare.json()["error"] == "invalid_scope"
        assert get(cloud, path, token=cloud.issue_token({route.scope})).status_code == 200


def test_the_status_of_a_missing_scope_is_a_switch(cloud: DeviceCloud) -> None:
    cloud.switches = Switches(scope_status=400)
    assert refusal(get(cloud, "/v1/devices", token=cloud.issue_token(set()))) == (400, "invalid_scope")


def test_a_revoked_token_is_refused_until_the_reset(cloud: DeviceCloud) -> None:
    cloud.revoke(cloud.token)
    assert get(cloud, "/v1/user").status_code == 401
    cloud.reset()
    assert get(cloud, "/v1/user").status_code == 200


def test_a_token_expires_by_the_servers_clock(cloud: DeviceCloud) -> None:
    token = cloud.issue_token(expires_in=60)
    assert get(cloud, "/v1/user", token=token).status_code == 200
    cloud.switches = Switches(clock_skew=61)
    assert refusal(get(cloud, "/v1/user", token=token)) == (401, "invalid_token")


# logins


@pytest.mark.parametrize("in_form", [False, True])
def test_a_password_login_gives_a_working_token(cloud: DeviceCloud, in_form: bool) -> None:
    fields = {"client_id": "particle", "client_secret": "particle"} if in_form else {}
    client = None if in_form else ("particle", "particle")
    form = {"grant_type": "password", "username": cloud.username, "password": cloud.password, **fields}
    response = login(cloud, client, **form)
    body = response.json()
    assert set(body) == {"token_type", "access_token", "expires_in", "refresh_token"}
    assert (body["token_type"], body["expires_in"]) == ("bearer", 7_776_000)
    assert response.headers["Cache-Control"] == "no-store"
    assert get(cloud, "/v1/user", token=body["access_token"]).json()["username"] == cloud.username
    assert cloud.ledger.logins() == 1


@pytest.mark.parametrize(("text", "lifetime"), [("3600", 3600), ("0", 0)])
def test_expires_in_is_kept_and_0_means_never(cloud: DeviceCloud, text: str, lifetime: int) -> None:
    body = password_login(cloud, expires_in=text).json()
    assert body["expires_in"] == lifetime
    info = get(cloud, "/v1/access_tokens/current", token=body["access_token"]).json()
    assert (info["expires_at"] is None) == (lifetime == 0)


def test_expires_at_comes_back_as_seconds_left(cloud: DeviceCloud) -> None:
    seconds = password_login(cloud, expires_at="2999-01-01").json()["expires_in"]
    assert 900 * 365 * 86_400 < seconds < 1000 * 366 * 86_400


@pytest.mark.parametrize(
    ("form", "status", "error"),
    [
        ({"password": "wrong"}, 400, "invalid_grant"),
        ({"username": "nobody@example.com"}, 400, "invalid_grant"),
        ({"grant_type": "magic"}, 400, "invalid_request"),
        ({"expires_in": "soon"}, 400, "invalid_request"),
        ({"expires_at": "soon"}, 400, "invalid_request"),
        ({"username": "testuser@example.com"}, 403, "mfa_required"),
    ],
)
def test_logins_are_refused_as_by_the_api(cloud: DeviceCloud, form: dict[str, str], status: int, error: str) -> None:
    assert refusal(password_login(cloud, **form)) == (status, error)


def test_a_wrong_password_is_refused_in_the_recorded_words(cloud: DeviceCloud) -> None:
    body = password_login(cloud, password="wrong").json()
    assert body == {"error": "invalid_grant", "error_description": "User credentials are invalid"}


@pytest.mark.parametrize("client", [("particle", "particle"), ("particle-api", "particle-api"), ("my-tool", "x")])
def test_every_client_may_sign_a_user_in(cloud: DeviceCloud, client: tuple[str, str]) -> None:
    response = login(cloud, client, grant_type="password", username=cloud.username, password=cloud.password)
    assert response.status_code == 200


@pytest.mark.parametrize("client", [("particle", "wrong"), ("", "x"), None])
def test_a_client_without_a_name_or_with_another_secret_is_refused(
    cloud: DeviceCloud, client: tuple[str, str] | None
) -> None:
    response = login(cloud, client, grant_type="password", username=cloud.username, password=cloud.password)
    assert refusal(response) == (400, "invalid_client")


def test_broken_basic_credentials_are_an_unknown_client(cloud: DeviceCloud) -> None:
    url, headers = f"{cloud.url}/oauth/token", {"Authorization": "Basic ???"}
    assert refusal(requests.post(url, data={"a": "b"}, headers=headers, timeout=10)) == (400, "invalid_client")


def test_a_json_body_is_refused_at_the_token_endpoint(cloud: DeviceCloud) -> None:
    form = {"grant_type": "password", "username": cloud.username, "password": cloud.password}
    client = ("particle", "particle")
    response = requests.post(f"{cloud.url}/oauth/token", json=form, auth=client, timeout=10)
    assert refusal(response) == (400, "invalid_request")


def test_the_second_factor_completes_a_login_once(cloud: DeviceCloud) -> None:
    mfa_token = password_login(cloud, username=cloud.mfa_username).json()["mfa_token"]
    form = {"grant_type": "urn:custom:mfa-otp", "mfa_token": mfa_token}
    assert refusal(login(cloud, **form, otp="wrong")) == (400, "invalid_grant")
    token = login(cloud, **form, otp=cloud.otp).json()["access_token"]
    assert get(cloud, "/v1/user", token=token).json()["username"] == cloud.mfa_username
    assert refusal(login(cloud, **form, otp=cloud.otp)) == (400, "invalid_grant")


def test_only_customer_tokens_can_be_refreshed(cloud: DeviceCloud) -> None:
    useless = password_login(cloud).json()["refresh_token"]
    assert refusal(login(cloud, grant_type="refresh_token", refresh_token=useless)) == (400, "invalid_grant")
    client = (cloud.client_id, cloud.client_secret)
    customer = login(cloud, client, grant_type="client_credentials", scope="customer=c@example.com").json()
    assert get(cloud, "/v1/user", token=customer["access_token"]).json() == {"username": "c@example.com"}
    assert get(cloud, "/v1/devices", token=customer["access_token"]).status_code == 403
    renewed = login(cloud, client, grant_type="refresh_token", refresh_token=customer["refresh_token"])
    assert renewed.status_code == 200
    assert refusal(login(cloud, grant_type="client_credentials")) == (400, "invalid_client")


def test_ten_failures_in_a_row_lock_the_address_even_for_the_right_password(
    cloud: DeviceCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(10):
        assert password_login(cloud, password="wrong").status_code == 400
    assert password_login(cloud).status_code == 429
    assert get(cloud, "/v1/user").status_code == 200
    now = time.monotonic()
    monkeypatch.setattr("integration_tests.device_cloud.auth.monotonic", lambda: now + auth.LOCK_SECONDS - 5)
    assert password_login(cloud).status_code == 429
    monkeypatch.setattr("integration_tests.device_cloud.auth.monotonic", lambda: now + auth.LOCK_SECONDS + 5)
    assert password_login(cloud).status_code == 200


def test_a_success_in_between_forgives_the_failures(cloud: DeviceCloud) -> None:
    for _ in range(2):
        for _ in range(9):
            password_login(cloud, password="wrong")
        assert password_login(cloud).status_code == 200


def test_logins_have_a_rate_of_their_own(cloud: DeviceCloud) -> None:
    statuses = [password_login(cloud).status_code for _ in range(102)]
    assert statuses == [200] * 100 + [429] * 2
    cloud.reset()
    assert password_login(cloud).status_code == 200


# the moving window


def test_the_window_moves_exactly(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr("integration_tests.device_cloud.limits.monotonic", lambda: clock[0])
    window = SlidingWindow(3, 10.0)
    passed = []
    for moment in (0.0, 4.0, 8.0, 9.9, 10.0, 10.1, 14.0, 17.9, 18.0):
        clock[0] = moment
        passed.append(window.let_through("here"))
    assert passed == [True, True, True, False, True, False, True, False, True]
    assert window.let_through("elsewhere")
