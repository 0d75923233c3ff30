"""Bounds on one reply, its time and its size: the timeouts of a connection bound only the silence between two bytes."""

import io
import time
from collections.abc import Iterator
from functools import partial
from http.client import HTTPResponse
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3 import PoolManager

from source_particle.errors import ReplyTooLargeError


class DeadlineAdapter(HTTPAdapter):
    """Abandons a reply that is not complete, headers and body, within a number of seconds."""

    def __init__(self, seconds: float, largest: int, **options: Any) -> None:
        self._seconds, self._largest = seconds, largest
        self._attributes: tuple[Any, Any] = (None, None)
        super().__init__(**options)

    def send(self, *args: Any, **kwargs: Any) -> requests.Response:
        """Send a request, with a read timeout no longer than the deadline; raises requests.RequestException."""
        connect, read = kwargs["timeout"]
        return super().send(*args, **{**kwargs, "timeout": tuple(min(part, self._seconds) for part in (connect, read))})

    def build_response(self, req: requests.PreparedRequest, resp: Any) -> requests.Response:
        """Return the response, whose body is decompressed up to a limit; raises ReplyTooLargeError when it is read."""
        response = super().build_response(req, resp)
        response.raw = _Bounded(resp, str(req.url), self._largest)
        return response

    def build_connection_pool_key_attributes(self, request: Any, verify: Any, cert: Any = None) -> Any:
        """Return what tells connections apart; `requests` would look at the disk for each request."""
        key = (str(request.url).split("/", 3)[:3], verify, cert)
        known, attributes = self._attributes
        if key != known:
            attributes = super().build_connection_pool_key_attributes(request, verify, cert)
            self._attributes = (key, attributes)
        return attributes

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Create the connection pools, as `requests` does."""
        super().init_poolmanager(*args, **kwargs)
        self._bound(self.poolmanager)

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        """Return the connection pools of a proxy, created once for each."""
        is_new = proxy not in self.proxy_manager
        manager = super().proxy_manager_for(proxy, **kwargs)
        if is_new:
            self._bound(manager)
        return manager

    def _bound(self, manager: PoolManager) -> None:
        # http.client creates the reader of a reply by this name; neither requests nor urllib3 has a total limit.
        bound = {"response_class": staticmethod(partial(_Reply, seconds=self._seconds))}
        pools: dict[str, Any] = manager.pool_classes_by_scheme
        manager.pool_classes_by_scheme = {
            scheme: type("Pool", (pool,), {"ConnectionCls": type("Connection", (pool.ConnectionCls,), bound)})
            for scheme, pool in pools.items()
        }


class _Bounded:
    """A body that ends with an error as soon as it has become too large."""

    def __init__(self, raw: Any, url: str, limit: int) -> None:
        self._raw, self._url, self._limit = raw, url, limit

    def stream(self, *args: Any, **kwargs: Any) -> Iterator[bytes]:
        size = 0
        for chunk in self._raw.stream(*args, **kwargs):
            size += len(chunk)
            if size > self._limit:
                self._raw.close()
                raise ReplyTooLargeError(self._url, self._limit)
            yield chunk

    def __getattr__(self, name: str) -> Any:
        return getattr(self._raw, name)


class _Reply(HTTPResponse):
    """A reply with a deadline, which starts when its first byte is awaited."""

    def __init__(self, *args: Any, seconds: float, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fp = io.BufferedReader(_UntilDeadline(self.fp.detach(), time.monotonic() + seconds), 1 << 18)


class _UntilDeadline(io.RawIOBase):
    def __init__(self, raw: io.RawIOBase, deadline: float) -> None:
        super().__init__()
        self._raw, self._deadline = raw, deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        if time.monotonic() > self._deadline:
            raise TimeoutError("The reply took too long.")
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()
