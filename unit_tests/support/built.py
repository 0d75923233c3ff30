"""The source as Airbyte builds it from the real manifest, and a look at its parts."""

import copy
import functools
from collections.abc import Mapping
from typing import Any, cast

import requests
import requests_mock
from airbyte_cdk.sources.declarative.retrievers.retriever import Retriever

from source_particle import manifest
from source_particle.error_handler import ParticleErrorHandler
from source_particle.source import SourceParticle

BASE_URL = "https://api.particle.io"
TOKEN_URL = f"{BASE_URL}/oauth/token"
PASSWORD = "correct horse"
MANIFEST: dict[str, Any] = copy.deepcopy(dict(manifest()))


def config(**changes: Any) -> dict[str, Any]:
    """A configuration with a fixed token that never waits."""
    credentials = {"auth_type": "access_token", "access_token": "token-of-a-test"}
    return {"credentials": credentials, "base_url": BASE_URL, "retry_wait_factor": 0, **changes}


def account(password: str = PASSWORD, username: str = "user@example.com", **changes: Any) -> dict[str, Any]:
    """A configuration with user name and password."""
    credentials = {"auth_type": "password", "username": username, "password": password}
    return config(**{"credentials": credentials, **changes})


def retrievers(*tables: str, **changes: Any) -> dict[str, Retriever]:
    """The retriever of each stream, or of those that are named, which takes less time."""
    streams = SourceParticle(config(**changes), tables=tables).streams(config(**changes))
    return {stream.name: retriever_of(stream) for stream in streams}


def retriever_of(stream: Any) -> Any:
    """The retriever of a stream; the CDK offers no public way to it, and its own tests go the same one."""
    return stream._stream_partition_generator._partition_factory._retriever  # noqa: SLF001  (see above)


@functools.cache
def error_handlers() -> Mapping[str, ParticleErrorHandler]:
    """The error handler of each stream; of the two lists that the stream `products` reads, the first."""
    built: dict[str, Any] = retrievers()
    handlers = {name: getattr(built[name], "products", built[name]).requester.error_handler for name in built}
    return cast(Mapping[str, ParticleErrorHandler], handlers)


def reply(
    status: int = 200,
    body: bytes | str = b"",
    headers: dict[str, str] | None = None,
    url: str = f"{BASE_URL}/v1/devices?page=1",
) -> requests.Response:
    """A reply as `requests` gives it."""
    content = body if isinstance(body, bytes) else body.encode()
    with requests_mock.Mocker() as server:
        server.get(url, status_code=status, content=content, headers=headers or {})
        return requests.get(url, timeout=1)


def grant(number: int = 1, **more: Any) -> dict[str, Any]:
    """A reply that lets somebody in, for requests_mock."""
    return {"json": {"token_type": "bearer", "access_token": f"token-{number}", "expires_in": 86_400, **more}}


def refusal(status: int = 400, error: str = "invalid_grant") -> dict[str, Any]:
    """A reply that lets nobody in."""
    return {"status_code": status, "json": {"error": error, "error_description": "User credentials are invalid"}}
