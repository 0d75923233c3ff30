"""Console script `source-particle`: spec, check, discover and read, as Airbyte calls them."""

import json
import sys
from pathlib import Path
from typing import Any

from airbyte_cdk.entrypoint import AirbyteEntrypoint, launch
from airbyte_cdk.models import AirbyteStateMessage, ConfiguredAirbyteCatalog, ConfiguredAirbyteCatalogSerializer
from airbyte_cdk.sources.source import Source

from source_particle.source import SourceParticle


def run(args: list[str] | None = None) -> None:
    """Run one Airbyte command and write its messages to standard output.

    The files named by `--config`, `--catalog` and `--state` are read here, because the CDK wants their contents when
    the source is built. A file that cannot be read ends the command with the CDK's own message.
    """
    arguments = sys.argv[1:] if args is None else args
    launch(_source(arguments), arguments)


def _source(arguments: list[str]) -> Source:
    parsed = AirbyteEntrypoint.parse_args(arguments)
    return SourceParticle(
        config=_json_file(getattr(parsed, "config", None)),
        catalog=_catalog(getattr(parsed, "catalog", None)),
        state=_state(getattr(parsed, "state", None)),
    )


def _json_file(path: str | None) -> Any:
    return json.loads(Path(path).read_text(encoding="utf-8")) if path else None


def _catalog(path: str | None) -> ConfiguredAirbyteCatalog | None:
    return ConfiguredAirbyteCatalogSerializer.load(_json_file(path)) if path else None


def _state(path: str | None) -> list[AirbyteStateMessage] | None:
    return Source.read_state(path) if path else None
