"""Tokens, logins and the refusals around them, as the OAuth layer of the API words them."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import count
from time import monotonic

from .clock import iso_ms, parse_iso
from .fleet import Fleet
from .http import Reply, Request, json_reply
from .limits import SlidingWindow
from .seeding import secret

NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}
API_USER_SCOPES = frozenset(
    {
        "devices:list",
        "devices:get",
        "products:list",
        "products:get",
        "sims:list",
        "sims:get",
        "sims.usage:get",
        "clients:list",
        "devices.diagnostics:get",
        "organization:get",
        "metrics.events:get",
        "metrics.functions:get",
        "metrics.integration:get",
        "metrics.online:get",
        "metrics.variables:get",
        "configuration:get",
        "customers:list",
        "firmware:list",
        "groups:list",
        "integrations:list",
        "ledger.definitions:list",
        "ledger.instances.versions:list",
        "ledger.instances:list",
        "locations:get",
        "logic:list",
        "service_agreements.notifications:list",
        "service_agreements:list",
        "teams.users:list",
    }
)
DEFAULT_LIFETIME = 7_776_000
LOGIN_LIMIT = (100, 300.0)
LOCK_AFTER = 10
LOCK_SECONDS = 1_800.0


@dataclass(frozen=True)
class Token:
    """What a token stands for; `scopes` None: everything, `expires_at` None: never."""

    username: str
    expires_at: datetime | None = None
    scopes: frozenset[str] | None = None
    api_user: bool = False


def oauth_error(status: int, error: str, description: str, **more: str) -> Reply:
    """Return an error of the OAuth layer."""
    headers = NO_STORE if status == 401 else {}
    return json_reply({"error": error, "error_description": description, **more}, status, headers)


class Auth:
    """Knows the tokens, hands out new ones, and locks addresses that guess."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._numbers = count()
        self._tokens: dict[str, Token] = {}
        self._refresh: dict[str, Token] = {}
        self._mfa: dict[str, str] = {}
        self.username = str(next(iter(fleet.rows("users"))))
        self.mfa_username = next(
            str(name) for name, user in fleet.rows("users").items() if user.get("mfa", {}).get("enabled")
        )
        self.password = secret(fleet.seed, "password")
        self.otp = f"{int(secret(fleet.seed, 'otp'), 16) % 1_000_000:06}"
        self.client_id = "fleet-client-1"
        self.client_secret = secret(fleet.seed, "client")
        self.token = self._known("user", Token(self.username))
        self.api_user_token = self._known("API user", Token(self.username, None, API_USER_SCOPES, api_user=True))
        self.expired_token = self._known("expired", Token(self.username, fleet.now - timedelta(days=1)))
        self._logins = SlidingWindow(*LOGIN_LIMIT)
        self._failures: dict[str, int] = {}
        self._locked: dict[str, float] = {}

    def _known(self, purpose: str, token: Token) -> str:
        value = secret(self._fleet.seed, purpose)
        self._tokens[value] = token
        return value

    def issue(self, token: Token) -> str:
        """Return a new token."""
        return self._known(f"token {next(self._numbers)}", token)

    def revoke(self, value: str) -> None:
        """Make a token unknown; nothing happens when it already is."""
        self._tokens.pop(value, None)

    def unlock(self) -> None:
        """Forget failed logins, locks and the login rate; bring the three named tokens back."""
        self._failures.clear()
        self._locked.clear()
        self._logins.clear()
        self._tokens[self.token] = Token(self.username)
        self._tokens[self.api_user_token] = Token(self.username, None, API_USER_SCOPES, api_user=True)

    def identify(self, value: str | None) -> Token | Reply:
        """Return what a token stands for, or the refusal: none is 400, an expired or unknown one 401."""
        if not value:
            return oauth_error(400, "invalid_request", "The access token was not found")
        token = self._tokens.get(value)
        if token is None:
            return oauth_error(401, "invalid_token", "The access token provided is invalid.")
        if token.expires_at is not None and token.expires_at <= self._fleet.clock.now():
            return oauth_error(401, "invalid_token", "The access token provided has expired.")
        return token

    # POST /oauth/token

    def login(self, request: Request) -> Reply:
        """Answer `POST /oauth/token`."""
        if not self._logins.let_through(request.peer) or self._locked.get(request.peer, 0.0) > monotonic():
            return json_reply({}, 429)
        if not request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
            text = "Method must be POST with application/x-www-form-urlencoded encoding"
            return oauth_error(400, "invalid_request", text)
        form = request.form()
        client = _client(request, form)
        # Every tool signs in under a name of its own, Particle's JavaScript client as `particle-api`.
        known = {"particle": "particle", self.client_id: self.client_secret}
        if not client[0] or known.get(client[0], client[1]) != client[1]:
            return oauth_error(400, "invalid_client", "Client credentials are invalid")
        reply = self._grant(form, client[0])
        self._count_failure(request.peer, reply)
        return replace(reply, headers={**reply.headers, **NO_STORE})

    def _count_failure(self, address: str, reply: Reply) -> None:
        if reply.status == 200:
            self._failures.pop(address, None)
        elif b'"invalid_grant"' in reply.body:
            self._failures[address] = self._failures.get(address, 0) + 1
            if self._failures[address] >= LOCK_AFTER:
                self._locked[address] = monotonic() + LOCK_SECONDS
                del self._failures[address]

    def _grant(self, form: dict[str, str], client: str) -> Reply:
        grants = {
            "password": self._password_grant,
            "urn:custom:mfa-otp": self._otp_grant,
            "client_credentials": self._client_grant,
            "refresh_token": self._refresh_grant,
        }
        grant = grants.get(form.get("grant_type", ""))
        if grant is None:
            return oauth_error(400, "invalid_request", "Invalid or missing grant_type parameter")
        return grant(form, client)

    def _password_grant(self, form: dict[str, str], _client: str) -> Reply:
        username = form.get("username", "")
        user = self._fleet.rows("users").get(username)
        if user is None or form.get("password") != self.password:
            return oauth_error(400, "invalid_grant", "User credentials are invalid")
        if user.get("mfa", {}).get("enabled"):
            mfa_token = secret(self._fleet.seed, f"mfa {next(self._numbers)}")
            self._mfa[mfa_token] = username
            return oauth_error(403, "mfa_required", "Multi-factor authentication required", mfa_token=mfa_token)
        return self._tokens_for(username, form)

    def _otp_grant(self, form: dict[str, str], _client: str) -> Reply:
        username = self._mfa.get(form.get("mfa_token", ""))
        if username is None or form.get("otp") != self.otp:
            return oauth_error(400, "invalid_grant", "OTP expired")
        del self._mfa[form["mfa_token"]]
        return self._tokens_for(username, form)

    def _client_grant(self, form: dict[str, str], client: str) -> Reply:
        """A customer's token: it belongs to no team, so no scope of a connector's tables comes with it."""
        if client != self.client_id:
            return oauth_error(400, "invalid_client", "Client credentials are invalid")
        customer = form.get("scope", "").removeprefix("customer=")
        return self._tokens_for(customer, form, scopes=frozenset(), renewable=True)

    def _refresh_grant(self, form: dict[str, str], _client: str) -> Reply:
        token = self._refresh.pop(form.get("refresh_token", ""), None)
        if token is None:
            return oauth_error(400, "invalid_grant", "Invalid refresh token")
        return self._tokens_for(token.username, form, scopes=token.scopes, renewable=True)

    def _tokens_for(
        self, username: str, form: dict[str, str], *, scopes: frozenset[str] | None = None, renewable: bool = False
    ) -> Reply:
        lifetime = self._lifetime(form)
        if lifetime is None:
            return oauth_error(400, "invalid_request", "Invalid expires_in or expires_at parameter")
        expires_at = self._fleet.clock.now() + timedelta(seconds=lifetime) if lifetime else None
        token = Token(username, expires_at, scopes)
        refresh = secret(self._fleet.seed, f"refresh {next(self._numbers)}")
        if renewable:  # a normal user's refresh token is sent, but it is of no use
            self._refresh[refresh] = token
        body = {
            "token_type": "bearer",
            "access_token": self.issue(token),
            "expires_in": lifetime,
            "refresh_token": refresh,
        }
        return json_reply(body)

    def _lifetime(self, form: dict[str, str]) -> int | None:
        """Lifetime of a new token in seconds, 0 for no expiry, None if the form has no valid one."""
        if "expires_at" in form:
            moment = parse_iso(form["expires_at"])
            return None if moment is None else max(1, int((moment - self._fleet.clock.now()).total_seconds()))
        text = form.get("expires_in", str(DEFAULT_LIFETIME))
        return int(text) if text.isascii() and text.isdigit() else None

    def describe(self, token: Token) -> dict[str, object]:
        """Return the body of `/v1/access_tokens/current`; both spellings of the client are known."""
        expires_at = iso_ms(token.expires_at) if token.expires_at else None
        orgs = [{"id": org["id"], "slug": org["slug"]} for org in self._fleet.rows("orgs").values()]
        if token.scopes is None:
            return {"expires_at": expires_at, "client": "particle", "scopes": [], "orgs": []}
        return {"expires_at": expires_at, "client_id": "particle", "scopes": sorted(token.scopes), "orgs": orgs}


def _client(request: Request, form: dict[str, str]) -> tuple[str, str]:
    """Return the client's id and secret, from HTTP Basic or from the form."""
    scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return form.get("client_id", ""), form.get("client_secret", "")
    try:
        name, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return name, password


def sent_token(request: Request) -> str | None:
    """Return the access token of a request: from the header, else the query, else a form body."""
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return value.strip()
    return request.query.get("access_token") or request.form().get("access_token")
