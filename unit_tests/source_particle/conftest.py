"""An API to sign in to, and a process that remembers no earlier test."""

from collections.abc import Iterator
from types import SimpleNamespace

import pytest
import requests_mock

from source_particle import login
from unit_tests.support.built import BASE_URL, TOKEN_URL, grant


@pytest.fixture
def server() -> Iterator[requests_mock.Mocker]:
    """An API that gives token-1, token-2 … to whoever signs in."""
    with requests_mock.Mocker() as mocker:
        mocker.post(TOKEN_URL, [grant(number) for number in range(1, 10)])
        mocker.get(f"{BASE_URL}/v1/access_tokens/current", json={})
        yield mocker


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The time that the login sees."""
    now = SimpleNamespace(time=1_000_000.0)
    monkeypatch.setattr(login, "time", SimpleNamespace(time=lambda: now.time, sleep=lambda seconds: None))
    return now
