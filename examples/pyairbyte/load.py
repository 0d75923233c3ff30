"""Load a fleet into DuckDB with PyAirbyte; each further run updates the snapshots and reads only new vitals."""

import os
import sys
from pathlib import Path

import airbyte as ab

from bridge.tables.catalog import table

config = {
    "credentials": {"auth_type": "access_token", "access_token": os.environ["PARTICLE_ACCESS_TOKEN"]},
    "base_url": os.environ.get("PARTICLE_BASE_URL", "https://api.particle.io"),
}
command = Path(sys.executable).with_name("source-particle")
source = ab.get_source("source-particle", config=config, local_executable=command)
# Tables on request hold personal data or cost a request for each device; add those that you want by name.
source.select_streams([name for name in source.get_available_streams() if not table(name).on_request])
for name, rows in source.read(cache=ab.new_local_cache("particle")).streams.items():
    print(f"{name}: {len(rows)} rows")
