"""Faults of the Device Cloud as they arrive on the wire, and its start and stop."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import requests

from integration_tests.device_cloud import DeviceCloud, Fault, Fleet, FleetSize, Switches
from integration_tests.device_cloud.__main__ import main
from integration_tests.device_cloud.faults import ERROR, HTML, MALFORMED
from integration_tests.device_cloud.tests.client import FIRST, get, ids

USER = "GET /v1/user"
PAGES = "GET /v1/products/:p/devices"
SMALL = FleetSize(products=1, devices=30, sims=2, days=1, user_devices=2, user_sims=2, samples=False)

pytestmark = pytest.mark.fleet(SMALL)


def raw(cloud: DeviceCloud, path: str = "/v1/user", times: int = 1) -> bytes:
    """Send a request (or several at once) on a bare socket and return all that comes until the server closes."""
    host, port = cloud.url.removeprefix("http://").split(":")
    request = f"GET {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {cloud.token}\r\n"
    last = request + "Connection: close\r\n\r\n"
    received = b""
    with closing(socket.create_connection((host, int(port)), timeout=10)) as connection:
        connection.sendall(((request + "\r\n") * (times - 1) + last).encode())
        while part := connection.recv(65_536):
            received += part
    return received


def split(response: bytes) -> tuple[str, bytes]:
    """Return the head of a response, and its body."""
    head, _, body = response.partition(b"\r\n\r\n")
    return head.decode("latin-1"), body


@pytest.mark.parametrize(
    ("fault", "status", "content"),
    [
        (Fault(USER, status=503), 503, ERROR.encode()),
        (Fault(USER, status=502, body="down", headers={"Retry-After": "3"}), 502, b"down"),
        (Fault(USER, body=HTML, content_type="text/html"), 200, HTML.encode()),
        (Fault(USER, body=MALFORMED), 200, MALFORMED.encode()),
        (Fault(USER, body=""), 200, b""),
        (Fault(USER, body="null"), 200, b"null"),
        (Fault(USER, body='{"ok":false}'), 200, b'{"ok":false}'),
        (Fault(USER, body=b"\xff\xfe"), 200, b"\xff\xfe"),
        (Fault(USER, status=204), 204, b""),
    ],
)
def test_a_fault_replaces_one_reply(cloud: DeviceCloud, fault: Fault, status: int, content: bytes) -> None:
    cloud.faults.add(fault)
    with requests.Session() as session:
        headers = {"Authorization": f"Bearer {cloud.token}"}
        spoilt = session.get(f"{cloud.url}/v1/user", headers=headers, timeout=10)
        healthy = session.get(f"{cloud.url}/v1/user", headers=headers, timeout=10)
    assert (spoilt.status_code, spoilt.content) == (status, content)
    assert spoilt.headers.get("Content-Type") == (None if status == 204 else fault.content_type)
    assert spoilt.headers.get("Retry-After") == fault.headers.get("Retry-After")
    assert healthy.json()["username"] == cloud.username
    assert [entry.status for entry in cloud.ledger.requests()] == [status, 200]


def test_a_connection_can_be_reset_before_any_header(cloud: DeviceCloud) -> None:
    cloud.faults.add(Fault(USER, cut="reset"))
    with pytest.raises(ConnectionResetError):
        raw(cloud)
    assert [entry.status for entry in cloud.ledger.requests()] == [0]


def test_a_connection_can_be_reset_within_the_body(cloud: DeviceCloud) -> None:
    cloud.faults.add(Fault(USER, cut="reset_body"))
    host, port = cloud.url.removeprefix("http://").split(":")
    with closing(socket.create_connection((host, int(port)), timeout=10)) as connection:
        connection.sendall(f"GET /v1/user HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {cloud.token}\r\n\r\n".encode())
        head, body = split(connection.recv(65_536))
        with pytest.raises(ConnectionResetError):
            connection.recv(65_536)
    assert head.startswith("HTTP/1.1 200 OK")
    assert body.startswith(b"{")


@pytest.mark.parametrize(("cut", "length_sent"), [("short", True), ("close", False)])
def test_a_body_can_end_halfway_with_and_without_a_length(cloud: DeviceCloud, cut: Any, length_sent: bool) -> None:
    whole = split(raw(cloud))[1]
    cloud.faults.add(Fault(USER, cut=cut))
    head, body = split(raw(cloud))
    assert body == whole[: len(whole) // 2]
    assert (f"Content-Length: {len(whole)}" in head) == length_sent


def test_a_reply_can_be_late(cloud: DeviceCloud) -> None:
    cloud.faults.add(Fault(USER, delay=5.0))
    with pytest.raises(requests.exceptions.ReadTimeout):
        requests.get(f"{cloud.url}/v1/user", headers={"Authorization": f"Bearer {cloud.token}"}, timeout=0.2)


def test_a_body_can_come_byte_by_byte(cloud: DeviceCloud) -> None:
    whole = split(raw(cloud))[1]
    cloud.faults.add(Fault(USER, drip=0.0001))
    head, body = split(raw(cloud))
    assert body == whole
    assert "Connection: close" in head


@pytest.mark.parametrize("longer_by", [-5, 5])
def test_a_length_can_be_wrong(cloud: DeviceCloud, longer_by: int) -> None:
    whole = split(raw(cloud))[1]
    cloud.faults.add(Fault(USER, longer_by=longer_by))
    head, body = split(raw(cloud))
    assert body == whole
    assert f"Content-Length: {len(whole) + longer_by}" in head


def test_a_body_can_be_changed(cloud: DeviceCloud) -> None:
    cloud.faults.add(Fault(USER, change=lambda body: body.replace(b"username", b"name")))
    assert get(cloud, "/v1/user").json()["name"] == cloud.username


def test_a_late_reply_keeps_its_place_among_pipelined_requests(cloud: DeviceCloud) -> None:
    cloud.faults.add(Fault(USER, delay=0.05, body='"late"'))
    answers = raw(cloud, times=3)
    assert answers.count(b"HTTP/1.1 200 OK") == 3
    assert answers.index(b'"late"') < answers.index(cloud.username.encode())


def test_faults_count_the_requests_that_match(cloud: DeviceCloud) -> None:
    cloud.faults.add(Fault(USER, at=2, times=2, status=500))
    statuses = [get(cloud, path).status_code for path in ("/v1/user", "/v1/devices", *["/v1/user"] * 3)]
    assert statuses == [200, 200, 500, 500, 200]


def test_a_fault_can_be_permanent_and_be_cleared(cloud: DeviceCloud) -> None:
    cloud.faults.add(Fault("*", times=None, status=500))
    assert {get(cloud, "/v1/user").status_code, get(cloud, "/v1/nowhere").status_code} == {500}
    cloud.faults.clear()
    assert get(cloud, "/v1/user").status_code == 200


def test_a_fault_can_want_a_path_a_page_or_a_query(cloud: DeviceCloud) -> None:
    cloud.faults.add(
        Fault(PAGES, times=None, page=2, status=500),
        Fault(PAGES, times=None, query={"sortDir": "asc"}, status=501),
        Fault("*", times=None, path="/v1/sims", status=502),
    )
    assert get(cloud, f"{FIRST}/devices").status_code == 200
    assert get(cloud, f"{FIRST}/devices", page=2).status_code == 500
    assert get(cloud, f"{FIRST}/devices", sortDir="asc").status_code == 501
    assert get(cloud, f"{FIRST}/devices", sortDir="asc", page=2).status_code == 500
    assert get(cloud, "/v1/sims").status_code == 502


def test_a_page_can_be_served_again_in_place_of_the_next(cloud: DeviceCloud) -> None:
    cloud.faults.add(Fault(PAGES, page=2, repeat_page=True))
    first = ids(get(cloud, f"{FIRST}/devices"))
    assert ids(get(cloud, f"{FIRST}/devices", page=2)) == first
    assert ids(get(cloud, f"{FIRST}/devices", page=2)) != first


def test_the_fleet_can_change_before_a_reply(cloud: DeviceCloud) -> None:
    last = ids(get(cloud, f"{FIRST}/devices", per_page=100))[-1]
    cloud.faults.add(Fault(PAGES, page=2, run=lambda: cloud.fleet.touch(last, 20_001)))
    pages = [one for page in (1, 2) for one in ids(get(cloud, f"{FIRST}/devices", page=page))]
    assert last not in pages
    assert len(set(pages)) == 29


def test_a_token_can_be_revoked_while_it_is_used(cloud: DeviceCloud) -> None:
    cloud.faults.add(Fault(USER, at=2, revoke_token=True))
    assert [get(cloud, "/v1/user").status_code for _ in range(3)] == [200, 401, 401]


def test_a_failing_callable_of_a_fault_is_raised_when_the_cloud_stops() -> None:
    def fail() -> None:
        raise KeyError("no such device")

    cloud = DeviceCloud(Fleet.seeded(SMALL)).__enter__()
    cloud.faults.add(Fault(USER, run=fail))
    assert get(cloud, "/v1/user").status_code == 500
    with pytest.raises(KeyError, match="no such device"):
        cloud.__exit__(None, None, None)


def test_what_is_no_http_is_refused(cloud: DeviceCloud) -> None:
    host, port = cloud.url.removeprefix("http://").split(":")
    with closing(socket.create_connection((host, int(port)), timeout=10)) as connection:
        connection.sendall(b"hello?\r\n\r\n")
        assert connection.recv(1_024).startswith(b"HTTP/1.1 400")


# life


def test_nothing_is_left_when_it_stops_amid_open_connections_and_late_replies() -> None:
    before = set(threading.enumerate())
    with DeviceCloud(Fleet.seeded(SMALL), Switches(latency=60.0)) as cloud:
        host, port = cloud.url.removeprefix("http://").split(":")
        waiting = socket.create_connection((host, int(port)), timeout=10)
        waiting.sendall(b"GET /v1/user HTTP/1.1\r\nHost: x\r\n\r\n")
        idle = socket.create_connection((host, int(port)), timeout=10)
    with closing(waiting), closing(idle):
        left = set(threading.enumerate()) - before
        assert not [thread for thread in left if thread.name == "device-cloud"]
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((host, int(port)), timeout=10)


def test_a_port_that_is_taken_is_an_error(cloud: DeviceCloud) -> None:
    port = int(cloud.url.rsplit(":", 1)[1])
    with pytest.raises(OSError, match="address already in use"), DeviceCloud(Fleet.seeded(SMALL), port=port):
        pass


def test_many_clouds_run_side_by_side() -> None:
    with DeviceCloud(Fleet.seeded(SMALL, seed=1)) as one, DeviceCloud(Fleet.seeded(SMALL, seed=2)) as two:
        assert one.token != two.token
        assert get(one, "/v1/user").status_code == get(two, "/v1/user").status_code == 200
        assert get(one, "/v1/user", token=two.token).status_code == 401


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_command_prints_how_to_get_in_and_stops_on_a_signal(number: signal.Signals) -> None:
    command = [sys.executable, "-W", "error", "-m", "integration_tests.device_cloud"]
    options = ["--products", "1", "--devices", "3", "--sims", "1", "--days", "1", "--seed", "5", "--rate-limit", "2/60"]
    root = Path(__file__).parents[3]
    with subprocess.Popen(
        command + options, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=root
    ) as run:
        assert run.stdout is not None
        told = dict(run.stdout.readline().rstrip("\n").split(": ", 1) for _ in range(5))
        headers = {"Authorization": f"Bearer {told['token']}"}
        for path, total in (("/v1/products/20001/devices", 3), ("/v1/products/20001/sims", 1)):
            body = requests.get(told["url"] + path, headers=headers, timeout=10).json()
            assert len(body[path.rsplit("/", 1)[1]]) == total
        assert requests.get(f"{told['url']}/v1/user", headers=headers, timeout=10).status_code == 429
        run.send_signal(number)
        _, errors = run.communicate(timeout=10)
    assert (run.returncode, errors) == (0, "")
    assert set(told) == {"url", "token", "api_user_token", "username", "password"}


@pytest.mark.parametrize("rate", ["fast", "10", "1/x"])
def test_a_malformed_rate_is_refused_by_the_command(rate: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--rate-limit", rate])
    assert "N/SECONDS" in capsys.readouterr().err


def test_the_command_says_in_a_line_that_its_port_is_taken(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(SystemExit):
        main(["--products", "1", "--devices", "1", "--port", str(taken.getsockname()[1])])
    assert "error: argument --port: " in capsys.readouterr().err
