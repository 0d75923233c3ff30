"""How long to wait before a failed request is tried again."""

import logging
from collections.abc import Mapping
from dataclasses import InitVar, dataclass, field
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import Any

import requests
from airbyte_cdk.sources.streams.http.error_handlers import BackoffStrategy
from airbyte_cdk.sources.types import Config

from source_particle.budget import budget_of
from source_particle.cancellation import endings, pause
from source_particle.settings import Settings

LOGGER = logging.getLogger("airbyte.source_particle")
FIRST_WAIT = 1.0
FIRST_WAIT_AFTER_429 = 15.0
LONGEST_WAIT = 300.0


@dataclass
class ParticleBackoff(BackoffStrategy):
    """Waits before a retry, for as long as `seconds_before_retry` says."""

    config: Config = field(repr=False)
    parameters: InitVar[Mapping[str, Any]]

    def __post_init__(self, parameters: Mapping[str, Any]) -> None:
        self._settings = Settings.of(self.config)

    def backoff_time(
        self, response_or_exception: requests.Response | requests.RequestException | None, attempt_count: int
    ) -> float:
        """Return the seconds to wait, minus the one second that the CDK adds to every wait."""
        response = response_or_exception if isinstance(response_or_exception, requests.Response) else None
        wait = seconds_before_retry(response, attempt_count, self._settings)
        if endings():
            # The CDK's sleep would continue after the reader that these events stand for has gone.
            pause_before_retry(response, wait)
            wait = 0.0
        # Exactly 0 would count as "no opinion" and trigger the CDK's own waits.
        return (max(wait, 0.01) - 1) or 0.01


def seconds_before_retry(response: requests.Response | None, attempts: int, settings: Settings) -> float:
    """Return how long to wait after so many attempts: 1, 2, 4 … seconds, longer after a 429 or if the API asks for it.

    As far as is known, a 429 has no Retry-After. It means that the limit of a five-minute window is used up, whatever a
    proxy says: with `Retry-After: 0`, all retries would be used up at once. Such a wait is noted in the budget, so that
    it can be shown.
    """
    limited = _is_limited(response)
    first = FIRST_WAIT_AFTER_429 if limited else FIRST_WAIT
    asked = _retry_after(response) if response is not None else 0.0
    wait: float = min(max(first * 2 ** (attempts - 1), asked), LONGEST_WAIT) * settings.retry_wait_factor
    if limited:
        budget_of(settings).refuse(wait)
    return wait


def pause_before_retry(response: requests.Response | None, seconds: float) -> None:
    """Wait, and say so in the log; a reader that goes away ends the wait."""
    if seconds >= 1:
        why = "The API answered 429: it had too many requests from this address. " if _is_limited(response) else ""
        LOGGER.info("%sWaiting %.0f seconds before the next try.", why, seconds)
    pause(seconds)


def _is_limited(response: requests.Response | None) -> bool:
    return response is not None and response.status_code == requests.codes.too_many_requests


def _retry_after(response: requests.Response) -> float:
    """Return how many seconds the API asks to wait; 0 if it does not say."""
    value = response.headers.get("Retry-After", "").strip()
    if value.isascii() and value.isdigit():
        return float(value)
    try:
        until = parsedate_to_datetime(value)
    except ValueError:
        return 0.0
    if until.tzinfo is None:
        until = until.replace(tzinfo=timezone.utc)
    return max(0.0, (until - datetime.now(timezone.utc)).total_seconds())
