"""The only client of a live run: few requests, all read-only, none that reaches a device."""

import re
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch
from urllib.parse import parse_qsl, unquote, urlsplit

import requests
from requests.adapters import HTTPAdapter

LIMIT = 50
# GET /v1/devices/:id/<anything>, by a product's path too, reads a variable on the device itself and wakes it.
REACHES_A_DEVICE = re.compile(r"/devices/.")
TIMEOUT = 60


class ForbiddenRequestError(Exception):
    """A request that a live run must not send; it was not sent."""


@dataclass(frozen=True)
class Reply:
    """What the API answered to one request; `body` is None where it is not JSON."""

    path: str
    query: Mapping[str, str]
    status: int
    headers: Mapping[str, str]
    body: Any


class Wire:
    """A context in which every request of this process is guarded, those of the source too, and every reply kept.

    `allowed` are paths of the API, in which a segment that begins with a colon stands for any one.
    """

    def __init__(self, base_url: str, access_token: str, allowed: Iterable[str]) -> None:
        self.base_url = base_url
        self.replies: list[Reply] = []
        self.sent = 0
        self._access_token = access_token
        self._allowed = re.compile("|".join(re.sub(r":\w+", "[^/]+", path) for path in allowed))
        self._lock = threading.Lock()

    def __enter__(self) -> "Wire":
        """Begin to guard."""
        send = HTTPAdapter.send

        def guarded(adapter: HTTPAdapter, request: requests.PreparedRequest, **options: Any) -> requests.Response:
            self._let_through(request)
            response = send(adapter, request, **options)
            self._keep(response)
            return response

        self._patch = patch.object(HTTPAdapter, "send", guarded)
        self._patch.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Guard no longer."""
        self._patch.stop()

    def ask(self, path: str, **query: Any) -> Reply:
        """Return the reply to a request, inside the context; one that was answered already is not sent again.

        Raises ForbiddenRequestError, and requests.RequestException when no answer comes.
        """
        wanted = {name: str(value) for name, value in query.items()}
        known = [reply for reply in self.replies if (reply.path, reply.query) == (path, wanted)]
        if known:
            return known[-1]
        headers = {"Authorization": f"Bearer {self._access_token}"}
        requests.get(f"{self.base_url}{path}", params=wanted, headers=headers, timeout=TIMEOUT)
        return self.replies[-1]

    def to(self, path: str) -> list[Reply]:
        """Return the replies of a path (written like those that are allowed), in their order."""
        pattern = re.compile(re.sub(r":\w+", "[^/]+", path))
        return [reply for reply in self.replies if pattern.fullmatch(reply.path)]

    def _let_through(self, request: requests.PreparedRequest) -> None:
        url = str(request.url)
        path = unquote(urlsplit(url).path)
        if request.method != "GET":
            raise ForbiddenRequestError(f"{request.method} {path}: only GET is allowed.")
        if REACHES_A_DEVICE.search(path):
            raise ForbiddenRequestError(f"{path}: what lies under a device asks the device itself.")
        if not url.startswith(f"{self.base_url}/") or not self._allowed.fullmatch(path):
            raise ForbiddenRequestError(f"{url}: this is no endpoint of a table.")
        with self._lock:
            if self.sent >= LIMIT:
                raise ForbiddenRequestError(f"{path}: all {LIMIT} requests of this run are used up.")
            self.sent += 1

    def _keep(self, response: requests.Response) -> None:
        url = urlsplit(str(response.url))
        try:
            body = response.json()
        except requests.exceptions.JSONDecodeError:
            body = None
        query = dict(parse_qsl(url.query))
        with self._lock:
            self.replies.append(Reply(unquote(url.path), query, response.status_code, response.headers, body))
