"""The request budget: the API answers 429 beyond 10,000 requests in any 5 minutes from one IP address.

One budget serves everything in a process that asks one API, so that tables, tasks and retries that follow each other
inherit what was spent. The CDK's own limiter leaves a thread behind for each source, which a long-lived Spark worker
would collect, and fills its whole window after a single 429.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests

from source_particle.cancellation import PATIENCE, endings, is_wanted
from source_particle.clock import ApiClock
from source_particle.deadline import DeadlineAdapter
from source_particle.errors import NotWantedError, Refused
from source_particle.settings import Settings

LOGGER = logging.getLogger("airbyte.source_particle")
MAX_CONNECTIONS = 32
# How often a wait for the budget is logged.
REMINDER = 60.0
# How long an API is tried that has never answered this process; one that has is worth more patience.
FIRST_CONTACT = 6.0
# Seconds of silence that end all tries of such an API, a request of `check`, or one for the token and the API's clock.
SHORT_PATIENCE = 12.0


class Budget:
    """Counts the requests of the last five minutes, exactly and thread-safely.

    A request counts from before it is sent until five minutes after its answer came. The server sees it somewhere in
    between, so that no window of the server's holds more than the limit, however slow the network is.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        wait: Callable[[threading.Condition, float], object] = threading.Condition.wait,
        window: float = 300.0,
    ) -> None:
        self._clock, self._wait, self._window = clock, wait, window
        self._changed = threading.Condition()
        self._under_way = 0
        self.sent = 0
        """Number of requests let through."""
        self.api_clock = ApiClock()
        self._answered: deque[float] = deque()
        self._full_until = 0.0
        # Those that wait, first come, first served.
        self._waiting: deque[object] = deque()
        self._reminded: float | None = None
        self._has_replied = False
        self._silences: list[float] = []

    @property
    def waiting(self) -> int:
        """Number of requests that wait to be let through."""
        return len(self._waiting)

    @property
    def seconds_full(self) -> float:
        """Seconds for which a request waits for the limit, this one's or the API's own; 0 if none does."""
        return max(0.0, self._full_until - self._clock())

    def refuse(self, seconds: float) -> None:
        """Note that the API answered 429, so that a request waits before it is tried again."""
        with self._changed:
            self._full_until = max(self._full_until, self._clock() + seconds)

    def acquire(self, limit: int, at_once: int) -> None:
        """Wait until one more request keeps within `limit` in five minutes and `at_once` in flight.

        Raises NotWantedError as soon as the reader has gone.
        """
        turn = object()
        with self._changed:
            self._waiting.append(turn)
            try:
                while (seconds := self._seconds_to_wait(limit, at_once)) > 0 or self._waiting[0] is not turn:
                    if not is_wanted():
                        raise NotWantedError
                    if self._under_way < at_once and self._under_way + len(self._answered) >= limit:
                        self._full_until = self._clock() + seconds
                        self._remind(seconds, limit)
                    self._wait(self._changed, min(seconds or 1.0, PATIENCE if endings() else REMINDER))
            finally:
                self._waiting.remove(turn)
                self._changed.notify_all()
            self._under_way += 1
            self.sent += 1

    def _remind(self, seconds: float, limit: int) -> None:
        if seconds > 1 and (self._reminded is None or self._clock() >= self._reminded + REMINDER):
            self._reminded = self._clock()
            LOGGER.info(
                "Waiting up to %.0f seconds before the next request: %d were sent in the last %.0f seconds, which is "
                "all that requests_per_5_minutes allows.",
                seconds,
                limit,
                self._window,
            )

    def note(self, started: float | None) -> None:
        """Note that a request which was started then met no server, or with None that one was answered."""
        with self._changed:
            if started is None:
                self._has_replied = True
                return
            # What a process met a while ago says nothing about now.
            recent = [silence for silence in self._silences if silence > started - REMINDER]
            self._silences = [*recent[:1], started]

    @property
    def is_unreachable(self) -> bool:
        """Whether no server has ever answered this process, though it has tried for a while."""
        with self._changed:
            tried = bool(self._silences) and self._clock() - self._silences[0] >= FIRST_CONTACT
            return tried and not self._has_replied

    def patience(self, seconds: float) -> float:
        """Return for how long a request may be met with silence: `seconds`, or less if nothing was ever answered.

        A server may accept connections and never answer. All tries of such a one share the time of the first.
        """
        with self._changed:
            if self._has_replied:
                return seconds
            tried = self._clock() - self._silences[0] if self._silences else 0.0
            left = SHORT_PATIENCE - tried if tried < REMINDER else SHORT_PATIENCE
            return min(seconds, max(left, 1.0))

    def release(self) -> None:
        """Note that a request was answered, or that no answer arrived."""
        with self._changed:
            self._under_way -= 1
            self._answered.append(self._clock())
            self._changed.notify_all()

    def now(self) -> float:
        """Return the time of its clock."""
        return self._clock()

    def _seconds_to_wait(self, limit: int, at_once: int) -> float:
        oldest_counted = self._clock() - self._window
        while self._answered and self._answered[0] <= oldest_counted:
            self._answered.popleft()
        if self._under_way >= at_once or (self._under_way and self._under_way >= limit):
            # An answer wakes one waiter; a second is for the case that it woke another one.
            return 1.0
        if self._under_way + len(self._answered) >= limit:
            return self._answered[0] - oldest_counted
        return 0.0


_BUDGETS: dict[str, Budget] = {}
_BUDGETS_LOCK = threading.Lock()


def budget_of(settings: Settings) -> Budget:
    """Return the process's only budget for the API that a configuration names."""
    with _BUDGETS_LOCK:
        return _BUDGETS.setdefault(settings.base_url, Budget(window=settings.budget_seconds))


def forget_budgets() -> None:
    """Forget what was sent to any API and heard from it, as a new process would."""
    with _BUDGETS_LOCK:
        _BUDGETS.clear()


class BudgetedAdapter(DeadlineAdapter):
    """Sends each request within the budget: first tries, retries and redirects alike."""

    def __init__(self, settings: Settings) -> None:
        limits = (settings.longest_reply_seconds, settings.largest_reply_bytes)
        super().__init__(*limits, pool_connections=MAX_CONNECTIONS, pool_maxsize=MAX_CONNECTIONS)
        self.budget = budget_of(settings)
        self.limit, self._at_once = settings.requests_per_5_minutes, settings.num_workers

    def send(self, *args: Any, **kwargs: Any) -> requests.Response:
        """Wait for room in the budget, then send; raises NotWantedError if the reader has gone."""
        self.budget.acquire(self.limit, self._at_once)
        started = self.budget.now()
        try:
            if not is_wanted():
                raise NotWantedError
            kwargs["timeout"] = tuple(map(self.budget.patience, kwargs["timeout"]))
            response = super().send(*args, **kwargs)
            self.budget.note(None)
            self.budget.api_clock.tell(response.headers.get("Date"))
            return response
        except (requests.ConnectionError, requests.Timeout):
            self.budget.note(started)
            raise
        finally:
            self.budget.release()


class OneOriginSession(requests.Session):
    """Follows no redirect to another host or to plain http: that request would carry what is asked for."""

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        """Return where a reply sends the request; raises Refused if that is not where the API is."""
        target: str | None = super().get_redirect_target(resp)
        if target:
            here, there = urlsplit(resp.url), urlsplit(urljoin(resp.url, target))
            if here[:2] != there[:2]:
                # Nothing has read the reply yet, so that its socket would stay open.
                resp.close()
                # The host alone: whoever wrote the address chose the rest.
                raise Refused(
                    f"{resp.url}: The API redirects this request to {there[0]}://{there.hostname}, which it is not "
                    "sent to. Check base_url and any proxy between this machine and the API.",
                    resp.status_code,
                )
        return target


def budgeted_session(session: requests.Session, settings: Settings) -> requests.Session:
    """Return a session whose requests all count against the budget.

    What the environment says of proxies and trusted authorities is read once; requests would read it again for each
    page, a tenth of a page's cost, and would put a password from ~/.netrc in the place of the token.
    """
    network = session.merge_environment_settings(settings.base_url, {}, None, None, None)
    session.proxies, session.verify, session.trust_env = network["proxies"], network["verify"], False
    adapter = BudgetedAdapter(settings)
    session.mount("https://", adapter)
    session.mount("http://", adapter)  # ignore-https-check: base_url may name a server on this machine
    return session
