"""A reply that trickles in is abandoned, and one that is merely long is not."""

import gzip
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
import requests

from source_particle.deadline import DeadlineAdapter
from source_particle.errors import ReplyTooLargeError

BODY = b'{"devices": []}'
LARGEST = 1 << 20


@contextmanager
def served(pause: float, headers: dict[str, str], parts: list[bytes]) -> Iterator[str]:
    """A server that sends the parts of a body with a pause before each."""
    gone = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            for header in headers.items():
                self.send_header(*header)
            self.end_headers()
            for part in parts:
                if gone.wait(pause):
                    return
                self.wfile.write(part)
                self.wfile.flush()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            gone.set()
            server.shutdown()
            thread.join()


def fetch(url: str, seconds: float) -> bytes:
    with requests.Session() as session:
        session.mount("http://", DeadlineAdapter(seconds, LARGEST))
        return session.get(url, timeout=(5, 5)).content


def test_a_reply_whose_bytes_keep_coming_ends_at_the_deadline() -> None:
    headers = {"Content-Length": "1000"}
    with (
        served(0.1, headers, [b"x"] * 1000) as url,
        pytest.raises(requests.RequestException, match="timed out"),
    ):
        fetch(url, seconds=0.3)


def test_headers_that_keep_coming_end_at_the_deadline_too() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=_drip_headers, args=(server,))
        thread.start()
        try:
            with pytest.raises(requests.RequestException, match="timed out"):
                fetch(f"http://127.0.0.1:{server.getsockname()[1]}", seconds=0.3)
        finally:
            thread.join()


def _drip_headers(server: socket.socket) -> None:
    connection, _ = server.accept()
    with connection, suppress(OSError):
        connection.sendall(b"HTTP/1.1 200 OK\r\nX-Long: ")
        while True:
            connection.sendall(b"x")
            time.sleep(0.05)


def test_silence_ends_at_the_deadline_too() -> None:
    with served(60, {"Content-Length": "1"}, [b"x"]) as url, pytest.raises(requests.RequestException):
        fetch(url, seconds=0.2)


@pytest.mark.parametrize("size", [len(BODY), 3])
@pytest.mark.parametrize("chunked", [True, False])
@pytest.mark.parametrize("encode", [gzip.compress, bytes])
def test_a_body_in_parts_is_whole(size: int, chunked: bool, encode: type[bytes]) -> None:
    sent = encode(BODY)
    parts = [sent[start : start + size] for start in range(0, len(sent), size)]
    headers = {"Content-Encoding": "gzip"} if sent != BODY else {}
    if chunked:
        headers["Transfer-Encoding"] = "chunked"
        parts = [b"%x\r\n%s\r\n" % (len(part), part) for part in (*parts, b"")]
    else:
        headers["Content-Length"] = str(len(sent))
    with served(0, headers, parts) as url:
        assert fetch(url, seconds=30) == BODY


def test_replies_through_a_proxy_have_the_deadline_as_well() -> None:
    with served(0.1, {"Content-Length": "1000"}, [b"x"] * 1000) as url, requests.Session() as session:
        session.mount("http://", DeadlineAdapter(0.3, LARGEST))
        for _ in range(2):
            with pytest.raises(requests.RequestException, match="timed out"):
                session.get("http://api.example.com", proxies={"http": url}, timeout=(5, 5))


def test_a_body_that_is_cut_is_an_error() -> None:
    with served(0, {"Content-Length": "20"}, [BODY]) as url, pytest.raises(requests.RequestException):
        fetch(url, seconds=30)


@pytest.mark.parametrize("headers", [{}, {"Content-Encoding": "gzip"}], ids=["plain", "gzip"])
def test_a_reply_that_grows_beyond_all_bounds_is_abandoned(headers: dict[str, str]) -> None:
    body = b"0" * (LARGEST + 1)
    parts = [gzip.compress(body) if headers else body]
    with served(0, headers, parts) as url, pytest.raises(ReplyTooLargeError, match=f"larger than {LARGEST} bytes"):
        fetch(url, 30)


def test_a_reply_of_exactly_the_largest_size_is_read() -> None:
    with served(0, {"Content-Encoding": "gzip"}, [gzip.compress(b"0" * LARGEST)]) as url:
        assert len(fetch(url, 30)) == LARGEST
