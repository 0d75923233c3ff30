"""A window is read once it is closed by the clock of the server that answers."""

import pytest
from airbyte_cdk.models import FailureType
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from source_particle import settled
from source_particle.paging import Page
from source_particle.settled import settled_page

NOON, LATER, EARLIER = (f"Mon, 15 Jun 2026 {time} GMT" for time in ("12:00:00", "12:00:02", "11:59:50"))
AT_NOON = "2026-06-15T12:00:00.000Z"
WHERE = "https://api.particle.io/v1/diagnostics/abc"


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    waits: list[float] = []
    monkeypatch.setattr(settled, "pause", lambda seconds: waits.append(seconds) if seconds else None)
    return waits


def read(*dates: str | None) -> Page:
    pages = [Page([], served_at=date) for date in dates]
    return settled_page(lambda: pages.pop(0), AT_NOON, WHERE)


@pytest.mark.parametrize("date", [NOON, LATER])
def test_a_reply_served_after_the_end_has_settled_counts(date: str, pauses: list[float]) -> None:
    assert read(date).served_at == date
    assert pauses == []


def test_a_server_that_is_somewhat_behind_is_waited_for(pauses: list[float]) -> None:
    assert read(EARLIER, NOON).served_at == NOON
    assert pauses == [10.0]


def test_one_reply_of_a_wrong_time_is_asked_for_again(pauses: list[float]) -> None:
    assert read("Mon, 15 Jun 2026 10:00:00 GMT", NOON).served_at == NOON
    assert pauses == [15.0]


@pytest.mark.parametrize("date", ["Mon, 15 Jun 2026 10:00:00 GMT", EARLIER])
def test_a_clock_that_stays_behind_fails_the_read(date: str, pauses: list[float]) -> None:
    with pytest.raises(AirbyteTracedException) as caught:
        read(*[date] * 3)
    assert caught.value.failure_type is FailureType.transient_error
    assert f"{WHERE}: the reply was served at {date}" in str(caught.value.message)
    assert sum(pauses) <= 30.0


@pytest.mark.parametrize("date", [None, "", "yesterday"])
def test_one_that_tells_no_time_fails_the_read(date: str | None) -> None:
    with pytest.raises(AirbyteTracedException, match="replies have no time"):
        read(date)
