"""The Airbyte source for Particle.io: a declarative manifest and the few components that YAML cannot express."""

from pathlib import Path

_PACKAGED = Path(__file__).with_name("manifest.yaml")

# The wheel carries the manifest inside the package; a checkout keeps it at its root, where Airbyte's tools look.
MANIFEST_PATH = _PACKAGED if _PACKAGED.exists() else Path(__file__).parent.with_name("manifest.yaml")

__all__ = ["MANIFEST_PATH"]
