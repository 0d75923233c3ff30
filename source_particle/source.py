"""The source as an object: the manifest with one configuration, for one read."""

from collections.abc import Mapping
from typing import Any

from airbyte_cdk.models import AirbyteStateMessage, ConfiguredAirbyteCatalog
from airbyte_cdk.sources.declarative.yaml_declarative_source import YamlDeclarativeSource

from source_particle import MANIFEST_PATH


class SourceParticle(YamlDeclarativeSource):
    """Read a Particle.io fleet as the manifest describes it.

    One object serves one read: the CDK takes configuration, catalog and state here and ignores what `read()` is given.
    """

    def __init__(
        self,
        config: Mapping[str, Any] | None = None,
        catalog: ConfiguredAirbyteCatalog | None = None,
        state: list[AirbyteStateMessage] | None = None,
    ) -> None:
        # An absolute path: a bare name would open a manifest.yaml of whatever directory the user is in.
        super().__init__(path_to_yaml=str(MANIFEST_PATH), config=config, catalog=catalog, state=state)
