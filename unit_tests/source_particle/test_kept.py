"""The start of requests follows the API's clock, whatever this machine's clock says."""

from datetime import datetime, timedelta, timezone
from email.utils import format_datetime

import pytest
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from source_particle.clock import ApiClock, http_time
from source_particle.errors import Refused
from source_particle.kept import KeptDays
from source_particle.paging import Page

NOW = datetime(2026, 6, 15, 12, tzinfo=timezone.utc)
EVER = "1970-01-01T00:00:00.000Z"


def ago(**apart: float) -> str:
    return (NOW - timedelta(**apart)).strftime("%Y-%m-%dT%H:%M:%S.000Z")


class Api:
    """Refuses a start of more than 30 days ago by its own clock; this machine's and its `Date` may differ from that."""

    def __init__(self, machine: timedelta = timedelta(0), date: timedelta = timedelta(0)) -> None:
        self.date = date
        self.clock = ApiClock(lambda: 0.0, lambda: NOW + machine)
        self.now = NOW
        self.told_since: datetime | None = None
        """What the reply to another request tells before a refusal is dealt with."""
        self.asked: list[str] = []

    def ask(self, start: str) -> Page:
        self.asked.append(start)
        date = format_datetime(self.now + self.date, usegmt=True)
        self.clock.tell(date)
        if start < (self.now - timedelta(days=30)).strftime("%Y-%m-%dT%H:%M:%S.000Z"):
            if self.told_since:
                self.clock.tell(format_datetime(self.told_since, usegmt=True))
            refusal = Refused("The API says: start_date must not be more than than 30 days ago", 400)
            refusal.served_at = date
            raise refusal
        return Page([{"start": start}], served_at=date)

    def read(self, start: str, needed_from: str | None = None) -> str:
        page = KeptDays(30, needed_from, self.clock).page(self.ask, start)
        return str(page.records[0]["start"])


@pytest.mark.parametrize("machine", [timedelta(0), timedelta(days=10), timedelta(hours=2), timedelta(days=-400)])
def test_all_that_is_kept_is_asked_for_whatever_this_machines_clock_says(machine: timedelta) -> None:
    api = Api(machine)
    assert api.read(EVER) == ago(days=30, minutes=-15)
    assert len(api.asked) <= 2
    # The clock is known by then.
    api.read(EVER)
    assert len(api.asked) <= 3


def test_a_start_that_is_kept_stays_as_it_is() -> None:
    api = Api(timedelta(days=10))
    assert api.read(ago(days=28)) == ago(days=28)


def test_a_request_that_waited_too_long_is_asked_for_anew() -> None:
    api = Api()
    api.read(EVER)
    api.now += timedelta(minutes=20)
    assert api.read(EVER) == ago(days=30, minutes=-35)


def test_a_refusal_counts_with_its_own_time_whatever_another_reply_told_since() -> None:
    api = Api()
    api.read(EVER)
    api.now += timedelta(minutes=20)
    api.told_since = NOW
    assert api.read(EVER) == ago(days=30, minutes=-35)


def test_a_date_that_is_hours_ahead_leaves_nothing_out() -> None:
    api = Api()
    api.clock.tell(format_datetime(NOW + timedelta(hours=2), usegmt=True))
    assert api.read(EVER) == ago(days=30, minutes=-15)


@pytest.mark.parametrize("behind", [timedelta(hours=1), timedelta(days=365)])
def test_a_date_that_is_always_behind_fails_no_read(behind: timedelta) -> None:
    api = Api(date=-behind)
    assert [api.read(EVER) for _ in range(3)] == [ago(days=30, minutes=-15)] * 3


def test_what_a_window_needs_is_never_left_out() -> None:
    start = ago(days=29, hours=23, minutes=50)
    assert Api(timedelta(days=10)).read(start, needed_from=start) == start
    late = Api()
    late.now += timedelta(minutes=20)
    with pytest.raises(Refused, match="30 days ago"):
        late.read(start, needed_from=start)
    # What is before that, by lookback, may be.
    assert Api().read(ago(days=40), needed_from=ago(days=3)) == ago(days=30, minutes=-15)


def test_any_other_error_is_raised_as_it_is() -> None:
    def fail(_start: str) -> Page:
        raise AirbyteTracedException(message="The API refuses end_date.")

    with pytest.raises(AirbyteTracedException, match="end_date"):
        KeptDays(30, None, ApiClock()).page(fail, EVER)


def test_replies_that_tell_no_time_are_taken_as_they_are() -> None:
    page = KeptDays(30, None, ApiClock()).page(lambda _start: Page([], served_at=None), EVER)
    assert page.served_at is None


@pytest.mark.parametrize("text", [None, "", "soon", "2026-06-15T12:00:00Z"])
def test_no_http_time_is_none(text: str | None) -> None:
    assert http_time(text) is None
    clock = ApiClock(lambda: 0.0, lambda: NOW)
    clock.tell(text)
    assert (clock.now(), clock.served_at) == (NOW, text)


def test_the_clock_counts_on_from_the_last_reply() -> None:
    elapsed = [0.0]
    clock = ApiClock(lambda: elapsed[0], lambda: NOW)
    clock.tell("Mon, 15 Jun 2026 08:00:00 GMT")
    elapsed[0] = 90.0
    assert clock.now() == datetime(2026, 6, 15, 8, 1, 30, tzinfo=timezone.utc)
