"""Console script `source-particle`: spec, check, discover and read, as Airbyte calls them."""

import json
import logging
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from airbyte_cdk.entrypoint import AirbyteEntrypoint, launch
from airbyte_cdk.exception_handler import init_uncaught_exception_handler
from airbyte_cdk.models import ConfiguredAirbyteCatalogSerializer, FailureType
from airbyte_cdk.sources.source import Source
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from source_particle.redaction import REDACTED
from source_particle.source import SourceParticle


def run(args: list[str] | None = None) -> None:
    """Run one Airbyte command and write its messages to standard output.

    The files named by `--config`, `--catalog` and `--state` are read here, because the CDK wants their contents when
    the source is built. Anything that goes wrong is a TRACE message and exit code 1.
    """
    init_uncaught_exception_handler(logging.getLogger("airbyte"))
    arguments = sys.argv[1:] if args is None else args
    launch(_source(arguments), arguments)


def _source(arguments: list[str]) -> Source:
    paths = vars(AirbyteEntrypoint.parse_args(arguments))
    catalog = _read_json(paths.get("catalog"), dict)
    _read_json(paths.get("state"), (list, dict))
    config = _read_json(paths.get("config"), dict)
    source = SourceParticle(
        config=config,
        catalog=ConfiguredAirbyteCatalogSerializer.load(catalog) if catalog is not None else None,
        state=Source.read_state(paths["state"]) if paths.get("state") else None,
    )
    if config is not None:
        _check_address(source, config)
    return source


def _check_address(source: SourceParticle, config: Mapping[str, Any]) -> None:
    """Say why an address is refused; the CDK, which checks it too, would quote a regular expression."""
    specification = source.spec(logging.getLogger("airbyte")).connectionSpecification
    rule, address = specification["properties"]["base_url"], config.get("base_url") or ""
    if address and not (isinstance(address, str) and re.search(rule["pattern"], address)):
        _user, at, shown = str(address).rpartition("@")
        raise AirbyteTracedException(
            message=f"base_url cannot be {REDACTED if at else ''}{at}{shown}: {rule['description']}",
            failure_type=FailureType.config_error,
        )


def _read_json(path: str | None, expected: type | tuple[type, ...]) -> Any:
    if path is None:
        return None
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _unreadable(path, str(error)) from error
    if not isinstance(content, expected):
        raise _unreadable(path, "it does not hold a JSON object")
    return content


def _unreadable(path: str, problem: str) -> AirbyteTracedException:
    return AirbyteTracedException(message=f"{path} cannot be used: {problem}.", failure_type=FailureType.config_error)
