"""Where devices have been: tracks along the roads of a small town, computed from the seed when they are asked for."""

from __future__ import annotations

import random
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple

from .clock import iso_seconds

CENTRE = (-93.265, 44.978)
"""Longitude and latitude of the depot."""
ROADS = ((0.9, 0.1), (0.2, 0.8), (-0.7, 0.5), (-0.4, -0.9), (0.6, -0.6))
"""Directions in which roads leave the depot."""
STEP = timedelta(minutes=20)
POINTS = 24


class Point(NamedTuple):
    """A place of a device at a moment."""

    moment: datetime
    longitude: float
    latitude: float


@lru_cache(maxsize=4096)
def track(seed: int, device_id: str, now: datetime) -> tuple[Point, ...]:
    """Return the points of a device's last trip, oldest first: out of the depot along one road and back."""
    rng = random.Random(f"{seed}:track:{device_id}")
    east, north = rng.choice(ROADS)
    start = now - timedelta(hours=2) - POINTS * STEP
    start = start.replace(microsecond=0) - timedelta(seconds=rng.randrange(3_600))
    points = []
    for number in range(POINTS):
        far = min(number, POINTS - number) * 0.01
        longitude = round(CENTRE[0] + east * far + rng.uniform(-0.0005, 0.0005), 6)
        latitude = round(CENTRE[1] + north * far + rng.uniform(-0.0005, 0.0005), 6)
        points.append(Point(start + number * STEP, longitude, latitude))
    return tuple(points)


def is_tracked(device: Mapping[str, Any]) -> bool:
    """Return whether a device sends its location: trackers do, and so does every seventh of the others."""
    return device["platform_id"] == 26 or int(device["id"], 16) % 7 == 0


def location(device: Mapping[str, Any], points: tuple[Point, ...], *, last_only: bool) -> dict[str, Any]:
    """Return a record of the list: one point as Point, several as LineString; every third spells a lone time apart."""
    shown = points[-1:] if last_only else points
    times = [iso_seconds(point.moment) for point in shown]
    coordinates = [[point.longitude, point.latitude] for point in shown]
    is_line = len(shown) > 1
    record: dict[str, Any] = {
        "device_id": device["id"],
        "product_id": device["product_id"],
        "device_name": device.get("name"),
        "groups": device.get("groups") or [],
        "gps_lock": True,
        "last_heard": iso_seconds(points[-1].moment),
        "geometry": {
            "type": "LineString" if is_line else "Point",
            "coordinates": coordinates if is_line else coordinates[0],
        },
    }
    if not is_line and int(device["id"], 16) % 3 == 0:
        return record | {"timestamp": times[0]}
    return record | {"timestamps": times, "online": bool(device.get("online"))}
