"""Canaries wherever the configuration or the API can put a secret, and a search of all that comes out of the doors."""

import base64
import json
import os
import stat
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import pyarrow.parquet as pq  # type: ignore[import-untyped]
import pytest

from bridge.catalog import tables
from integration_tests.airbyte import sync, with_password, with_token
from integration_tests.device_cloud import DeviceCloud, Fault, Fleet, FleetSize
from integration_tests.spark import ROOT
from source_particle import retrievers

TABLES = tuple(tables())
# A device that the API refuses with an error that echoes secrets.
REFUSED = "f" * 24
LOGIN = "POST /oauth/token"


class Canaries:
    """Secrets by where they were put, and the search for them."""

    def __init__(self) -> None:
        self.secrets: dict[str, str] = {}

    def new(self, place: str) -> str:
        """Make up the secret of a place; its characters look different in an address, in JSON and in base64."""
        return self.secrets.setdefault(place, f"cänary+/{len(self.secrets):04}/ <&>%\"'{place[:3]}")

    def found_in(self, output: bytes) -> list[str]:
        """Name the places whose secrets are in an output, as they are, in an address, in JSON or in base64."""
        return [place for place, secret in self.secrets.items() if any(form in output for form in _forms(secret))]


def _forms(secret: str) -> set[bytes]:
    """The ways a secret can be written."""
    texts = [secret, quote(secret), quote(secret, safe=""), quote_plus(secret), json.dumps(secret)[1:-1]]
    texts += [json.dumps(secret, ensure_ascii=False)[1:-1], repr(secret)[1:-1]]
    forms = {text.encode() for text in texts}
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
    fleet = Fleet.seeded(size)
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
        env={"PYTHONPATH": ROOT},
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


@pytest.mark.xdist_group("spark")
def test_the_spark_doors_let_no_secret_out(cloud: DeviceCloud, canaries: Canaries, tmp_path: Path) -> None:
    cache = tmp_path / "token"
    connection = {"username": cloud.username, "password": cloud.password, "token_cache_file": str(cache)}
    connection.update(base_url=cloud.url, retry_wait_factor="0", min_window_seconds="1", settle_seconds="0")
    (tmp_path / "events").mkdir()
    (tmp_path / "tmp").mkdir()
    arguments = {"connection": connection, "folder": str(tmp_path), "refused": REFUSED}
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PARTICLE_")}
    with _watched(cloud) as processes:
        result = subprocess.run(
            [sys.executable, "-m", "integration_tests.everything"],
            cwd=tmp_path,
            env={
                **clean,
                "EVERYTHING": json.dumps(arguments),
                "PARTICLE_USERNAME": cloud.username,
                "PARTICLE_PASSWORD": cloud.password,
                "PARTICLE_BASE_URL": cloud.url,
                "PYSPARK_PYTHON": sys.executable,
                "PYTHONPATH": ROOT,
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
    ):
        assert expected in everything, expected
    leaks = {name: canaries.found_in(output) for name, output in outputs.items()}
    assert {name: found for name, found in leaks.items() if found} == {}
    assert stat.S_IMODE(cache.stat().st_mode) == 0o600


def test_the_search_finds_a_secret_in_every_form(canaries: Canaries) -> None:
    seeded = Canaries()
    secret = seeded.new("seeded")
    written = [secret, quote(secret), quote_plus(secret), json.dumps({"a": secret}), repr({"a": secret})]
    written += [base64.b64encode(f"{'u' * length}:{secret}".encode()).decode() for length in range(3)]
    for text in written:
        assert seeded.found_in(f"before {text} after".encode()) == ["seeded"], text
    assert seeded.found_in(b"nothing of that kind") == []


def test_the_search_finds_what_a_source_without_redaction_lets_out(
    cloud: DeviceCloud, canaries: Canaries, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retrievers, "redact", lambda _records, _known: None)
    records = sync(with_token(cloud), *TABLES).records
    for name, place in [("devices", "devices.None"), ("user", "users.None"), ("diagnostics", "vitals")]:
        found = canaries.found_in(json.dumps(records[name]).encode())
        assert any(where.startswith(f"{place}.") and "deep" in where for where in found), name
        assert not [where for where in found if "mobile_secret" in where and "devices" in where]
