"""Load a whole fleet into DuckDB with PyAirbyte; each further run updates the snapshots and reads only new vitals."""

import os
import sys
from pathlib import Path

import airbyte as ab

config = {
    "credentials": {"auth_type": "access_token", "access_token": os.environ["PARTICLE_ACCESS_TOKEN"]},
    "base_url": os.environ.get("PARTICLE_BASE_URL", "https://api.particle.io"),
}
command = Path(sys.executable).with_name("source-particle")
source = ab.get_source("source-particle", config=config, local_executable=command, streams="*")
for name, rows in source.read(cache=ab.new_local_cache("particle")).streams.items():
    print(f"{name}: {len(rows)} rows")
