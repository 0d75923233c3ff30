"""A local server that behaves like the Particle Device Cloud API, with a seeded fleet, faults by script and a ledger.

    with DeviceCloud(Fleet.seeded(FleetSize(products=3), seed=7)) as cloud:
        requests.get(f"{cloud.url}/v1/devices", headers={"Authorization": f"Bearer {cloud.token}"})
        cloud.ledger.records("devices")

A further table takes rows in the fleet (`seeding`), a route (`routes.ROUTES`) and an entry in the ledger
(`truth.TABLES`).
"""

from .faults import Fault
from .fleet import Fleet
from .ledger import Difference, Ledger
from .seeding import FleetSize
from .server import DeviceCloud
from .switches import Switches

__all__ = ["DeviceCloud", "Difference", "Fault", "Fleet", "FleetSize", "Ledger", "Switches"]
