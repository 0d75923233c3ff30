"""Canaries wherever the configuration or the API can put a secret, and a search of all that comes out."""

import base64
import json
import logging
import os
import random
import re
import stat
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import pyarrow.parquet as pq  # type: ignore[import-untyped]
import pytest
from airbyte_cdk.models import ConfiguredAirbyteCatalogSerializer

from bridge.tables.catalog import tables
from integration_tests.airbyte.syncs import command_of, sync, with_password, with_token
from integration_tests.device_cloud import DeviceCloud, Fault, Fleet, FleetSize
from source_particle import requester, retrievers
from unit_tests.support.catalogs import catalog_of
from unit_tests.support.kinds import one_of_each_kind
from unit_tests.support.paths import ROOT

TABLES = tuple(tables())
OF_EACH_KIND = tuple(part.name for part in one_of_each_kind())
# A device that the API refuses with an error that echoes secrets.
REFUSED = "f" * 24
LOGIN = "POST /oauth/token"
# The seed of the fleet with the canaries.
SEED = 4_051
SPECIAL = "ä+/ <&>%\"'\\ü\u2019\U0001f600"


class Canaries:
    """Secrets by where they were put, and the search for them."""

    def __init__(self) -> None:
        self.secrets: dict[str, str] = {}

    def new(self, place: str) -> str:
        """Make up the secret of a place: a core that no way of writing changes, among characters that each does."""
        core = f"canary{len(self.secrets):04}{''.join(filter(str.isalpha, place))[:3]}"
        # Drawn anew in each run, from the seed that the run prints.
        before, after = ("".join(random.choices(SPECIAL, k=6)) for _ in range(2))
        return self.secrets.setdefault(place, before + core + after)

    def found_in(self, output: bytes) -> list[str]:
        """Name the places whose secrets are in an output, whole or in part, however often quoted or in base64."""
        return [place for place, secret in self.secrets.items() if any(form in output for form in _forms(secret))]


def _forms(secret: str) -> set[bytes]:
    """The core of a secret, and the secret in base64, which hides the core."""
    forms = {max(re.findall(r"[A-Za-z0-9]+", secret), key=len).encode()}
    # Within a longer text, base64 comes in three alignments; the characters at both ends depend on the neighbours.
    for before in range(3):
        raw = b" " * before + secret.encode()
        forms.add(base64.b64encode(raw)[4 if before else 0 :][: len(secret) // 3 * 4 - 4])
    return forms


@pytest.fixture(scope="module")
def canaries() -> Canaries:
    return Canaries()


@pytest.fixture(scope="module")
def planted(canaries: Canaries) -> Iterator[DeviceCloud]:
    """A small fleet whose every record holds secrets, known and unknown ones, flat and deep."""
    size = FleetSize(products=1, devices=3, sims=2, user_devices=2, user_sims=2, days=1, samples=False)
    # A seed of its own: another test that runs now may show the token of the usual seed in the process list.
    fleet = Fleet.seeded(size, seed=SEED)
    for collection in ("devices", "products", "sims", "users", "clients"):
        for scope in fleet.scopes(collection):
            for key, record in list(fleet.rows(collection, scope).items()):
                fleet.put(collection, key, _with_secrets(record, f"{collection}.{scope}", canaries), scope)
    for device in [*fleet.rows("devices"), *fleet.rows("devices", fleet.product_ids[0])]:
        record = dict(fleet.add_vitals(device))
        fleet.put("vitals", record["updated_at"], _with_secrets(record, "vitals", canaries), device)
    with DeviceCloud(fleet) as cloud:
        cloud.auth.password = cloud.password = canaries.new("password")
        yield cloud


def _with_secrets(record: Mapping[str, Any], place: str, canaries: Canaries) -> dict[str, Any]:
    names = ["mobile_secret", "access_token", "refreshToken", "wifi_password", "X-Api-Key"]
    if "clients" in place:
        names += ["secret", "client_secret"]
    flat = {name: canaries.new(f"{place}.{name}") for name in names}
    deep: Any = {"team": [{"claim": {"device_secret": canaries.new(f"{place}.deep")}}]}
    # An object that the schema knows, with a field that it does not.
    known = {
        name: {**value, "token": canaries.new(f"{place}.{name}.token")}
        for name, value in record.items()
        if isinstance(value, dict) and name not in ("variables", "settings")
    }
    return {**record, **known, **flat, "new_feature": deep}


def _refuse(cloud: DeviceCloud, canaries: Canaries) -> None:
    """Let the API hand out and echo secrets: with a login, and in the text and the headers of a refusal."""
    token = cloud.issue_token()
    canaries.secrets["token of a login"] = token
    canaries.secrets["token of the user"] = cloud.token
    reply = {"access_token": token, "expires_in": 86_400, "refresh_token": canaries.new("refresh token of a login")}
    cloud.faults.add(Fault(LOGIN, times=None, body=json.dumps(reply)))
    echo = quote(canaries.new("echo"), safe="")
    said = f"try /v1/devices?access_token={token}&x=1 or client_secret={echo} or Authorization: Bearer {cloud.token}"
    cloud.faults.add(
        Fault(
            "GET /v1/diagnostics/:id",
            times=None,
            path=f"/v1/diagnostics/{REFUSED}",
            status=400,
            body=json.dumps({"error": "bad_request", "error_description": said}),
            headers={"X-Echo": token, "WWW-Authenticate": f"Bearer {token}"},
        )
    )


@pytest.fixture
def cloud(planted: DeviceCloud, canaries: Canaries) -> Iterator[DeviceCloud]:
    planted.reset()
    _refuse(planted, canaries)
    yield planted
    planted.reset()


def _process_list() -> bytes:
    """What others on this machine can see of every process."""
    lines = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            lines.append(path.read_bytes())
    return b"\n".join(lines)


@contextmanager
def _watched(cloud: DeviceCloud) -> Iterator[list[bytes]]:
    """Look at the process list while requests are under way."""
    seen: list[bytes] = []
    for at in (1, 3):
        cloud.faults.add(Fault("GET /v1/diagnostics/:id", at=at, run=lambda: seen.append(_process_list())))
    yield seen
    assert seen


def _files(folder: Path, *, but: Path) -> Iterator[tuple[str, bytes]]:
    """All files that were written, those of Parquet as text too, whose own strings are compressed."""
    for path in folder.rglob("*"):
        if path.is_file() and path != but:
            yield str(path), path.read_bytes()
            if path.suffix == ".parquet" and path.stat().st_size:
                yield f"rows of {path}", repr(pq.read_table(path, partitioning=None).to_pylist()).encode()


def _airbyte(folder: Path, command: str, config: Mapping[str, Any], *tables: str) -> bytes:
    """Run an Airbyte command and give all it prints, debugging output too."""
    streams = [
        {
            "stream": {"name": name, "json_schema": {}, "supported_sync_modes": ["full_refresh"]},
            "sync_mode": "full_refresh",
            "destination_sync_mode": "overwrite",
        }
        for name in tables
    ]
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "catalog.json").write_text(json.dumps({"streams": streams}))
    files = ["--config", "config.json", *(["--catalog", "catalog.json"] if tables else [])]
    result = subprocess.run(
        [sys.executable, "-c", "from source_particle.run import run; run()", command, "--debug", *files],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        check=False,
    )
    assert len(result.stdout) > 100
    return result.stdout + result.stderr


def test_the_airbyte_door_lets_no_secret_out(cloud: DeviceCloud, canaries: Canaries, tmp_path: Path) -> None:
    cache = tmp_path / "cache" / "token"
    cache.parent.mkdir()
    config = with_password(cloud, token_cache_file=str(cache))
    with _watched(cloud) as processes:
        read = _airbyte(tmp_path, "read", config, *TABLES)
    assert b"RECORD" in read
    assert b'"wifi_password":"****"' in read
    refusing = with_token(cloud, diagnostics={"device_id": REFUSED})
    failed = _airbyte(tmp_path, "read", refusing, "diagnostics")
    assert b"client_secret=****" in failed
    wrong = {**with_password(cloud), "base_url": "http://api.particle.io"}
    outputs = {
        "read": read,
        "failed": failed,
        "check": _airbyte(tmp_path, "check", config),
        "wrong": _airbyte(tmp_path, "check", wrong),
        "processes": b"".join(processes),
    }
    assert {name: canaries.found_in(output) for name, output in outputs.items()} == {name: [] for name in outputs}
    assert stat.S_IMODE(cache.stat().st_mode) == 0o600
    assert canaries.found_in(cache.read_bytes()) == ["token of a login"]
    # A configuration that the CDK migrates is printed whole, in a message of this type.
    assert not any(b'"type":"CONTROL"' in output for output in outputs.values())


def _echoing(secret: str) -> Iterator[Fault]:
    """Always replies with secrets, in every place that an error could quote."""
    said = f"/v1/devices?access_token={quote(secret, safe='')} Authorization: Bearer {secret}, client_secret={secret}"
    for status in (400, 401, 403, 404, 418, 429, 500, 503):
        yield Fault("*", status=status, body=json.dumps({"error": said, "errors": [said], "info": {"token": said}}))
    yield Fault("*", body=f"<html>{said}</html>", content_type="text/html")
    yield Fault(
        "*", change=lambda body: re.sub(rb'"updated_at":"[^"]*"', json.dumps({"updated_at": said})[1:-1].encode(), body)
    )
    yield Fault(
        "*", status=302, headers={"Location": f"https://{quote(secret, safe='')}@127.0.0.1:1/?access_token={secret}"}
    )


class _Listener(logging.Handler):
    """Keeps whole log records, as formatters that write JSON do."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(f"{record.getMessage()} {vars(record)}")


@pytest.fixture
def debugged() -> Iterator[_Listener]:
    """All that the source logs, debugging included."""
    logger, listener = logging.getLogger("airbyte"), _Listener()
    level = logger.level
    logger.addHandler(listener)
    logger.setLevel(logging.DEBUG)
    yield listener
    logger.setLevel(level)
    logger.removeHandler(listener)


@pytest.mark.parametrize("number", range(11))
def test_what_a_reply_hands_back_is_in_no_error(
    number: int, planted: DeviceCloud, canaries: Canaries, debugged: _Listener
) -> None:
    planted.reset()
    [fault] = list(_echoing(planted.token))[number : number + 1]
    planted.faults.add(replace(fault, route="GET /v1/diagnostics/:id", times=None))
    named = {"device_id": next(iter(planted.fleet.rows("devices")))}
    result = sync(with_token(planted, diagnostics=named), "diagnostics")
    planted.reset()
    assert result.errors
    assert any("Making outbound API request" in text for text in debugged.texts)
    canaries.secrets["token of the user"] = planted.token
    said = [result.errors, result.warnings, repr(result.messages), *debugged.texts]
    assert canaries.found_in("\n".join(said).encode()) == []


def test_spark_lets_no_secret_out(cloud: DeviceCloud, canaries: Canaries, tmp_path: Path) -> None:
    cache = tmp_path / "token"
    connection = {"username": cloud.username, "password": cloud.password, "token_cache_file": str(cache)}
    connection.update(base_url=cloud.url, retry_wait_factor="0", min_window_seconds="1", settle_seconds="0")
    (tmp_path / "events").mkdir()
    (tmp_path / "tmp").mkdir()
    arguments = {"connection": connection, "folder": str(tmp_path), "refused": REFUSED}
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PARTICLE_")}
    with _watched(cloud) as processes:
        result = subprocess.run(
            [sys.executable, "-m", "integration_tests.project.everything"],
            cwd=tmp_path,
            env={
                **clean,
                "EVERYTHING": json.dumps(arguments),
                "PARTICLE_USERNAME": cloud.username,
                "PARTICLE_PASSWORD": cloud.password,
                "PARTICLE_BASE_URL": cloud.url,
                "PYSPARK_PYTHON": sys.executable,
                "PYTHONPATH": str(ROOT),
                "SPARK_LOCAL_DIRS": str(tmp_path / "tmp"),
                "SPARK_LOCAL_IP": "127.0.0.1",
                "TMPDIR": str(tmp_path / "tmp"),
            },
            capture_output=True,
            check=False,
        )
    assert result.returncode == 0, result.stderr[-2000:]
    outputs = {
        "printed": result.stdout,
        "logged": result.stderr,
        "processes": b"".join(processes),
        **dict(_files(tmp_path, but=cache)),
    }
    everything = b"".join(outputs.values())
    for expected in (
        b"Physical Plan",
        b"SparkListenerSQLExecutionStart",
        b"client_secret=****",
        b'wifi_password":"****',
        b"Command to send: c\no",
        b"password\ns****",
        b"OPTIONS (path 'devices', username ****, password ****",
    ):
        assert expected in everything, expected
    leaks = {name: canaries.found_in(output) for name, output in outputs.items()}
    assert {name: found for name, found in leaks.items() if found} == {}
    assert stat.S_IMODE(cache.stat().st_mode) == 0o600


def test_the_search_finds_a_secret_in_every_form(canaries: Canaries) -> None:
    seeded = Canaries()
    secret = seeded.new("seeded")
    written = [secret, quote(secret), quote_plus(secret), quote(secret).lower(), f"cut at {secret[:-3]}"]
    written += [json.dumps({"a": secret}), repr({"a": secret})]
    # As `_rescued_data` holds it: JSON in a string, which is itself quoted.
    written += [json.dumps({"a": written[-2]}), repr({"a": written[-2]}), repr(written[-1])]
    written += [base64.b64encode(f"{'u' * length}:{secret}".encode()).decode() for length in range(3)]
    for text in written:
        assert seeded.found_in(f"before {text} after".encode()) == ["seeded"], text
    assert seeded.found_in(b"nothing of that kind") == []


def test_the_search_finds_what_debugging_would_let_out(
    planted: DeviceCloud, canaries: Canaries, debugged: _Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("airbyte.HttpRequester.diagnostics"), "filters", [])
    monkeypatch.setattr(requester, "withhold_from_log", lambda _record: True)
    sync(with_token(planted, diagnostics={"device_id": "*"}), "diagnostics")
    canaries.secrets["token of the user"] = planted.token
    found = canaries.found_in("\n".join(debugged.texts).encode())
    assert "token of the user" in found
    assert any(place.startswith("vitals.") for place in found)


def test_the_search_finds_what_a_source_without_redaction_lets_out(
    cloud: DeviceCloud, canaries: Canaries, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retrievers, "redact", lambda _records, _known: None)
    places = {"devices": "devices.None", "user": "users.None", "diagnostics": "vitals"}
    records = sync(with_token(cloud), *places).records
    for name, place in places.items():
        found = canaries.found_in(json.dumps(records[name]).encode())
        assert any(where.startswith(f"{place}.") and "deep" in where for where in found), name
        assert not [where for where in found if "mobile_secret" in where and "devices" in where]


# Python tells an audit hook of every connection that is opened and every name that is looked up.
WATCHED = """
import sys
asked = open("asked", "a", buffering=1)
sys.addaudithook(lambda event, args: event == "socket.connect" and print(*args[1][:2], file=asked))
sys.addaudithook(lambda event, args: event == "socket.getaddrinfo" and print(*args[:2], file=asked))
"""
ASKS = {
    "airbyte": "from source_particle.run import run; run()",
    "lakeflow": """
import json
from bridge import ParticleLakeflowConnect
from unit_tests.support.kinds import one_of_each_kind
connector = ParticleLakeflowConnect(json.load(open("options.json")))
for table in one_of_each_kind():
    list(connector.read_table(table.name, None, {"product_id_or_slug": "*", "device_id": "*", "iccid": "*"})[0])
""",
    "somebody else": "import socket; socket.getaddrinfo('localhost', 80)",
}


@pytest.mark.fleet(FleetSize(products=1, devices=6, sims=3, user_devices=3, user_sims=2, days=1, samples=False))
@pytest.mark.parametrize("asking", ASKS)
def test_only_the_api_is_asked_and_only_to_read(cloud: DeviceCloud, tmp_path: Path, asking: str) -> None:
    options = {"username": cloud.username, "password": cloud.password, "base_url": cloud.url, "retry_wait_factor": "0"}
    (tmp_path / "options.json").write_text(json.dumps(options))
    config, catalog = with_password(cloud), ConfiguredAirbyteCatalogSerializer.dump(catalog_of(*OF_EACH_KIND))
    [python, _, _, *arguments] = command_of("read", tmp_path, config=config, catalog=catalog)
    subprocess.run(
        [python, "-c", WATCHED + ASKS[asking], *arguments],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        check=True,
    )
    asked = set((tmp_path / "asked").read_text().splitlines())
    api = {cloud.url.removeprefix("http://").replace(":", " ")}
    assert asked == (api if asking != "somebody else" else {"localhost 80"})
    sent = {(entry.method, entry.path if entry.method != "GET" else "") for entry in cloud.ledger.requests()}
    assert sent == ({("GET", ""), ("POST", "/oauth/token")} if asking != "somebody else" else set())
