"""The API's clock, as the header `Date` of its replies tells it; this machine's may be wrong by days."""

import time
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from email.utils import parsedate_to_datetime


def http_time(text: str | None) -> datetime | None:
    """Read an HTTP header such as `Sun, 06 Nov 1994 08:49:37 GMT`; None for anything else."""
    try:
        moment = parsedate_to_datetime(text or "")
    except ValueError:
        return None
    return moment.replace(tzinfo=moment.tzinfo or timezone.utc)


class ApiClock:
    """The time at the API: what the last reply told, counted on from there."""

    def __init__(
        self,
        monotonic: Callable[[], float] = time.monotonic,
        machine: Callable[[], datetime] = lambda: datetime.now(timezone.utc),
    ) -> None:
        self._monotonic, self.machine = monotonic, machine
        self._told: tuple[datetime, float] | None = None
        self.has_reply = False
        self.served_at: str | None = None
        """The `Date` of the last reply, whatever its status, as it was sent."""

    def tell(self, date: str | None) -> None:
        """Note the `Date` of a reply that has just come."""
        self.has_reply, self.served_at = True, date
        if moment := http_time(date):
            self._told = (moment, self._monotonic())

    def now(self) -> datetime:
        """Return the API's time; this machine's as long as no reply has told it."""
        if self._told is None:
            return self.machine()
        moment, at = self._told
        return moment + timedelta(seconds=self._monotonic() - at)
