"""The Airbyte source for Particle.io: a declarative manifest and the few components that YAML cannot express."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

_PACKAGED = Path(__file__).with_name("manifest.yaml")

# The wheel carries the manifest inside the package; a checkout keeps it at its root, where Airbyte's tools look.
MANIFEST_PATH = _PACKAGED if _PACKAGED.exists() else Path(__file__).parent.with_name("manifest.yaml")

__all__ = ["MANIFEST_PATH", "manifest"]


@cache
def manifest() -> Mapping[str, Any]:
    """Return the manifest as it is written, parsed once per process; callers must not change it."""
    import yaml  # noqa: PLC0415  (so that the path alone costs nothing)

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    with MANIFEST_PATH.open("rb") as file:
        document: Mapping[str, Any] = yaml.load(file, loader)  # noqa: S506  (both loaders are safe ones)
    return document
