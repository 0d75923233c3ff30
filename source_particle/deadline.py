"""A bound on how long one reply may take: the timeouts of a connection bound only the silence between two bytes."""

import time
from collections.abc import Iterator
from functools import partial
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import ReadTimeoutError
from urllib3.response import BaseHTTPResponse

# Ten minutes carry a page of 50 MB over a line of 1 Mbit/s.
LONGEST_REPLY = 600.0
# As much as one call to the system gives; `requests` asks for less at a time.
PART = 2**18


class DeadlineAdapter(HTTPAdapter):
    """Gives a reply that is not whole within so many seconds up, as if nothing came any more."""

    def __init__(self, seconds: float, **options: Any) -> None:
        super().__init__(**options)
        self._seconds = seconds

    def send(self, *args: Any, **kwargs: Any) -> requests.Response:
        """Send a request; reading the body of what is returned raises requests.ConnectionError at the deadline."""
        deadline = time.monotonic() + self._seconds
        connect, read = kwargs["timeout"]
        response = super().send(*args, **{**kwargs, "timeout": (connect, min(read, self._seconds))})
        # What `requests` reads every body with; the original waits for a whole chunk, however slowly its bytes come.
        vars(response.raw)["stream"] = partial(_parts, response.raw, deadline)
        return response


def _parts(raw: BaseHTTPResponse, deadline: float, _amount: int, decode_content: bool) -> Iterator[bytes]:
    """Give a body as it comes."""
    while part := raw.read1(PART, decode_content=decode_content):
        yield part
        if time.monotonic() > deadline:
            raw.close()
            raise ReadTimeoutError(None, None, "The reply took too long.")  # type: ignore[arg-type]
