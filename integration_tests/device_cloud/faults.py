"""Scripted faults: on which requests, and what goes wrong."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from .http import JSON, Cut, Reply, Request

ERROR = '{"ok": false, "error": "No, says the Device Cloud."}'
HTML = "<html><head><title>Maintenance</title></head><body><h1>We will be back soon</h1></body></html>"
MALFORMED = '{"devices":[{"id":"'
ANY = "*"


@dataclass(frozen=True)
class Fault:
    """What goes wrong on some requests of a route.

    `route` is a pattern as in the request log (`"GET /v1/products/:p/devices"`) or `"*"`. Of the requests that match it
    (and `path`, `page`, `query`, when given), the `at`-th (from 1) is the first to be hit, and `times` in a row are;
    `times=None` means always. Where several faults hit one request, the one added first counts.

    Several things may go wrong at once, in this order: `run` is called, the token is revoked, the previous page is
    served in place of the one asked for, then the reply is changed, delayed, slowed down and cut.
    """

    route: str
    at: int = 1
    times: int | None = 1
    path: str | None = None
    page: int | None = None
    query: Mapping[str, str] = field(default_factory=dict)

    status: int | None = None
    """Reply with this status, and with `body`, else with an error in the API's words or an empty JSON object."""
    body: str | bytes | None = None
    """Reply with this body, and with `status` or 200: `HTML`, `MALFORMED`, `""`, `"null"`, `"[]"`, …"""
    change: Callable[[bytes], bytes] | None = None
    """Reply with what this makes of the body that would have been sent."""
    content_type: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)
    delay: float = 0.0
    """Seconds before the reply."""
    cut: Cut | None = None
    """Break the connection: `reset` before any header, `reset_body` after half the body, `short` by closing after half
    of what Content-Length promises, `close` the same without Content-Length (the framing does not show that)."""
    drip: float = 0.0
    """Seconds between two bytes of the body."""
    longer_by: int = 0
    """By how many bytes Content-Length promises more than is sent, or less where it is negative."""
    repeat_page: bool = False
    run: Callable[[], object] | None = None
    """Called before the reply is made, on the server's thread; to change the fleet while it is read."""
    revoke_token: bool = False

    def matches(self, route: str, request: Request) -> bool:
        """Return whether a request is one of those that are counted."""
        return (
            self.route in (ANY, route)
            and self.path in (None, request.path)
            and (self.page is None or request.query.get("page", "1") == str(self.page))
            and all(request.query.get(name) == value for name, value in self.query.items())
        )

    def spoil(self, reply: Reply) -> Reply:
        """Return what goes out in place of a reply."""
        if self.status is not None or self.body is not None:
            body = self.body if self.body is not None else ERROR if (self.status or 200) >= 400 else "{}"
            raw = body.encode() if isinstance(body, str) else body
            reply = Reply(self.status or 200, raw, content_type=self.content_type)
        return replace(
            reply,
            body=self.change(reply.body) if self.change else reply.body,
            headers={**reply.headers, **self.headers},
            delay=reply.delay + self.delay,
            cut=self.cut,
            drip=self.drip,
            longer_by=self.longer_by,
        )


class Faults:
    """The faults in force, thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen: list[int] = []
        self._faults: list[Fault] = []

    def add(self, *faults: Fault) -> None:
        """Put faults in force; each counts the requests from now on."""
        with self._lock:
            self._faults.extend(faults)
            self._seen.extend(0 for _ in faults)

    def clear(self) -> None:
        """Let everything work again."""
        with self._lock:
            self._faults.clear()
            self._seen.clear()

    def next(self, route: str, request: Request) -> Fault | None:
        """Count a request and return the fault that hits it."""
        hit: Fault | None = None
        with self._lock:
            for index, fault in enumerate(self._faults):
                if not fault.matches(route, request):
                    continue
                self._seen[index] += 1
                number = self._seen[index]
                in_force = number >= fault.at and (fault.times is None or number < fault.at + fault.times)
                if hit is None and in_force:
                    hit = fault
        return hit
