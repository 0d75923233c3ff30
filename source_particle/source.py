"""The source as an object: the manifest with one configuration, for one read."""

import logging
from collections.abc import Callable, Collection, Iterator, Mapping
from contextvars import ContextVar
from functools import cache
from typing import Any

from airbyte_cdk.models import AirbyteCatalog, AirbyteMessage, AirbyteStateMessage, ConfiguredAirbyteCatalog
from airbyte_cdk.sources.declarative import concurrent_declarative_source
from airbyte_cdk.sources.declarative.concurrent_declarative_source import ConcurrentDeclarativeSource
from airbyte_cdk.sources.declarative.parsers.manifest_component_transformer import ManifestComponentTransformer
from airbyte_cdk.sources.declarative.parsers.manifest_reference_resolver import ManifestReferenceResolver
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from source_particle import manifest
from source_particle.building import build_without_copies
from source_particle.config import cleaned
from source_particle.inputs import read_catalog, read_config, read_state
from source_particle.settings import Settings

# For each source, the CDK parses its schema of manifests, which takes longer than the rest of building it. A manifest
# that is not validated needs none. Before 7.39 the function was private.
_CDK = vars(concurrent_declarative_source)
_PARSE = next(
    name for name in ("get_declarative_component_schema", "_get_declarative_component_schema") if name in _CDK
)
_parsed_schema = _CDK[_PARSE]
_needs_no_schema = ContextVar("needs_no_schema", default=False)
_CDK[_PARSE] = lambda: {} if _needs_no_schema.get() else _parsed_schema()

LOGGER = logging.getLogger("airbyte.source_particle")
# The parts of the manifest that are there for the others to refer to.
_REFERRED_TO = ("definitions", "schemas")
ONE_CURSOR = (
    "%s: beyond 10,000 devices, an incremental sync keeps one cursor for all of them instead of one each, so one that "
    "joins later starts at that cursor and not with its whole past. To keep one each, split the fleet into several "
    "sources by product_id_or_slug and clear the stream."
)


class _ManifestSource(ConcurrentDeclarativeSource):
    """The manifest with some of its streams."""

    def __init__(
        self,
        declared: Mapping[str, Any],
        config: Mapping[str, Any],
        catalog: ConfiguredAirbyteCatalog | None = None,
        state: list[AirbyteStateMessage] | None = None,
    ) -> None:
        before = _needs_no_schema.set(True)
        try:
            super().__init__(
                catalog=catalog or ConfiguredAirbyteCatalog(streams=[]),
                config=config,
                state=state or [],
                source_config=dict(declared),
            )
        finally:
            _needs_no_schema.reset(before)
        build_without_copies(self._constructor)

    def _validate_source(self) -> None:
        """Do nothing: the manifest comes with this package, and a test validates it."""

    def _pre_process_manifest(self, manifest: dict[str, Any]) -> dict[str, Any]:
        """Return the manifest as it is: `_processed` did this once for all sources."""
        return manifest


class SourceParticle(_ManifestSource):
    """Read a Particle.io fleet as the manifest describes it.

    One object serves one read: the CDK takes configuration, catalog and state here and ignores what `read()` is given.
    Only the streams of the catalog are built, or those that `tables` names; without either, all of them.
    """

    def __init__(
        self,
        config: Mapping[str, Any] | None = None,
        catalog: ConfiguredAirbyteCatalog | None = None,
        state: list[AirbyteStateMessage] | None = None,
        tables: Collection[str] = (),
    ) -> None:
        wanted = tables or [configured.stream.name for configured in (catalog.streams if catalog else ())]
        config = cleaned(config or {})
        whole = _processed(frozenset(wanted))
        is_planned = bool(Settings.of(config).plan.start)
        super().__init__(_each_stream(_without_cursor, whole) if is_planned else whole, config, catalog, state)

    # The CDK's entry point reads the files of a command with these.
    read_config = staticmethod(read_config)

    @classmethod
    def read_catalog(cls, catalog_path: str) -> ConfiguredAirbyteCatalog:
        """Return the streams to read; raises AirbyteTracedException (config_error) that names the file."""
        return read_catalog(catalog_path)

    @classmethod
    def read_state(cls, state_path: str) -> list[AirbyteStateMessage]:
        """Return the last state of each stream; raises AirbyteTracedException (config_error) that names the file."""
        return read_state(state_path)

    def discover(self, logger: logging.Logger, config: Mapping[str, Any]) -> AirbyteCatalog:
        """Return the streams that the token can read; the log tells which others there are and why they are missing."""
        described = _each_stream(_described, _processed(frozenset()))
        catalog = _ManifestSource(described, config).discover(logger, config)
        unserved = _unserved(config)
        for name, reason in unserved.items():
            LOGGER.warning("The stream %s is not offered, because the token cannot read it: %s", name, reason)
        return AirbyteCatalog(streams=[stream for stream in catalog.streams if stream.name not in unserved])

    def read(self, *args: Any, **kwargs: Any) -> Iterator[AirbyteMessage]:
        """Read the streams; warns where the CDK keeps one cursor in place of one for each device."""
        is_told = False
        for message in super().read(*args, **kwargs):
            stream = message.state.stream if message.state else None
            if stream and not is_told and vars(stream.stream_state).get("use_global_cursor"):
                is_told = True
                LOGGER.warning(ONE_CURSOR, stream.stream_descriptor.name)
            yield message


def _unserved(config: Mapping[str, Any]) -> Mapping[str, str]:
    """Return why the token cannot read a stream, for each that it cannot; one request."""
    asking = {**config, "plan": {**(config.get("plan") or {}), "clock": True}}
    try:
        [stream] = SourceParticle(config=asking, tables=["access_token"]).streams(asking)
        [answer] = [record.data for partition in stream.generate_partitions() for record in partition.read()]
    except AirbyteTracedException as error:
        # Streams and their columns are known without the API; `check` and `read` fail where it cannot be asked.
        LOGGER.warning(
            "All streams are offered, because the API did not tell what the token can read: %s", error.message
        )
        return {}
    unserved: Mapping[str, str] = answer["unserved"]
    return unserved


@cache
def _processed(wanted: frozenset[str]) -> Mapping[str, Any]:
    """Return the manifest with the streams to read, or with all without `wanted`, as the CDK builds streams from it.

    References are resolved, and parameters handed down. Building streams is most of the cost of a source, so what no
    stream needs is left out.
    """
    streams = [stream for stream in manifest()["streams"] if not wanted or wanted & _names(stream)]
    return {**_all_but_streams(), **_as_built({"type": manifest()["type"], "streams": streams})}


@cache
def _all_but_streams() -> Mapping[str, Any]:
    return _as_built({name: part for name, part in manifest().items() if name not in (*_REFERRED_TO, "streams")})


def _as_built(part: Mapping[str, Any]) -> Mapping[str, Any]:
    # The CDK resolves all that it is given, so that it gets only the definitions that the part needs.
    resolved = ManifestReferenceResolver().preprocess_manifest({**part, **_referred_to_by(part)})
    used = {name: resolved[name] for name in part}
    return ManifestComponentTransformer().propagate_types_and_parameters("", used, {})


def _referred_to_by(part: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the definitions and schemas that a part of the manifest refers to, and those that they refer to."""
    found: dict[str, dict[str, Any]] = {group: {} for group in _REFERRED_TO}
    todo: list[Any] = [part]
    while todo:
        value = todo.pop()
        if isinstance(value, Mapping):
            todo.extend(value.values())
        elif isinstance(value, list):
            todo.extend(value)
        elif isinstance(value, str) and value.startswith("#/"):
            _, group, name, *_ = value.split("/")
            if name not in found[group]:
                found[group][name] = manifest()[group][name]
                todo.append(found[group][name])
    return found


def _names(stream: Mapping[str, Any]) -> set[str | None]:
    return {part.get("name") for part in (stream, *stream.get("streams", ()))}


def _each_stream(change: Callable[[Mapping[str, Any]], Any], whole: Mapping[str, Any]) -> dict[str, Any]:
    return {**whole, "streams": list(map(change, whole["streams"]))}


def _described(stream: Mapping[str, Any]) -> dict[str, Any]:
    """Return a stream without what it is read for, products and devices; building the lists of these takes longest."""
    if "retriever" not in stream:
        return dict(stream)
    retriever = {name: part for name, part in stream["retriever"].items() if name != "partition_router"}
    return {**stream, "retriever": retriever}


def _without_cursor(stream: Mapping[str, Any]) -> dict[str, Any]:
    """Return a stream without state, because it is told where to start; the CDK's search grows with the fleet."""
    return {name: part for name, part in stream.items() if name not in ("incremental_sync", "state_migrations")}
