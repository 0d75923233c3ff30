"""How long to wait before the next try."""

from datetime import datetime, timedelta, timezone
from email.utils import format_datetime

import pytest
import requests

from source_particle.backoff import ParticleBackoff
from source_particle.budget import budget_of
from source_particle.settings import Settings
from unit_tests.support.built import config, reply


def wait(attempt: int = 1, status: int = 503, retry_after: str | None = None, factor: float = 1) -> float:
    """The wait in seconds; the CDK adds one to what a strategy gives."""
    headers = {} if retry_after is None else {"Retry-After": retry_after}
    strategy = ParticleBackoff(config=config(retry_wait_factor=factor), parameters={})
    given = strategy.backoff_time(reply(status, headers=headers), attempt)
    assert given, "Fix: zero brings the CDK's own waits back"
    return given + 1


@pytest.mark.parametrize(
    ("attempt", "status", "seconds"),
    [(1, 503, 1), (2, 503, 2), (3, 503, 4), (5, 503, 16), (1, 429, 15), (2, 429, 30), (5, 429, 240), (6, 429, 300)],
)
def test_waits_double_and_are_longer_after_too_many_requests(attempt: int, status: int, seconds: float) -> None:
    assert wait(attempt, status) == pytest.approx(seconds, abs=0.02)


@pytest.mark.parametrize(
    ("retry_after", "seconds"), [("7", 7), (" 30 ", 30), ("300", 300), ("86400", 300), ("9" * 400, 300)]
)
def test_the_server_may_ask_for_a_longer_wait_up_to_five_minutes(retry_after: str, seconds: float) -> None:
    assert wait(1, 503, retry_after) == pytest.approx(seconds)
    assert wait(4, 429, retry_after) == pytest.approx(max(seconds, 120))


@pytest.mark.parametrize("retry_after", ["0", "1", "14"])
@pytest.mark.parametrize(("attempt", "seconds"), [(1, 15), (2, 30), (5, 240)])
def test_the_server_cannot_shorten_a_wait(retry_after: str, attempt: int, seconds: float) -> None:
    """A window of five minutes is used up, and five retries that follow at once would all meet it."""
    assert wait(attempt, 429, retry_after) == pytest.approx(seconds)
    assert wait(4, 503, "0") == pytest.approx(8)


def test_the_server_may_name_a_date() -> None:
    now = datetime.now(timezone.utc)
    assert 100 < wait(retry_after=format_datetime(now + timedelta(seconds=120), usegmt=True)) <= 120
    assert 100 < wait(retry_after=format_datetime((now + timedelta(seconds=120)).replace(tzinfo=None))) <= 120
    assert wait(retry_after=format_datetime(now - timedelta(days=1), usegmt=True)) == pytest.approx(1, abs=0.02)
    assert wait(retry_after=format_datetime(now + timedelta(days=9), usegmt=True)) == pytest.approx(300)


@pytest.mark.parametrize("garbage", ["", "soon", "-5", "1.5", "0x10", "Wed, 99 Foo 2020", "1e3", "7 seconds"])
def test_an_unreadable_retry_after_is_ignored(garbage: str) -> None:
    assert wait(2, 503, garbage) == pytest.approx(2)


def test_the_factor_shrinks_every_wait() -> None:
    assert wait(3, 503, factor=0.5) == pytest.approx(2)
    assert wait(1, 429, factor=0.1) == pytest.approx(1.5)
    assert wait(retry_after="200", factor=0.01) == pytest.approx(2)
    assert wait(5, 429, factor=0) == pytest.approx(0.01)


def test_a_wait_after_too_many_requests_can_be_shown() -> None:
    budget = budget_of(Settings.of(config()))
    wait(2, 503)
    assert budget.seconds_full == 0
    wait(2, 429)
    assert budget.seconds_full == pytest.approx(30, abs=1)


def test_no_answer_waits_like_a_failing_server() -> None:
    strategy = ParticleBackoff(config=config(retry_wait_factor=1), parameters={})
    assert strategy.backoff_time(requests.exceptions.ReadTimeout(), 3) == pytest.approx(3)


def test_superscript_digits_are_no_number_of_seconds() -> None:
    assert wait(2, 503, "¹") == wait(2, 503)
