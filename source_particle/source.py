"""The source as an object: the manifest with one configuration, for one read."""

from collections.abc import Collection, Mapping
from functools import cache
from typing import Any

from airbyte_cdk.models import AirbyteStateMessage, ConfiguredAirbyteCatalog
from airbyte_cdk.sources.declarative import concurrent_declarative_source
from airbyte_cdk.sources.declarative.yaml_declarative_source import YamlDeclarativeSource

from source_particle import MANIFEST_PATH, manifest

# For each source the CDK parses its own schema of manifests again, which takes longer than all else of building one.
vars(concurrent_declarative_source)["get_declarative_component_schema"] = cache(
    concurrent_declarative_source.get_declarative_component_schema
)


class SourceParticle(YamlDeclarativeSource):
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
        self._is_planned = bool(((config or {}).get("plan") or {}).get("start"))
        self._tables = set(tables) or {configured.stream.name for configured in (catalog.streams if catalog else ())}
        # An absolute path: a bare name would open a manifest.yaml of whatever directory the user is in.
        super().__init__(path_to_yaml=str(MANIFEST_PATH), config=config, catalog=catalog, state=state)

    def _read_and_parse_yaml_file(self, _path_to_yaml_file: str) -> dict[str, Any]:
        """Give the manifest without the streams that nobody reads: most of what a source costs to build."""
        wanted = dict(manifest())
        if self._tables:
            wanted["streams"] = list(filter(self._is_wanted, wanted["streams"]))
        if self._is_planned:
            wanted["streams"] = list(map(_without_cursors, wanted["streams"]))
        return wanted

    def _is_wanted(self, stream: Mapping[str, Any]) -> bool:
        return any(self._tables & {part.get("name")} for part in (stream, *stream.get("streams", ())))

    def _validate_source(self) -> None:
        """Trust the manifest: it comes with this package, and a test validates it once for all."""


def _without_cursors(stream: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out the state of a stream that is told where to start: the CDK's search through it grows with the fleet."""
    return {name: part for name, part in stream.items() if name not in ("incremental_sync", "state_migrations")}
