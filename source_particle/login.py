"""Signs in with user name and password: one login per process and account, shared by all streams and threads.

The API blocks an IP address for 30 minutes after ten failed logins, so a refused password is remembered and never sent
again, and a token is kept until it expires or is refused.
"""

import dataclasses
import hashlib
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import InitVar, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import requests
from airbyte_cdk.models import FailureType
from airbyte_cdk.sources.declarative.auth.declarative_authenticator import DeclarativeAuthenticator
from airbyte_cdk.sources.declarative.interpolation.interpolated_string import InterpolatedString
from airbyte_cdk.sources.types import Config
from airbyte_cdk.utils import airbyte_secrets_utils
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from source_particle import manifest
from source_particle.backoff import pause_before_retry, seconds_before_retry
from source_particle.budget import OneOriginSession, budget_of, budgeted_session
from source_particle.errors import OUTLIVED, REFUSED_AFRESH, UNVERIFIED, SignInRefusedError
from source_particle.masking import keep_secret, masked, secrets_in
from source_particle.replies import is_refusal
from source_particle.settings import Settings
from source_particle.token_cache import read_private_json, write_private_json

CONNECT_AND_READ_TIMEOUT = (6, 15)
# A reply of a few hundred bytes, for which everything else waits.
LONGEST_REPLY = 60.0
UNREACHED = "Check whether this machine can reach the address, or try again later."
# A token that is refused this soon after it was issued as a replacement is not replaced again.
YOUNGEST_REPLACEABLE = 60.0
# A token is renewed this long before it expires, so that none expires on its way to the server.
EXPIRY_MARGIN = 60.0
# How the API itself refuses to sign in; with another status, or another body than its own, something else answered.
OWN_REFUSALS = (400, 401, 403)
# Particle's own tools identify themselves like this; it is how an account signs in for itself.
OAUTH_CLIENT = ("particle", "particle")


@dataclass
class Account:
    """One account on one API, and this process's token for it."""

    username: str
    password: str = field(repr=False)
    settings: Settings
    retries: int
    token: str | None = field(default=None, repr=False)
    _expires_at: float | None = None
    _margin: float = EXPIRY_MARGIN
    _issued: int = 0
    _renewed_at: float | None = None
    _refusal: str | None = None
    _lock: threading.RLock = field(default_factory=threading.RLock, repr=False)

    def valid_token(self) -> str:
        """Return a token that is not known to be bad, signing in only if there is none.

        Raises AirbyteTracedException: config_error if the account is refused, transient_error if there is no answer.
        """
        with self._lock:
            if self.token is None or self._is_expiring():
                self._load_cached_token()
            if self.token is None or self._is_expiring():
                self._sign_in()
            assert self.token is not None
            return self.token

    def renew(self, rejected: str | None) -> None:
        """Replace a token that the API rejected, once, however many threads noticed.

        Raises SignInRefusedError if that token had just replaced a rejected one.
        """
        with self._lock:
            if self.token != rejected:
                return
            if self._renewed_at is not None and time.monotonic() < self._renewed_at + YOUNGEST_REPLACEABLE:
                raise SignInRefusedError(REFUSED_AFRESH.format(self.settings.base_url))
            self._sign_in()
            self._renewed_at = time.monotonic()

    def proven_token(self) -> str:
        """Return a token that the API accepts now, for tasks that have nothing to sign in with.

        One that was issued earlier is tried first, in one request. Raises what `valid_token` raises.
        """
        with self._lock:
            issued = self._issued
            token = self.valid_token()
            if self._issued == issued and self._is_refused(token):
                self.renew(rejected=token)
            return self.valid_token()

    def _is_refused(self, token: str) -> bool:
        with OneOriginSession() as session:
            budgeted_session(session, self.settings)
            try:
                response = session.get(
                    f"{self.settings.base_url}/v1/access_tokens/current",
                    headers={"Authorization": f"Bearer {token}"},
                    timeout=CONNECT_AND_READ_TIMEOUT,
                    allow_redirects=False,
                )
            except requests.RequestException:
                # Whoever reads finds out, and waits for the API if need be.
                return False
        return bool(response.status_code == requests.codes.unauthorized)

    @property
    def _address(self) -> str:
        return f"{self.settings.base_url}/oauth/token"

    def _is_expiring(self) -> bool:
        return self._expires_at is not None and time.time() > self._expires_at - self._margin

    def _keep(self, token: str, expires_at: float | None, margin: float = EXPIRY_MARGIN) -> None:
        keep_secret([token])
        self.token, self._expires_at, self._margin = token, expires_at, margin

    def _sign_in(self) -> None:
        if self._refusal is not None:
            raise SignInRefusedError(self._refusal)
        self.token = None
        reply = self._ask_for_token()
        # 0, like no value at all, means that the token never expires.
        lifetime = _seconds(reply.get("expires_in"))
        # With the full margin, a short-lived token would count as expired from the start.
        margin = min(EXPIRY_MARGIN, lifetime / 2)
        self._keep(reply["access_token"], time.time() + lifetime if lifetime else None, margin)
        self._issued += 1
        self._store_cached_token()

    def _ask_for_token(self) -> dict[str, Any]:
        with OneOriginSession() as session:
            budgeted_session(session, dataclasses.replace(self.settings, longest_reply_seconds=LONGEST_REPLY))
            return self._ask_for_token_in(session)

    def _ask_for_token_in(self, session: requests.Session) -> dict[str, Any]:
        for attempt in range(1, self.retries + 2):
            response = None
            try:
                response = self._asked_for_token(session)
            except requests.exceptions.SSLError as error:
                raise AirbyteTracedException(
                    message=UNVERIFIED.format(self._address),
                    failure_type=FailureType.config_error,
                ) from error
            except requests.RequestException as error:
                problem = f"no answer ({type(error).__name__}). {UNREACHED}"
                if budget_of(self.settings).is_unreachable:
                    break
            else:
                reply = _json_object(response)
                if response.ok and isinstance(reply.get("access_token"), str):
                    return reply
                problem = _problem_of(response)
            if attempt <= self.retries:
                pause_before_retry(response, seconds_before_retry(response, attempt, self.settings))
        raise AirbyteTracedException(
            message=f"{self._address}: signing in failed {attempt} times, last with {problem}",
            failure_type=FailureType.transient_error,
        )

    def _asked_for_token(self, session: requests.Session) -> requests.Response:
        """Return the reply to one login; raises SignInRefusedError if it is a refusal."""
        response = session.post(
            self._address,
            auth=OAUTH_CLIENT,
            data={
                "grant_type": "password",
                "username": self.username,
                "password": self.password,
                "expires_in": self.settings.token_lifetime,
            },
            timeout=CONNECT_AND_READ_TIMEOUT,
            allow_redirects=False,
        )
        if 400 <= response.status_code < 500 and response.status_code not in (408, 429):
            refusal = self._refused(response)
            if response.status_code in OWN_REFUSALS and is_refusal(response):
                self._refusal = refusal
            raise SignInRefusedError(refusal)
        return response

    def _refused(self, response: requests.Response) -> str:
        error = _json_object(response).get("error")
        if error == "mfa_required":
            advice = (
                "The account uses multi-factor authentication, which a scheduled read cannot answer: configure an "
                "access token instead, preferably an API user's."
            )
        elif error == "invalid_grant":
            advice = (
                "The user name or password was refused. It is not tried again in this run, because ten failures block "
                "this IP address for 30 minutes. Correct it, or configure an access token."
            )
        else:
            advice = (
                f"Signing in was refused with status {response.status_code}. Check base_url and any proxy, or "
                "configure an access token."
            )
        return f"{self._address}: {advice}"

    # ---- the optional file that keeps the token between runs ----

    def _cache_key(self) -> str:
        """Return a key for account, API and password; the slow hash protects the password."""
        salt = hashlib.sha256(f"{self.settings.base_url}\0{self.username}".encode()).digest()
        return hashlib.scrypt(self.password.encode(), salt=salt, n=2**14, r=8, p=1).hex()

    def _load_cached_token(self) -> None:
        path = self.settings.token_cache_file
        entry = read_private_json(Path(path)) if path else None
        if not entry or entry.get("key") != self._cache_key():
            return
        token, expires_at = entry.get("access_token"), entry.get("expires_at")
        if isinstance(token, str) and (expires_at is None or isinstance(expires_at, (int, float))):
            self._keep(token, expires_at)

    def _store_cached_token(self) -> None:
        if path := self.settings.token_cache_file:
            entry = {"key": self._cache_key(), "access_token": self.token, "expires_at": self._expires_at}
            write_private_json(Path(path), entry)


_ACCOUNTS: dict[tuple[str, str, str], Account] = {}
_ACCOUNTS_LOCK = threading.Lock()


def account_of(config: Mapping[str, Any]) -> Account:
    """Return the process's only Account for a configuration with user name and password."""
    settings, credentials = Settings.of(config), config["credentials"]
    username, password = credentials["username"], credentials["password"]
    identity = (settings.base_url, username, password)
    retries = _retries(config)
    with _ACCOUNTS_LOCK:
        account = _ACCOUNTS.setdefault(identity, Account(username, password, settings, retries))
        # A read may follow a check, which has fewer.
        account.retries = retries
        return account


def _retries(config: Mapping[str, Any]) -> int:
    """Return how often the manifest lets a request be tried again; the waits after a 429 exceed the API's 5 minutes."""
    written = manifest()["definitions"]["requester"]["error_handler"]["max_retries"]
    return int(InterpolatedString.create(written, parameters={}).eval(config))


def forget_accounts() -> None:
    """Forget all tokens and refusals of this process, as if it were new."""
    with _ACCOUNTS_LOCK:
        _ACCOUNTS.clear()


def mask_secrets(config: Mapping[str, Any]) -> None:
    """Mask the secrets in a configuration, in every spelling, in everything the CDK writes from now on."""
    keep_secret(secrets_in(config))
    _mask_in_cdk()


@cache
def _mask_in_cdk() -> None:
    """Let the CDK mask by `masked` too, once: it knows the literal spelling of a secret alone.

    Each of its modules has a name of its own for the function; a later one imports the new function.
    """
    literally = airbyte_secrets_utils.filter_secrets

    def filter_secrets(string: str) -> str:
        return literally(masked(string))

    for module in list(sys.modules.values()):
        # A program may forbid a module by putting None in its place.
        names = vars(module) if module is not None else {}
        if names.get("filter_secrets") is literally:
            names["filter_secrets"] = filter_secrets


@dataclass
class ParticleAuthenticator(DeclarativeAuthenticator):
    """Sends an access token: the configured one, or one obtained with user name and password.

    The CDK's OAuthAuthenticator has no timeout, signs in once per stream, alters passwords that look like numbers and
    takes `expires_in: 0`, which means never here, for expired.
    """

    config: Config = field(repr=False)
    parameters: InitVar[Mapping[str, Any]]

    def __post_init__(self, parameters: Mapping[str, Any]) -> None:
        mask_secrets(self.config)
        self._settings = Settings.of(self.config)
        credentials = self.config.get("credentials", {})
        self._planned_token = self._settings.plan.access_token
        signs_in = credentials.get("auth_type") == "password" and not self._planned_token
        self._account = account_of(self.config) if signs_in else None
        self._fixed_token = self._planned_token or credentials.get("access_token")
        self._last_sent = threading.local()

    @property
    def auth_header(self) -> str:
        """The header that carries the token."""
        return "Authorization"

    @property
    def token(self) -> str:
        """The header's value; signs in first if necessary."""
        token = self._account.valid_token() if self._account else self._fixed_token
        self._last_sent.token = token
        return f"Bearer {token}"

    def refresh_and_set_access_token(self) -> None:
        """Replace a token that the API refused (401); the CDK calls this and then retries once."""
        if self._planned_token:
            raise SignInRefusedError(OUTLIVED.format(self._settings.base_url))
        if self._account is None:
            raise SignInRefusedError(
                f"{self._settings.base_url}: the access token was refused (401): it is mistyped, expired or revoked. "
                "Create a new one in the Particle Console and enter it in the configuration."
            )
        if self._settings.plan.checking:
            raise SignInRefusedError(REFUSED_AFRESH.format(self._settings.base_url))
        self._account.renew(rejected=self._last_sent.token)


def sign_in(config: Mapping[str, Any]) -> str:
    """Return the access token of a configuration, signing in if it has a user name and password.

    One that was signed in for before is tried first, because whoever is given it cannot sign in again.

    Raises AirbyteTracedException if the account is refused (config_error) or nothing answers (transient_error).
    """
    mask_secrets(config)
    credentials = config["credentials"]
    if credentials["auth_type"] != "password":
        token: str = credentials["access_token"]
        return token
    return account_of(config).proven_token()


def _problem_of(response: requests.Response) -> str:
    """Return what is wrong with a reply that is no token and no refusal, and what to do."""
    if response.status_code == requests.codes.too_many_requests:
        return (
            "status 429: the API had too many requests from this IP address, or has blocked it after ten failed "
            "logins. Start again in half an hour."
        )
    return f"status {response.status_code} without a token. {UNREACHED}"


def _seconds(value: Any) -> float:
    """Return a number of seconds, which some servers send as text; 0 for anything else."""
    try:
        return float(value)
    except (TypeError, ValueError):
        return 0.0


def _json_object(response: requests.Response) -> dict[str, Any]:
    try:
        body = response.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}
