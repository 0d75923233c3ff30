"""Limits by IP address."""

from __future__ import annotations

from collections import deque
from time import monotonic


class SlidingWindow:
    """An exact moving window: at most `limit` requests are let through in any `seconds`, by address.

    A refused request does not count, so a client that keeps asking gets through as soon as there is room.
    """

    def __init__(self, limit: int, seconds: float) -> None:
        self.limit = limit
        self.seconds = seconds
        self._passed: dict[str, deque[float]] = {}

    def let_through(self, address: str) -> bool:
        """Return whether there is room for one more request now, and take it."""
        now = monotonic()
        passed = self._passed.setdefault(address, deque())
        while passed and passed[0] <= now - self.seconds:
            passed.popleft()
        if len(passed) >= self.limit:
            return False
        passed.append(now)
        return True

    def clear(self) -> None:
        """Forget all requests."""
        self._passed.clear()
