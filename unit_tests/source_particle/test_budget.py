"""The request budget: never more than the limit in any five minutes, and no waiting below it."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests
import requests_mock
from hypothesis import given, settings
from hypothesis import strategies as st

from source_particle import budget
from source_particle.budget import Budget, BudgetedAdapter, OneOriginSession, budget_of, budgeted_session
from source_particle.errors import Refused
from source_particle.settings import Settings
from unit_tests.support.built import BASE_URL, config, retrievers

WINDOW = 300.0


class Clock:
    """Time that passes only while somebody waits."""

    def __init__(self) -> None:
        self.now = 1000.0

    def time(self) -> float:
        return self.now

    def wait(self, _: threading.Condition, seconds: float) -> None:
        assert seconds > 0, "Fix: a wait of nothing is a busy loop"
        self.now += seconds + 1e-6  # a clock that stands still for lack of digits would wait endlessly


@pytest.fixture(autouse=True)
def _no_request_spent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget, "_BUDGETS", {})


def spend(spender: Budget, clock: Clock, limit: int, seconds: float = 0.0) -> float:
    """Make one request that takes so long; give the time it was let go."""
    spender.acquire(limit, at_once=32)
    let_go = clock.now
    clock.now += seconds
    spender.release()
    return let_go


def test_a_burst_below_the_limit_does_not_wait() -> None:
    clock = Clock()
    spender = Budget(clock.time, clock.wait)
    assert [spend(spender, clock, 100) for _ in range(100)] == [1000.0] * 100


def test_the_request_above_the_limit_waits_until_the_first_is_five_minutes_old() -> None:
    clock = Clock()
    spender = Budget(clock.time, clock.wait)
    assert [spend(spender, clock, 2, seconds=10) for _ in range(4)] == pytest.approx(
        [1000, 1010, 1010 + WINDOW, 1020 + WINDOW]
    )


@settings(max_examples=100, deadline=None, database=None)
@given(limit=st.integers(1, 5), durations=st.lists(st.floats(0, 400), max_size=30))
def test_no_five_minutes_hold_more_than_the_limit(limit: int, durations: list[float]) -> None:
    clock = Clock()
    spender = Budget(clock.time, clock.wait)
    # The server may count a request when it is sent or as late as when it is answered.
    sent = [(spend(spender, clock, limit, duration), clock.now) for duration in durations]
    for (_, answered), (later, _) in zip(sent, sent[limit:], strict=False):
        assert later - answered >= WINDOW - 1e-6


@pytest.mark.parametrize(("limit", "at_once", "waits_for_window"), [(2, 32, True), (100, 2, False)])
def test_requests_under_way_count_too(limit: int, at_once: int, waits_for_window: bool) -> None:
    clock = Clock()
    answers: list[float] = []

    def wait(condition: threading.Condition, seconds: float) -> None:
        clock.wait(condition, seconds)
        if not answers:
            answers.append(clock.now)
            spender.release()

    spender = Budget(clock.time, wait)
    for _ in range(3):
        spender.acquire(limit, at_once)
    assert len(answers) == 1
    assert (clock.now >= answers[0] + WINDOW) is waits_for_window


def test_threads_share_one_budget_without_losing_count() -> None:
    clock = Clock()
    spender = Budget(clock.time, clock.wait)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: spend(spender, clock, 1000), range(1000)))
    assert clock.now == 1000.0
    assert spend(spender, clock, 1000) == pytest.approx(1000 + WINDOW)


def test_everything_that_asks_one_api_shares_a_budget_and_another_api_has_its_own() -> None:
    assert budget_of(Settings.of(config())) is budget_of(Settings.of(config(requests_per_5_minutes=5)))
    assert budget_of(Settings.of(config())) is not budget_of(Settings.of(config(base_url="https://api.example.com")))


def test_every_stream_sends_within_the_budget() -> None:
    for name, retriever in retrievers(requests_per_5_minutes=7).items():
        parts = vars(retriever).values() if name == "products" else [retriever]
        sessions = [part.requester.session for part in parts if hasattr(part, "requester")]
        assert sessions, name
        for session in sessions:
            adapter = session.get_adapter("https://api.particle.io")
            assert isinstance(adapter, BudgetedAdapter)
            assert (adapter.budget, adapter.limit) == (budget_of(Settings.of(config())), 7)


def test_a_request_that_fails_is_counted_and_gives_its_place_back(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise requests.exceptions.ConnectionError

    monkeypatch.setattr("source_particle.budget.DeadlineAdapter.send", fail)
    with requests.Session() as session:
        budgeted_session(session, Settings.of(config()))
        for _ in range(3):
            with pytest.raises(requests.exceptions.ConnectionError):
                session.get("https://api.particle.io/v1/user", timeout=(1, 1))
    spent = budget_of(Settings.of(config()))
    assert spent.sent == 3
    # Three are counted and none is under way, or this would wait.
    spent.acquire(4, at_once=1)


def test_a_session_takes_proxies_and_authorities_from_the_environment_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine api.particle.io login someone password something\n", encoding="utf-8")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:3128")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "authorities.pem")
    with budgeted_session(requests.Session(), Settings.of(config())) as session:
        monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
        settings = session.merge_environment_settings(BASE_URL, {}, None, None, None)
        assert settings["proxies"]["https"] == "http://127.0.0.1:3128"
        assert settings["verify"] == "authorities.pem"
        request = session.prepare_request(requests.Request("GET", BASE_URL, headers={"Authorization": "Bearer x"}))
        assert request.headers["Authorization"] == "Bearer x"


def test_while_the_limit_lets_nothing_through_it_says_for_how_long() -> None:
    now = [100.0]

    def wait(_condition: object, seconds: float) -> None:
        waits.append(budget.seconds_full)
        now[0] += seconds

    waits: list[float] = []
    budget = Budget(clock=lambda: now[0], wait=wait, window=300.0)
    budget.acquire(1, 8)
    budget.release()
    assert budget.seconds_full == 0
    now[0] += 100
    budget.acquire(1, 8)
    assert waits == [200.0, 140.0, 80.0, 20.0]
    assert budget.seconds_full == 0


# ---- what a wait says, and who comes first ----


def test_a_wait_is_logged_when_it_begins_and_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    spender = Budget(clock.time, clock.wait)
    with caplog.at_level("INFO", logger="airbyte.source_particle"):
        spend(spender, clock, 1)
        assert not caplog.records
        spend(spender, clock, 1)
    said = [record.getMessage() for record in caplog.records]
    assert [text.split()[3] for text in said] == ["300", "240", "180", "120", "60"]
    assert all("requests_per_5_minutes" in text for text in said)


def test_who_waits_first_is_served_first() -> None:
    spender = Budget()
    spender.acquire(100, at_once=1)
    served: list[int] = []

    def ask(number: int) -> None:
        spender.acquire(100, at_once=1)
        served.append(number)
        spender.release()

    threads = []
    for number in range(8):
        threads.append(threading.Thread(target=ask, args=(number,)))
        threads[-1].start()
        while spender.waiting <= number:
            threading.Event().wait(0.001)
    spender.release()
    for thread in threads:
        thread.join()
    assert served == list(range(8))


# ---- an API that has never answered ----


def test_an_api_is_unreachable_once_it_was_tried_for_a_while_and_has_never_answered() -> None:
    clock = Clock()
    spender = Budget(clock.time, clock.wait)
    assert not spender.is_unreachable
    for seconds, unreachable in ((0, False), (1, False), (2, False), (4, True), (10, True)):
        clock.now += seconds
        spender.note(clock.now)
        assert spender.is_unreachable is unreachable
    clock.now += 100
    spender.note(clock.now)
    assert not spender.is_unreachable, "what was long ago says nothing about now"
    clock.now += 30
    spender.note(None)
    assert not spender.is_unreachable
    spender.note(clock.now)
    clock.now += 30
    assert not spender.is_unreachable, "one that has answered is worth more patience"


@pytest.mark.parametrize("silence", [requests.ConnectionError, requests.ConnectTimeout, requests.ReadTimeout])
def test_a_server_that_stays_silent_is_as_unreachable_as_one_that_is_not_there(
    silence: type[requests.RequestException], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise silence

    monkeypatch.setattr("source_particle.budget.DeadlineAdapter.send", fail)
    monkeypatch.setattr(budget, "FIRST_CONTACT", 0.0)
    with requests.Session() as session:
        budgeted_session(session, Settings.of(config()))
        with pytest.raises(silence):
            session.get("https://api.particle.io/v1/user", timeout=(1, 1))
    assert budget_of(Settings.of(config())).is_unreachable


def test_an_api_that_was_never_heard_is_not_waited_for_long() -> None:
    clock = Clock()
    spender = Budget(clock.time, clock.wait)
    assert [spender.patience(seconds) for seconds in (5.0, 60.0)] == [5.0, budget.SHORT_PATIENCE]
    spender.note(clock.now)
    clock.now += 5
    assert spender.patience(60.0) == budget.SHORT_PATIENCE - 5, "all tries share the time of the first"
    clock.now += 20
    assert spender.patience(60.0) == 1.0
    clock.now += 60
    assert spender.patience(60.0) == budget.SHORT_PATIENCE, "what was long ago says nothing about now"
    spender.note(None)
    assert spender.patience(60.0) == 60.0


def test_every_request_is_sent_with_that_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    timeouts: list[object] = []

    def send(*_: object, timeout: object, **__: object) -> requests.Response:
        timeouts.append(timeout)
        response = requests.Response()
        response.status_code = 200
        return response

    monkeypatch.setattr("source_particle.budget.DeadlineAdapter.send", send)
    with budgeted_session(requests.Session(), Settings.of(config())) as session:
        for _ in range(2):
            session.get("https://api.particle.io/v1/user", timeout=(5, 60))
    assert timeouts == [(5, budget.SHORT_PATIENCE), (5, 60)]


# ---- redirects ----


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(
    "elsewhere", ["https://elsewhere.example.com/v1", "//elsewhere.example.com/v1", BASE_URL.replace("https", "http")]
)
def test_no_request_follows_a_redirect_to_another_host_or_to_plain_http(status: int, elsewhere: str) -> None:
    session = budgeted_session(OneOriginSession(), Settings.of(config()))
    with requests_mock.Mocker() as mocker:
        mocker.get(f"{BASE_URL}/v1", status_code=status, headers={"Location": elsewhere})
        other = mocker.get(requests_mock.ANY, text="from elsewhere")
        mocker.get(f"{BASE_URL}/v1", status_code=status, headers={"Location": elsewhere})
        for allowed in (True, False):
            with pytest.raises(Refused, match="which it is not sent to"):
                session.get(f"{BASE_URL}/v1", timeout=(5, 5), allow_redirects=allowed)
        assert not other.called


def test_a_refused_redirect_leaves_no_socket_open() -> None:
    session = budgeted_session(OneOriginSession(), Settings.of(config()))
    replies: list[requests.Response] = []
    with requests_mock.Mocker() as mocker:
        mocker.get(
            f"{BASE_URL}/v1", status_code=302, headers={"Location": "https://elsewhere.example.com"}, text="moved"
        )
        with pytest.raises(Refused):
            session.get(f"{BASE_URL}/v1", timeout=(5, 5), hooks={"response": lambda reply, **_: replies.append(reply)})
    assert [reply.raw.closed for reply in replies] == [True]


def test_a_redirect_within_the_api_is_followed() -> None:
    session = budgeted_session(OneOriginSession(), Settings.of(config()))
    with requests_mock.Mocker() as mocker:
        mocker.get(f"{BASE_URL}/v1", status_code=302, headers={"Location": "/v2"})
        mocker.get(f"{BASE_URL}/v2", text="moved")
        assert session.get(f"{BASE_URL}/v1", timeout=(5, 5)).text == "moved"
