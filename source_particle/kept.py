"""The oldest start of a request: the API keeps 30 days by its own clock, and refuses an earlier start."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from source_particle.clock import ApiClock, http_time
from source_particle.errors import Refused
from source_particle.paging import Page

# A start is moved this far into the 30 days, because a request may have to wait.
MARGIN = timedelta(minutes=15)
# Replies in the same second may have different times.
CLOSE_ENOUGH = timedelta(minutes=1)
# The API's clock may differ from this machine's at first, and from itself while a request waits.
ATTEMPTS = 3


@dataclass(frozen=True)
class KeptDays:
    """Moves the start of requests to what the API keeps, and no further.

    What a window of a stream needs is asked for as it is: there, a refusal means that data is lost.
    """

    days: float
    needed_from: str | None
    clock: ApiClock

    def page(self, ask: Callable[[str], Page], start: str) -> Page:
        """Return the reply to a request for what is kept since a start (ISO 8601, milliseconds, Z).

        A start that is refused is moved by the time of the refusal, and one that was moved further than the reply's own
        `Date` allows is moved back. Raises what `ask` raises, where that does not help.
        """
        asked = self._oldest(start, self.clock.now())
        whole: Page | None = None
        for attempt in range(1, ATTEMPTS + 1):
            try:
                page = ask(asked)
            except Refused as error:
                if not _is_too_old(error):
                    raise
                if whole is not None:
                    # The `Date` of the reply before was wrong, not the start.
                    return whole
                # The refusal's own time first: replies to other requests, of another time, may have come since.
                nows = (http_time(error.served_at), self.clock.now(), self.clock.machine())
                later = next((oldest for now in nows if now and (oldest := self._oldest(start, now)) > asked), None)
                if later is None or attempt == ATTEMPTS:
                    raise
                asked = later
            else:
                served_at = http_time(page.served_at)
                if served_at is None or self._oldest(start, served_at + CLOSE_ENOUGH) >= asked:
                    return page
                asked, whole = self._oldest(start, served_at), page
        assert whole is not None
        return whole

    def _oldest(self, start: str, now: datetime) -> str:
        kept_since = now.astimezone(timezone.utc) - timedelta(days=self.days) + MARGIN
        oldest = max(start, kept_since.strftime("%Y-%m-%dT%H:%M:%S.000Z"))
        return oldest if self.needed_from is None else min(oldest, self.needed_from)


def _is_too_old(error: Refused) -> bool:
    message = error.message or ""
    return "start_date" in message and "days ago" in message
