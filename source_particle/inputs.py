"""Reads the files of a command: configuration, catalog and state.

Airbyte writes them exactly as its protocol says. People save the output of a command, leave out what does not matter,
and use editors that add a byte order mark. Whatever is clear is accepted; errors say what is expected.
"""

import codecs
import json
from collections.abc import Iterator, Mapping, MutableMapping
from pathlib import Path
from typing import Any

from airbyte_cdk.models import (
    AirbyteStateMessage,
    AirbyteStateMessageSerializer,
    ConfiguredAirbyteCatalog,
    ConfiguredAirbyteCatalogSerializer,
    FailureType,
)
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from source_particle import manifest
from source_particle.config import shown

CATALOG_FORM = (
    'a configured catalog such as {"streams": [{"stream": {"name": "devices"}, "sync_mode": "full_refresh"}]}, or what '
    "discover prints"
)
STATE_FORM = "a list of state messages, or the output of read"


def read_config(config_path: str) -> MutableMapping[str, Any]:
    """Return the configuration in a file; raises AirbyteTracedException (config_error) that names the file."""
    found = _documents(config_path)
    if len(found) != 1 or not isinstance(found[0], dict):
        raise _unusable(config_path, "it must contain one JSON object")
    config: MutableMapping[str, Any] = found[0]
    return config


def read_catalog(path: str) -> ConfiguredAirbyteCatalog:
    """Return the streams to read; raises AirbyteTracedException (config_error) that names the file."""
    found = [part for part in _documents(path) if isinstance(part, dict)]
    # A message of discover, perhaps among the log that was printed with it.
    catalogs = [part["catalog"] for part in found if part.get("type") == "CATALOG" and "catalog" in part] or found
    try:
        streams = [_configured(stream) for stream in catalogs[-1]["streams"]]
        catalog = ConfiguredAirbyteCatalogSerializer.load({"streams": streams})
    except Exception as error:
        raise _unusable(path, f"expected {CATALOG_FORM}") from error
    names = stream_names()
    if unknown := [stream.stream.name for stream in catalog.streams if stream.stream.name not in names]:
        # The CDK would leave it out and call the sync a success.
        raise _unusable(path, f"there is no stream {shown(unknown[0])}; expected {', '.join(names)}")
    return catalog


def stream_names() -> list[str]:
    """Return the streams that hold rows of a fleet; those under a condition serve the connection check."""
    return [stream["name"] for stream in manifest()["streams"] if "name" in stream]


def _configured(stream: Mapping[str, Any]) -> dict[str, Any]:
    """Complete a stream of a catalog; one that discover has printed is read from where a state ends."""
    own = stream if "stream" in stream else {"stream": stream}
    modes = own["stream"].get("supported_sync_modes") or ["full_refresh"]
    described = {"json_schema": {}, **own["stream"], "supported_sync_modes": modes}
    # Without a state that reads everything, too.
    mode = "incremental" if "incremental" in modes else "full_refresh"
    return {"sync_mode": mode, "destination_sync_mode": "append", **own, "stream": described}


def read_state(path: str | None) -> list[AirbyteStateMessage]:
    """Return the last state of each stream; raises AirbyteTracedException (config_error) that names the file."""
    if not path:
        return []
    try:
        messages = [AirbyteStateMessageSerializer.load(state) for state in _states(_documents(path, empty=True))]
    except AirbyteTracedException:
        raise
    except Exception as error:
        raise _unusable(path, f"expected {STATE_FORM}") from error
    return list({_stream_of(message): message for message in messages}.values())


def _states(documents: list[Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the states in what a file holds: bare, in messages, in a list of either, or by the name of the stream."""
    names = stream_names()
    for document in documents:
        if isinstance(document, list):
            yield from _states(document)
        elif document and document.get("type") == "STATE":
            yield from _states([document["state"]])
        elif document and document.keys() <= set(names):
            for name, state in document.items():
                yield from _states([{"stream": {"stream_descriptor": {"name": name}, "stream_state": state}}])
        elif document and "stream" in document:
            # A stream without a state has not been read yet.
            if document["stream"].get("stream_state"):
                yield {**document, "type": "STREAM"}
        elif document and "global" in document:
            yield {**document, "type": "GLOBAL"}
        elif document and document.get("type") not in ("RECORD", "LOG", "TRACE"):
            raise ValueError(f"no state in {list(document)[:5]}")


def _stream_of(message: AirbyteStateMessage) -> str:
    return message.stream.stream_descriptor.name if message.stream else ""


def _documents(path: str, *, empty: bool = False) -> list[Any]:
    """Return the JSON values in a file: one, or one a line as commands print them."""
    try:
        content = Path(path).read_bytes()
        is_utf16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        text = content.decode("utf-16" if is_utf16 else "utf-8-sig")
    except (OSError, ValueError) as error:
        raise _unusable(path, str(error)) from error
    if empty and not text.strip():
        return []
    try:
        return [json.loads(text)]
    except (ValueError, RecursionError) as error:
        try:
            return [json.loads(line) for line in text.split("\n") if line.strip().startswith("{")]
        except (ValueError, RecursionError):
            raise _unusable(path, str(error)) from error


def _unusable(path: str, problem: str) -> AirbyteTracedException:
    return AirbyteTracedException(message=f"{path} cannot be used: {problem}.", failure_type=FailureType.config_error)
