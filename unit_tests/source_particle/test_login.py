"""Signing in: one login per process and account, a refused password sent once, and a token cache that is safe."""

import threading
from base64 import b64encode
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any, TypeVar
from urllib.parse import parse_qs

import pytest
import requests
import requests_mock
from airbyte_cdk.models import FailureType
from airbyte_cdk.utils import airbyte_secrets_utils
from airbyte_cdk.utils.traced_exception import AirbyteTracedException
from requests_mock import Mocker

from source_particle import backoff
from source_particle.errors import SignInRefusedError
from source_particle.login import ParticleAuthenticator, account_of, sign_in
from unit_tests.support.built import BASE_URL, PASSWORD, TOKEN_URL, account, config, grant, refusal, retrievers

Result = TypeVar("Result")


def authenticator(**changes: Any) -> ParticleAuthenticator:
    return ParticleAuthenticator(config=account(**changes), parameters={})


def at_once(action: Callable[[], Result], threads: int = 8) -> list[Result]:
    """Run an action in several threads that start together."""
    barrier = threading.Barrier(threads, timeout=10)

    def run(_: int) -> Result:
        barrier.wait()
        return action()

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(run, range(threads)))


# ---- one login ----


def test_one_login_serves_every_authenticator_and_thread(server: Mocker) -> None:
    assert at_once(lambda: authenticator().token) == ["Bearer token-1"] * 8
    assert server.call_count == 1


def test_a_login_says_who_signs_in_and_waits_only_so_long(server: Mocker) -> None:
    assert sign_in(account()) == "token-1"
    request = server.request_history[-1]
    assert parse_qs(request.text) == {
        "grant_type": ["password"],
        "username": ["user@example.com"],
        "password": [PASSWORD],
        "expires_in": ["86400"],
    }
    assert request.headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert request.headers["Authorization"] == f"Basic {b64encode(b'particle:particle').decode()}"
    timeout: Any = request.timeout
    assert timeout == (6, 15)


def test_the_lifetime_of_a_token_can_be_chosen(server: Mocker) -> None:
    sign_in(account(token_lifetime=0))
    assert parse_qs(server.request_history[-1].text)["expires_in"] == ["0"]


@pytest.mark.parametrize(
    "password", ["1e5", "0x10", " None ", "pä$$wörd ☃", "a&b=c%2B+d", "{{ config }}", "00012", "'"]
)
def test_a_password_arrives_exactly_as_typed(server: Mocker, password: str) -> None:
    server.get(f"{BASE_URL}/v1/devices", json=[])
    list(retrievers("devices", **account(password))["devices"].read_records({}))
    login_request, _ = server.request_history
    assert parse_qs(login_request.text, strict_parsing=True)["password"] == [password]


def test_a_configured_token_is_sent_as_it_is(server: Mocker) -> None:
    fixed = ParticleAuthenticator(config=config(), parameters={})
    assert fixed.get_auth_header() == {"Authorization": "Bearer token-of-a-test"}
    assert sign_in(config()) == "token-of-a-test"
    with pytest.raises(AirbyteTracedException, match="mistyped, expired or revoked") as caught:
        fixed.refresh_and_set_access_token()
    assert caught.value.failure_type == FailureType.config_error
    assert server.call_count == 0


@pytest.mark.parametrize("credentials", [{}, account()["credentials"]])
def test_a_task_uses_the_token_of_the_plan_and_never_signs_in(server: Mocker, credentials: dict[str, str]) -> None:
    worker = authenticator(credentials=credentials, plan={"access_token": "token-of-the-plan"})
    assert worker.token == "Bearer token-of-the-plan"
    for _ in range(4):
        with pytest.raises(SignInRefusedError, match="Start the read again"):
            worker.refresh_and_set_access_token()
    assert server.call_count == 0


def test_a_worker_that_is_reused_takes_the_token_of_each_plan(server: Mocker) -> None:
    tokens = [authenticator(plan={"access_token": f"plan-{number}"}).token for number in range(3)]
    assert tokens == ["Bearer plan-0", "Bearer plan-1", "Bearer plan-2"]


CURRENT = f"{BASE_URL}/v1/access_tokens/current"


def test_a_token_that_was_issued_before_is_tried_before_tasks_get_it(server: Mocker) -> None:
    server.get(CURRENT, [{"json": {}}, {"status_code": 401}, {"status_code": 503}, {"exc": requests.ConnectionError}])
    assert [sign_in(account()) for _ in range(5)] == ["token-1", "token-1", "token-2", "token-2", "token-2"]
    tried = [request.headers["Authorization"] for request in server.request_history if request.url == CURRENT]
    assert tried == ["Bearer token-1", "Bearer token-1", "Bearer token-2", "Bearer token-2"]


def test_where_token_and_password_were_changed_one_login_is_sent_however_often_it_is_planned(server: Mocker) -> None:
    sign_in(account())
    server.get(CURRENT, status_code=401)
    server.post(TOKEN_URL, **refusal())
    for _ in range(4):
        with pytest.raises(SignInRefusedError, match="user name or password was refused"):
            sign_in(account())
    assert [request.url for request in server.request_history].count(TOKEN_URL) == 2


@pytest.mark.parametrize(
    "reply",
    [
        {"status_code": 404, "text": "<html>"},
        {"status_code": 404, "json": {"error": "not_found"}},
        {"status_code": 407, "text": "proxy"},
        {"status_code": 403, "text": "<html>blocked"},
        {"status_code": 400, "json": ["error"]},
        {"status_code": 403, "json": {"error": "Forbidden"}},
        {"status_code": 403, "json": {"message": "Forbidden"}},
        {"status_code": 401, "json": {"status": 401, "error": "Login required", "path": "/oauth/token"}},
    ],
)
def test_what_is_not_the_apis_own_refusal_is_not_remembered(server: Mocker, reply: dict[str, Any]) -> None:
    server.post(TOKEN_URL, [reply, grant()])
    with pytest.raises(SignInRefusedError, match=f"refused with status {reply['status_code']}"):
        sign_in(account())
    assert sign_in(account()) == "token-1"


# ---- expiry and renewal ----


def test_a_token_is_renewed_a_minute_before_it_expires(server: Mocker, clock: SimpleNamespace) -> None:
    server.post(TOKEN_URL, [grant(1, expires_in=1000), grant(2, expires_in=1000)])
    started, seen = clock.time, []
    for later in (0, 939, 941, 1000):
        clock.time = started + later
        seen.append(authenticator().token)
    assert seen == ["Bearer token-1", "Bearer token-1", "Bearer token-2", "Bearer token-2"]
    assert server.call_count == 2


@pytest.mark.parametrize("reply", [{"expires_in": 0}, {"expires_in": None}, {}], ids=str)
def test_a_token_without_a_lifetime_never_expires(
    server: Mocker, clock: SimpleNamespace, reply: dict[str, Any]
) -> None:
    server.post(TOKEN_URL, json={"access_token": "token-1", **reply})
    for _ in range(3):
        assert authenticator().token == "Bearer token-1"
        clock.time += 10**9
    assert server.call_count == 1


def test_a_refused_token_is_renewed_once_for_all_threads(server: Mocker) -> None:
    shared = authenticator()
    sent = threading.Barrier(8, timeout=10)

    def meet_a_401() -> str:
        assert shared.token == "Bearer token-1"
        sent.wait()
        shared.refresh_and_set_access_token()
        return shared.token

    assert at_once(meet_a_401) == ["Bearer token-2"] * 8
    assert server.call_count == 2


def test_a_refusal_of_a_token_that_is_already_replaced_changes_nothing(server: Mocker) -> None:
    held = account_of(account())
    assert held.valid_token() == "token-1"
    held.renew(rejected="an-older-token")
    assert held.valid_token() == "token-1"
    assert server.call_count == 1


def test_a_read_survives_a_token_revoked_during_it(server: Mocker) -> None:
    server.get(f"{BASE_URL}/v1/devices", status_code=401)
    server.get(f"{BASE_URL}/v1/devices", request_headers={"Authorization": "Bearer token-2"}, json=[{"id": "1"}])
    assert list(retrievers("devices", **account())["devices"].read_records({})) == [{"id": "1"}]
    assert [request.method for request in server.request_history] == ["POST", "GET", "POST", "GET"]


# ---- refusals ----


def test_a_wrong_password_is_sent_once_however_often_it_is_asked_for(server: Mocker) -> None:
    server.post(TOKEN_URL, **refusal())

    def try_it() -> str:
        with pytest.raises(AirbyteTracedException) as caught:
            _ = authenticator().token
        assert caught.value.failure_type == FailureType.config_error
        return str(caught.value.message)

    messages = {*at_once(try_it), try_it(), try_it()}
    assert server.call_count == 1
    assert len(messages) == 1
    assert "user name or password was refused" in messages.pop()


def test_a_password_that_is_refused_on_renewal_is_not_sent_again(server: Mocker) -> None:
    server.post(TOKEN_URL, [grant(), refusal()])
    held = authenticator()
    assert held.token == "Bearer token-1"
    with pytest.raises(AirbyteTracedException, match="user name or password was refused"):
        held.refresh_and_set_access_token()
    for _ in range(3):
        with pytest.raises(AirbyteTracedException, match="user name or password was refused"):
            _ = held.token
    assert server.call_count == 2


def test_another_password_is_another_account(server: Mocker) -> None:
    server.post(TOKEN_URL, [refusal(), grant()])
    with pytest.raises(AirbyteTracedException):
        sign_in(account("wrong"))
    assert sign_in(account("right")) == "token-1"


@pytest.mark.parametrize(
    ("reply", "advice"),
    [
        (refusal(403, "mfa_required"), "multi-factor authentication.*configure an access token"),
        (refusal(400, "invalid_client"), "refused with status 400. Check base_url"),
        ({"status_code": 404, "text": "<html>"}, "refused with status 404"),
        ({"status_code": 401, "json": ["Bad password"]}, "refused with status 401"),
    ],
)
def test_a_refusal_says_what_to_do(server: Mocker, reply: dict[str, Any], advice: str) -> None:
    server.post(TOKEN_URL, **reply)
    with pytest.raises(AirbyteTracedException, match=advice) as caught:
        sign_in(account())
    assert caught.value.failure_type == FailureType.config_error
    assert TOKEN_URL in str(caught.value.message)
    assert PASSWORD not in repr(caught.value) + str(caught.value.message)


HICCUPS: list[dict[str, Any]] = [
    {"status_code": 500},
    {"status_code": 503, "text": "<html>"},
    {"status_code": 429},
    {"status_code": 408},
    {"text": "<html>Sign in to this network</html>"},
    {"text": ""},
    {"json": []},
    {"json": {"ok": True}},
    {"json": {"access_token": None}},
    {"json": {"access_token": 5}},
    {"status_code": 302, "headers": {"Location": f"{BASE_URL}/elsewhere"}},
    {"exc": requests.exceptions.ConnectTimeout},
    {"exc": requests.exceptions.ReadTimeout},
    {"exc": requests.exceptions.ConnectionError},
]


@pytest.mark.parametrize("hiccup", HICCUPS, ids=str)
def test_a_login_without_an_answer_is_tried_a_few_times(server: Mocker, hiccup: dict[str, Any]) -> None:
    server.post(TOKEN_URL, **hiccup)
    with pytest.raises(AirbyteTracedException, match="signing in failed 6 times") as caught:
        sign_in(account())
    assert caught.value.failure_type == FailureType.transient_error
    assert [request.url for request in server.request_history] == [TOKEN_URL] * 6


def test_a_password_is_not_carried_to_where_a_redirect_points(server: Mocker) -> None:
    for status in (301, 302, 307, 308):
        server.post(TOKEN_URL, status_code=status, headers={"Location": "https://elsewhere.example.com/"})
        elsewhere = server.register_uri(requests_mock.ANY, "https://elsewhere.example.com/", **grant())
        with pytest.raises(AirbyteTracedException):
            sign_in(account())
        assert not elsewhere.called


@pytest.mark.parametrize("hiccup", HICCUPS, ids=str)
def test_a_login_survives_a_temporary_failure(server: Mocker, hiccup: dict[str, Any]) -> None:
    server.post(TOKEN_URL, [hiccup, hiccup, grant()])
    assert sign_in(account()) == "token-1"


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The waits before a retry, in seconds, none of which takes any time."""
    waits: list[float] = []
    monkeypatch.setattr(backoff, "pause", waits.append)
    return waits


def test_waits_between_logins_double_and_shrink_by_the_factor(server: Mocker, waits: list[float]) -> None:
    server.post(TOKEN_URL, status_code=500)
    with pytest.raises(AirbyteTracedException):
        sign_in(account(retry_wait_factor=0.5))
    assert waits == [0.5, 1, 2, 4, 8]


def test_a_login_waits_until_the_limit_of_five_minutes_is_over(server: Mocker, waits: list[float]) -> None:
    server.post(TOKEN_URL, [{"status_code": 429, "json": {}}] * 5 + [grant()])
    assert sign_in(account(retry_wait_factor=1)) == "token-1"
    assert waits == [15, 30, 60, 120, 240]
    assert sum(waits) > 300


def test_a_login_that_is_limited_for_longer_says_what_may_have_blocked_it(server: Mocker) -> None:
    server.post(TOKEN_URL, status_code=429, json={})
    with pytest.raises(AirbyteTracedException, match=r"429: .*ten failed logins.*half an hour") as caught:
        sign_in(account())
    assert caught.value.failure_type == FailureType.transient_error


@pytest.mark.parametrize("status", [429, 500])
def test_a_person_who_waits_for_check_waits_for_one_more_try(server: Mocker, waits: list[float], status: int) -> None:
    server.post(TOKEN_URL, status_code=status, json={})
    with pytest.raises(AirbyteTracedException, match="signing in failed 2 times"):
        sign_in(account(retry_wait_factor=1, plan={"checking": True}))
    assert server.call_count == 2


def test_a_read_after_a_check_has_its_own_number_of_tries(server: Mocker) -> None:
    server.post(TOKEN_URL, status_code=429, json={})
    for plan, tries in (({"checking": True}, 2), ({}, 6), ({"checking": True}, 2)):
        with pytest.raises(AirbyteTracedException, match=f"signing in failed {tries} times"):
            sign_in(account(plan=plan))


# ---- secrets ----


def test_an_account_shows_no_secret(server: Mocker) -> None:
    sign_in(account())
    shown = repr(account_of(account()))
    assert PASSWORD not in shown
    assert "token-1" not in shown


def test_a_token_that_was_signed_in_for_is_kept_out_of_messages(server: Mocker) -> None:
    sign_in(account())
    assert "token-1" not in airbyte_secrets_utils.filter_secrets("the token is token-1")


def test_a_token_that_is_refused_as_soon_as_it_is_issued_is_not_replaced_again_and_again(server: Mocker) -> None:
    account_of_config = account_of(account())
    first = account_of_config.valid_token()
    account_of_config.renew(rejected=first)

    for _ in range(5):
        with pytest.raises(SignInRefusedError, match="has just issued"):
            account_of_config.renew(rejected=account_of_config.valid_token())

    assert server.call_count == 2


@pytest.mark.parametrize("lifetime", ["86400", 86_400, 30])
def test_a_lifetime_is_read_however_it_is_written_and_short_ones_serve_too(server: Mocker, lifetime: object) -> None:
    server.post(TOKEN_URL, **grant(7, expires_in=lifetime))

    assert [authenticator().token for _ in range(3)] == ["Bearer token-7"] * 3
    assert server.call_count == 1


def test_a_certificate_that_does_not_verify_ends_the_login_at_once(server: Mocker) -> None:
    server.post(TOKEN_URL, exc=requests.exceptions.SSLError)

    with pytest.raises(AirbyteTracedException, match="certificate could not be verified"):
        sign_in(account())
    assert server.call_count == 1
