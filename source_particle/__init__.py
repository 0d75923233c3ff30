"""The Airbyte source for Particle.io: a declarative manifest and the few components that YAML cannot express."""

import pkgutil
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from source_particle.quick_import import leave_airbyte_undescribed

leave_airbyte_undescribed()

__all__ = ["manifest", "specification"]


@cache
def manifest() -> Mapping[str, Any]:
    """Return the manifest as it is written, parsed once per process; callers must not change it."""
    import yaml  # noqa: PLC0415  (so that importing the package costs nothing)

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    document: Mapping[str, Any] = yaml.load(_text(), loader)  # noqa: S506  (both are safe ones)
    return document


@cache
def specification() -> Mapping[str, Any]:
    """Return the JSON schema of a configuration: the options in Airbyte's form, and the hidden ones."""
    document = manifest()
    shown: Mapping[str, Any] = document["spec"]["connection_specification"]
    return {**shown, "properties": {**shown["properties"], **document["definitions"]["hidden_options"]}}


def _text() -> bytes:
    # The wheel carries the manifest inside the package, and Spark imports a wheel that it ships without unpacking it; a
    # checkout keeps the manifest at its root, where Airbyte's tools look. This is `importlib.resources` without its
    # long import.
    try:
        packaged = pkgutil.get_data(__name__, "manifest.yaml")
    except OSError:
        packaged = None
    return packaged or (Path(__file__).parents[1] / "manifest.yaml").read_bytes()
