"""Where the Lakeflow framework looks for the source `particle`.

The wheel contains a copy of this file, `databricks/labs/community_connector/sources/particle/__init__.py`.
"""

from bridge.lakeflow.connector import ParticleLakeflowConnect
from bridge.lakeflow.format import LakeflowDataSource as ParticleDataSource

__all__ = ["ParticleDataSource", "ParticleLakeflowConnect"]
