"""HTTP/1.1 on raw transports, because faults must reach below what a web framework shows."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import struct
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Any, Literal
from urllib.parse import parse_qsl, unquote

import httptools

JSON = "application/json; charset=utf-8"
Cut = Literal["reset", "reset_body", "short", "close"]

_RESET_AFTER = 0.02
"""Seconds between half a body and the reset: time for the half to arrive."""
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


@dataclass(frozen=True)
class Request:
    """One request; header names are in lower case, of repeated query parameters the last counts."""

    method: str
    path: str
    query: Mapping[str, str] = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    peer: str

    def asking(self, **query: object) -> Request:
        """Return the same request with other query parameters."""
        return replace(self, query={**self.query, **{name: str(value) for name, value in query.items()}})

    def form(self) -> dict[str, str]:
        """Return the fields of a form body, none when the body is not a form."""
        if not self.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
            return {}
        return dict(parse_qsl(self.body.decode("utf-8", "replace"), keep_blank_values=True))


@dataclass(frozen=True)
class Reply:
    """One reply and how it goes out.

    `delay` and `drip` are seconds, before the reply and between two bytes of its body; `cut` says where the connection
    breaks, `longer_by` by how much Content-Length is wrong.
    """

    status: int
    body: bytes = b"{}"
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = JSON
    delay: float = 0.0
    cut: Cut | None = None
    drip: float = 0.0
    longer_by: int = 0

    def later(self, seconds: float) -> Reply:
        """Return the same reply, delayed further."""
        return replace(self, delay=self.delay + seconds)


def json_reply(body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Reply:
    """Return a reply with a JSON body."""
    return Reply(status, encode(body), headers or {})


def encode(body: Any) -> bytes:
    """Return JSON as the API writes it: compact, in UTF-8."""
    return json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()


class Connection(asyncio.Protocol):
    """One connection: parses requests, answers them in their order, breaks where a reply says so."""

    def __init__(
        self,
        answer: Callable[[Request], Reply],
        common_headers: Callable[[], str],
        open_connections: set[Connection],
    ) -> None:
        self._answer = answer
        self._common_headers = common_headers
        self._open = open_connections
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport
        self._timer: asyncio.TimerHandle | None = None
        self._waiting: deque[tuple[Request, bool]] = deque()
        self._url = b""
        self._headers: dict[str, str] = {}
        self._body = bytearray()
        self._peer = ""

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Note the peer; rate limits are by its address."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._peer = str(transport.get_extra_info("peername")[0])
        self._open.add(self)

    def data_received(self, data: bytes) -> None:
        """Parse what came."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserCallbackError:
            raise  # a bug on this side, not a malformed request
        except httptools.HttpParserError:
            self._transport.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            self._transport.close()

    def connection_lost(self, _exc: Exception | None) -> None:
        """Forget what was still to be answered."""
        self._open.discard(self)
        self._waiting.clear()
        if self._timer is not None:
            self._timer.cancel()

    def abort(self) -> None:
        """Break the connection off."""
        self._transport.abort()

    # httptools

    def on_url(self, url: bytes) -> None:
        """Take the (next part of the) request target."""
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header."""
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_body(self, body: bytes) -> None:
        """Take a part of the body."""
        self._body += body

    def on_message_complete(self) -> None:
        """Answer the request, or let it wait for the one before it."""
        path, _, query = self._url.decode("latin-1").partition("?")
        request = Request(
            self._parser.get_method().decode("latin-1"),
            path,
            dict(parse_qsl(query, keep_blank_values=True)),
            self._headers,
            bytes(self._body),
            self._peer,
        )
        self._url, self._headers, self._body = b"", {}, bytearray()
        self._waiting.append((request, self._parser.should_keep_alive()))
        if len(self._waiting) == 1:
            self._answer_next()

    # replies

    def _answer_next(self) -> None:
        while self._waiting:
            request, keep_alive = self._waiting[0]
            reply = self._answer(request)
            if reply.delay > 0:
                loop = asyncio.get_running_loop()
                self._timer = loop.call_later(reply.delay, self._send_and_go_on, reply, keep_alive)
                return
            self._send(reply, keep_alive)
            if self._waiting:
                self._waiting.popleft()

    def _send_and_go_on(self, reply: Reply, keep_alive: bool) -> None:
        self._send(reply, keep_alive)
        if self._waiting:
            self._waiting.popleft()
        self._answer_next()

    def _send(self, reply: Reply, keep_alive: bool) -> None:
        if reply.cut == "reset":
            self._reset()
            return
        # Who waits for more than there is learns only from the end of the connection that no more comes.
        keep_alive = keep_alive and reply.cut is None and not reply.drip and reply.longer_by <= 0
        head = self._head(reply, keep_alive)
        if reply.drip:
            self._waiting.clear()
            self._transport.write(head)
            self._drip(reply.body, reply.drip)
            return
        if reply.cut is None:
            self._transport.write(head if reply.status == HTTPStatus.NO_CONTENT else head + reply.body)
            if not keep_alive:
                self._finish()
            return
        self._transport.write(head + reply.body[: len(reply.body) // 2])
        if reply.cut == "reset_body":
            self._waiting.clear()
            self._timer = asyncio.get_running_loop().call_later(_RESET_AFTER, self._reset)
        else:
            self._finish()

    def _drip(self, rest: bytes, pause: float) -> None:
        self._transport.write(rest[:1])
        if len(rest) > 1:
            self._timer = asyncio.get_running_loop().call_later(pause, self._drip, rest[1:], pause)
        else:
            self._finish()

    def _head(self, reply: Reply, keep_alive: bool) -> bytes:
        common = self._common_headers()
        if "Date" in reply.headers:
            common = re.sub(r"Date: .*\r\n", "", common)
        lines = [f"HTTP/1.1 {reply.status} {_REASONS.get(reply.status, 'Unknown')}\r\n{common}"]
        if reply.status != HTTPStatus.NO_CONTENT:
            lines.append(f"Content-Type: {reply.content_type}\r\n")
            if reply.cut != "close":
                lines.append(f"Content-Length: {len(reply.body) + reply.longer_by}\r\n")
        lines.extend(f"{name}: {value}\r\n" for name, value in reply.headers.items())
        lines.append("\r\n" if keep_alive else "Connection: close\r\n\r\n")
        return "".join(lines).encode("latin-1")

    def _finish(self) -> None:
        self._waiting.clear()
        self._transport.close()

    def _reset(self) -> None:
        self._waiting.clear()
        raw: socket.socket = self._transport.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self._transport.abort()


_REASONS = {status.value: status.phrase for status in HTTPStatus}


def decode_segment(segment: str) -> str:
    """Return a path segment without its percent-encoding."""
    return unquote(segment)
