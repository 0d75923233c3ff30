"""The session of a stream: a request whose reply is good takes a shorter way than through the CDK's client."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import requests

from source_particle.budget import OneOriginSession

Outcome = requests.Response | requests.RequestException


class StreamSession(OneOriginSession):
    """Tries a request once; the CDK's client may then take that for its own first try.

    The client prepares, logs and wraps each request in functions for its retries. That costs a third of what sending it
    does, and a good reply needs none of it.
    """

    def __init__(self) -> None:
        super().__init__()
        # Each thread has a try of its own.
        self._tried = threading.local()

    def try_once(
        self, url: str, parameters: Mapping[str, Any], timeout: tuple[float | None, float | None]
    ) -> tuple[requests.PreparedRequest, Outcome]:
        """Send a request and read the reply; return it, or what prevented it."""
        request = requests.PreparedRequest()
        request.prepare("GET", url, headers=self.headers, params=parameters, cookies=self.cookies, auth=self.auth)
        try:
            return request, self.send(request, timeout=timeout, proxies=self.proxies)
        except requests.RequestException as error:
            return request, error

    @contextmanager
    def tried(self, request: requests.PreparedRequest | None, outcome: Outcome | None) -> Iterator[None]:
        """Within this block, the next request of this thread has been sent already, with this outcome, unless None."""
        self._tried.request, self._tried.outcome = request, outcome
        try:
            yield
        finally:
            self._tried.request = self._tried.outcome = None

    def prepare_request(self, request: requests.Request) -> requests.PreparedRequest:
        """Return the request that was tried, with the token that it was tried with, or prepare another one."""
        tried, self._tried.request = getattr(self._tried, "request", None), None
        return tried or super().prepare_request(request)

    def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:
        """Return the reply to a request, or raise what prevented it; nothing is sent for the one that was tried."""
        outcome, self._tried.outcome = getattr(self._tried, "outcome", None), None
        if outcome is None:
            return super().send(request, **options)
        if isinstance(outcome, requests.Response):
            return outcome
        raise outcome
