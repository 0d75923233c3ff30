"""The requests that the server received, for tests that count them; tokens are never kept."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Entry:
    """One request; `time` is monotonic seconds, `status` 0 when the connection was reset before any header."""

    time: float
    method: str
    path: str
    query: Mapping[str, str]
    status: int
    route: str
    """The pattern that matched, as `GET /v1/products/:p/devices`; `unknown` when none did."""
    token_sent: bool


class RequestLog:
    """The requests since the start or the last reset, thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: list[Entry] = []

    def add(self, entry: Entry) -> None:
        """Note a request."""
        with self._lock:
            self._entries.append(entry)

    def clear(self) -> None:
        """Forget all requests."""
        with self._lock:
            self._entries.clear()

    def entries(self, route: str | None = None) -> list[Entry]:
        """Return the requests in their order, of one route or of all."""
        with self._lock:
            return [entry for entry in self._entries if route in (None, entry.route)]

    def peak(self, seconds: float) -> int:
        """Return the highest number of requests in any moving window of this length."""
        times = [entry.time for entry in self.entries()]
        highest = start = 0
        for end, moment in enumerate(times):
            while times[start] <= moment - seconds:
                start += 1
            highest = max(highest, end - start + 1)
        return highest
