"""The server: a thread with an event loop, and everything that tests need."""

from __future__ import annotations

import asyncio
import ssl
import threading
from datetime import timedelta
from time import monotonic
from types import TracebackType
from typing import Any

from .api import Api
from .auth import Auth, Token, sent_token
from .clock import http_date
from .faults import Faults
from .fleet import Fleet
from .http import Connection, Reply, Request, json_reply
from .ledger import Ledger
from .limits import SlidingWindow
from .log import Entry, RequestLog
from .routes import match
from .switches import Switches

_LOGIN = "POST /oauth/token"
_BACKLOG = 1024


class DeviceCloud:
    """A server on this machine that behaves like https://api.particle.io, as a context manager.

    `url` is its base URL; `token` (of the user, without limits), `api_user_token` and `expired_token` are access
    tokens; `username` logs in with `password`, `mfa_username` also needs `otp`; `client_id` and `client_secret` belong
    to an OAuth client. `fleet`, `faults` and `switches` may be changed while it runs; `ledger` knows the truth and the
    requests. With `tls` it speaks https.
    """

    def __init__(
        self,
        fleet: Fleet | None = None,
        switches: Switches | None = None,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.fleet = fleet or Fleet.seeded()
        self.faults = Faults()
        self.auth = Auth(self.fleet)
        self._log = RequestLog()
        self._window = SlidingWindow(*Switches().rate_limit)
        self._api = Api(self.fleet, self.auth, Switches())
        self.switches = switches or Switches()
        self.ledger = Ledger(self.fleet, self._log, lambda: self.switches)
        self.username, self.password = self.auth.username, self.auth.password
        self.mfa_username, self.otp = self.auth.mfa_username, self.auth.otp
        self.client_id, self.client_secret = self.auth.client_id, self.auth.client_secret
        self.token = self.auth.token
        self.api_user_token = self.auth.api_user_token
        self.expired_token = self.auth.expired_token
        self.url = ""
        self._host, self._port, self._tls = host, port, tls
        self._numbers = 0
        self._date = (0, "")
        self._failures: list[Exception] = []
        self._ready = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def switches(self) -> Switches:
        """The behaviours in force; replace them as a whole."""
        return self._api.switches

    @switches.setter
    def switches(self, switches: Switches) -> None:
        self._api.switches = switches
        self.fleet.clock.skew = switches.clock_skew
        if (self._window.limit, self._window.seconds) != switches.rate_limit:
            self._window = SlidingWindow(*switches.rate_limit)

    def serve(self, path: str, body: Any, status: int = 200) -> None:
        """Answer a further path with a fixed body (bytes as they are, anything else as JSON); a token is needed."""
        self._api.serve(path, body, status)

    def issue_token(
        self,
        scopes: frozenset[str] | set[str] | None = None,
        expires_in: float | None = None,
        *,
        api_user: bool = False,
    ) -> str:
        """Return a new access token; `scopes` None: all, `expires_in` in seconds, None: never."""
        expires_at = None if expires_in is None else self.fleet.clock.now() + timedelta(seconds=expires_in)
        limits = None if scopes is None else frozenset(scopes)
        return self.auth.issue(Token(self.username, expires_at, limits, api_user))

    def revoke(self, token: str) -> None:
        """Make an access token invalid."""
        self.auth.revoke(token)

    def reset(self) -> None:
        """Forget faults, requests, rates and login locks, and bring revoked tokens back; fleet and switches stay."""
        self.faults.clear()
        self._log.clear()
        self._window.clear()
        self.auth.unlock()

    # life

    def __enter__(self) -> DeviceCloud:
        """Start; OSError when the port is taken."""
        self._api.prepare()
        self._thread = threading.Thread(target=self._run, name="device-cloud")
        self._thread.start()
        self._ready.wait()
        if not self.url:
            self._thread.join()
            raise self._failures.pop()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop, break open connections off, and raise what went wrong in the server itself."""
        assert self._thread is not None
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()
        if self._failures and error is None:
            raise self._failures[0]

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except Exception as error:  # noqa: BLE001 - raised in the thread that waits for the start
            self._failures.append(error)
        finally:
            self._ready.set()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._loop.set_exception_handler(self._note_failure)
        self._stop = asyncio.Event()
        connections: set[Connection] = set()
        server = await self._loop.create_server(
            lambda: Connection(self._answer, self._headers, connections),
            self._host,
            self._port,
            backlog=_BACKLOG,
            ssl=self._tls,
        )
        host, port = server.sockets[0].getsockname()[:2]
        self.url = f"{'https' if self._tls else 'http'}://{host}:{port}"
        self._ready.set()
        await self._stop.wait()
        # A server that is closed while asyncio still accepts a connection leaks its socket: first stop listening.
        for listener in server.sockets:
            self._loop.remove_reader(listener)
        if accepting := asyncio.all_tasks() - {asyncio.current_task()}:
            await asyncio.wait(accepting)
        server.close()
        for connection in list(connections):
            connection.abort()
        await asyncio.sleep(0)  # lets the aborted transports close their sockets
        await server.wait_closed()

    def _note_failure(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self._failures.append(context.get("exception") or RuntimeError(context["message"]))

    # requests

    def _answer(self, request: Request) -> Reply:
        try:
            return self._answer_or_fail(request)
        except Exception as failure:  # noqa: BLE001 - a bug of the server or of a fault's callable: raised when it stops
            self._failures.append(failure)
            return json_reply({"ok": False, "error": "Internal error"}, 500)

    def _answer_or_fail(self, request: Request) -> Reply:
        arrived, asked = monotonic(), request
        matched = match(self._api, request)
        login = request.method == "POST" and request.path == "/oauth/token"
        route = _LOGIN if login else matched[0].name if matched else "unknown"
        token = sent_token(request)
        fault = self.faults.next(route, request)
        if fault is not None:
            if fault.run is not None:
                fault.run()
            if fault.revoke_token and token is not None:
                self.auth.revoke(token)
            if fault.repeat_page:
                request = request.asking(page=max(1, int(request.query.get("page", "1")) - 1))
        with self.fleet.lock:
            if not self._window.let_through(request.peer):
                reply = self._too_many()
            elif login:
                reply = self.auth.login(request)
            else:
                reply = self._api.answer(request, matched, token)
        if fault is not None:
            reply = fault.spoil(reply)
        status = 0 if reply.cut == "reset" else reply.status
        query = {name: value for name, value in asked.query.items() if name != "access_token"}
        self._log.add(Entry(arrived, request.method, request.path, query, status, route, token is not None))
        return reply.later(self.switches.latency) if self.switches.latency else reply

    def _too_many(self) -> Reply:
        wait = self.switches.retry_after
        if wait is None:
            return json_reply({}, 429)
        moment = http_date(self.fleet.clock.now() + timedelta(seconds=wait))
        return json_reply({}, 429, {"Retry-After": moment if self.switches.retry_after_as_date else str(wait)})

    def _headers(self) -> str:
        """The headers of every reply."""
        now = self.fleet.clock.now()
        second = int(now.timestamp())
        if self._date[0] != second:
            self._date = (second, http_date(now))
        self._numbers += 1
        return (
            f"Server: nginx\r\nDate: {self._date[1]}\r\nX-Request-Id: {self._numbers:032x}\r\n"
            "Access-Control-Allow-Origin: *\r\nVary: Accept-Encoding\r\n"
        )
