"""The token cache: used by the next run of the same account, safe from other users, and never an obstacle."""

import json
import os
import stat
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airbyte_cdk.utils.traced_exception import AirbyteTracedException
from requests_mock import Mocker

from source_particle.login import ParticleAuthenticator, forget_accounts, sign_in
from unit_tests.support.built import PASSWORD, TOKEN_URL, account, grant, refusal


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "token.json"


def next_process(cache: Path, **changes: Any) -> str:
    """What a new process, which remembers nothing, gets."""
    forget_accounts()
    return sign_in(account(**{"token_cache_file": str(cache), **changes}))


def logins(server: Mocker) -> int:
    return [request.url for request in server.request_history].count(TOKEN_URL)


def test_a_cached_token_is_found_again_and_only_this_user_may_read_it(server: Mocker, cache: Path) -> None:
    assert [next_process(cache) for _ in range(3)] == ["token-1"] * 3
    assert logins(server) == 1
    assert stat.S_IMODE(cache.stat().st_mode) == 0o600
    assert list(cache.parent.iterdir()) == [cache]


def test_the_cache_holds_neither_password_nor_user_name(server: Mocker, cache: Path) -> None:
    next_process(cache)
    assert json.loads(cache.read_text()).keys() == {"key", "access_token", "expires_at"}
    assert PASSWORD not in cache.read_text()
    assert "user@example.com" not in cache.read_text()


@pytest.mark.parametrize(
    "changes", [{"password": "another"}, {"username": "other@example.com"}, {"base_url": "https://api.example.com"}]
)
def test_a_cached_token_serves_only_the_account_it_was_made_for(
    server: Mocker, cache: Path, changes: dict[str, str]
) -> None:
    server.post("https://api.example.com/oauth/token", json={"access_token": "token-2"})
    assert [next_process(cache), next_process(cache, **changes)] == ["token-1", "token-2"]


def test_a_wrong_password_finds_no_cached_token(server: Mocker, cache: Path) -> None:
    server.post(TOKEN_URL, [grant(), refusal()])
    next_process(cache)
    with pytest.raises(AirbyteTracedException, match="user name or password was refused"):
        next_process(cache, password="wrong")


def test_a_cached_token_that_expired_is_replaced(server: Mocker, cache: Path, clock: SimpleNamespace) -> None:
    first = next_process(cache)
    clock.time += 86_400 - 30
    assert [first, next_process(cache), next_process(cache)] == ["token-1", "token-2", "token-2"]


def test_a_cached_token_that_was_revoked_costs_one_renewal(server: Mocker, cache: Path) -> None:
    next_process(cache)
    forget_accounts()
    reader = ParticleAuthenticator(config=account(token_cache_file=str(cache)), parameters={})
    assert reader.token == "Bearer token-1"
    reader.refresh_and_set_access_token()
    assert [reader.token, next_process(cache)] == ["Bearer token-2", "token-2"]
    assert logins(server) == 2


def damage(content: bytes) -> Callable[[Path, pytest.MonkeyPatch], None]:
    def write(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        cache.write_bytes(content)

    return write


def entry_with(**changes: Any) -> Callable[[Path, pytest.MonkeyPatch], None]:
    def change(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        cache.write_text(json.dumps({**json.loads(cache.read_text()), **changes}))

    return change


def replace_by_link(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache.rename(cache.with_suffix(".real"))
    cache.symlink_to(cache.with_suffix(".real"))


def become_somebody_else(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    somebody = os.getuid() + 1
    monkeypatch.setattr(os, "getuid", lambda: somebody)


UNTRUSTWORTHY: dict[str, Callable[[Path, pytest.MonkeyPatch], None]] = {
    "empty": damage(b""),
    "cut off": damage(b'{"key": "'),
    "a list": damage(b"[]"),
    "null": damage(b"null"),
    "of another kind": damage(b'{"name": "x"}'),
    "not UTF-8": damage(b'{"key": "\xff"}'),
    "without a token": entry_with(access_token=None),
    "with a number for a token": entry_with(access_token=5),
    "with a text for a time": entry_with(expires_at="tomorrow"),
    "a symbolic link": replace_by_link,
    "readable by the group": lambda cache, monkeypatch: cache.chmod(0o640),
    "readable by others": lambda cache, monkeypatch: cache.chmod(0o604),
    "writable by the group": lambda cache, monkeypatch: cache.chmod(0o620),
    "somebody else's": become_somebody_else,
    "missing": lambda cache, monkeypatch: cache.unlink(),
}


@pytest.mark.parametrize("spoil", UNTRUSTWORTHY.values(), ids=UNTRUSTWORTHY)
def test_a_cache_that_cannot_be_trusted_is_ignored_and_replaced(
    server: Mocker, cache: Path, monkeypatch: pytest.MonkeyPatch, spoil: Callable[[Path, pytest.MonkeyPatch], None]
) -> None:
    next_process(cache)
    with monkeypatch.context() as while_spoilt:
        spoil(cache, while_spoilt)
        assert next_process(cache) == "token-2"
    assert next_process(cache) == "token-2"
    assert stat.S_IMODE(cache.stat().st_mode) == 0o600
    assert not cache.is_symlink()


def test_a_folder_that_is_missing_is_made_for_this_user_alone(server: Mocker, tmp_path: Path) -> None:
    cache = tmp_path / "no" / "such" / "token.json"
    assert [next_process(cache) for _ in range(2)] == ["token-1"] * 2
    assert [stat.S_IMODE(folder.stat().st_mode) & 0o077 for folder in (cache.parent, cache)] == [0, 0]


def test_a_cache_that_cannot_be_written_is_warned_about_and_does_not_stop_the_read(
    server: Mocker, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "a-file").write_text("")
    cache = tmp_path / "a-file" / "token.json"
    assert [next_process(cache) for _ in range(2)] == ["token-1", "token-2"]
    assert f"token_cache_file: {cache} cannot be written (" in caplog.text


def test_a_read_only_folder_does_not_stop_the_read(
    server: Mocker, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**_: Any) -> None:
        raise PermissionError

    # Not by mode bits, which the superuser does not feel.
    monkeypatch.setattr("source_particle.token_cache.tempfile.mkstemp", refuse)
    assert [next_process(cache) for _ in range(2)] == ["token-1", "token-2"]
    assert not cache.exists()


@pytest.mark.parametrize("kind", ["folder", "pipe", "deeply nested"])
def test_a_cache_that_is_no_plain_file_is_ignored(server: Mocker, cache: Path, kind: str) -> None:
    if kind == "folder":
        cache.mkdir()
    elif kind == "pipe":
        os.mkfifo(cache, 0o600)
    else:
        cache.write_text("[" * 100_000)
        cache.chmod(0o600)

    assert sign_in(account(token_cache_file=str(cache))) == "token-1"
    assert [path.name for path in cache.parent.iterdir()] == [cache.name]


def test_no_component_shows_the_configuration(server: Mocker) -> None:
    assert PASSWORD not in repr(ParticleAuthenticator(config=account(), parameters={}))
