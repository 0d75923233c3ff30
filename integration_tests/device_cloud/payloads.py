"""What a report of vitals holds: the keys of each era and platform, the values of a device's story.

The payload's keys vary by platform and Device OS, any numeric leaf can be `{"err": <negative int>}`, integral numbers
come as integers and others with two decimals.
"""

from __future__ import annotations

import random
from datetime import timedelta
from typing import Any

from .stories import Story

Payload = dict[str, Any]

_NETWORKS = (("AT&T Wireless Inc.", 310, "410"), ("Telefónica", 214, "07"), ("T-Mobile", 262, "001"))
_LTE = ("LTE Cat-M1", "LTE Cat-M1", "LTE", "LTE Cat-NB1")
_ERRORS = (-210, -160, -120)
_FAILING = (
    ("device", "network", "signal", "strength"),
    ("device", "network", "signal", "qualityv"),
    ("device", "system", "uptime"),
    ("device", "cloud", "coap", "round_trip"),
    ("device", "system", "memory", "used"),
)
"""Numeric leaves that every kind has, replaced in turn by an error object."""


def payload(kind: str, story: Story, device_id: str, age: timedelta, rng: random.Random) -> Payload:
    """Return what a device reports, `age` before it was last heard; the same device stays in the same network."""
    at_home = random.Random(device_id)
    started, disconnects = _since_start(story, age, rng)
    strength = min(max(story.signal + rng.gauss(0, 4), 1), 100)
    if kind == "os_2019":
        return _payload_2019(started, disconnects, strength, rng) | {"service": _service(story, started, rng)}
    network: Payload = {"signal": _signal(kind, strength, at_home, rng)}
    device: Payload = {
        "network": network,
        "cloud": {
            "connection": {
                "status": "connected",
                "error": rng.choice((0, 17, -160)),
                "attempts": rng.randrange(1, 4),
                "disconnects": disconnects,
                "disconnect_reason": rng.choice(("none", "error", "user", "network_disconnect", "listening")),
            },
            "coap": {
                "transmit": 40 + 12 * int(started.total_seconds() / 3_600),
                "retransmit": rng.randrange(20),
                "unack": rng.randrange(3),
                "round_trip": int(rng.uniform(180, 420) + 9 * (100 - strength)),
            },
            "publish": {"rate_limited": rng.randrange(2)},
        },
        "system": {
            "uptime": int(started.total_seconds()),
            "memory": {"used": rng.randrange(52_000, 71_000), "total": 167_688},
        },
    }
    if kind != "wifi":
        network["cellular"] = _cellular(kind, at_home)
        network["connection"] = {
            "status": "connected",
            "error": rng.choice((0, 1024)),
            "disconnects": disconnects,
            "attempts": 1,
            "disconnect_reason": rng.choice(("none", "error", "reset", "sleep", "unknown")),
        }
        device["power"] = _power(story, age, at_home, rng)
    return {"device": device, "service": _service(story, started, rng)}


def _since_start(story: Story, age: timedelta, rng: random.Random) -> tuple[timedelta, int]:
    """Return how long a device has been up, and how often it lost the cloud since then."""
    if story.plot == "restarting":
        return timedelta(hours=rng.uniform(0.2, 9)), rng.randrange(2, 9)
    # Before its last start it was up for three weeks, and so on.
    up = (story.started_ago - age) % timedelta(days=21) if story.started_ago < age else story.started_ago - age
    return up, int(up.total_seconds() / 86_400 * (1.5 if story.signal < 25 else 0.12))


def _power(story: Story, age: timedelta, at_home: random.Random, rng: random.Random) -> Payload:
    if not story.drain:
        charge, state = rng.uniform(97, 100), "charged"
        source = at_home.choice(("VIN", "USB host", "USB adapter"))
    else:
        charge = story.battery + story.drain * age.total_seconds() / 86_400
        # Whoever looks after it charges it at a fifth.
        charge, state = (charge if charge <= 100 else 20 + (charge - 100) % 80), "discharging"
        source = "battery"
    return {"battery": {"charge": _number(rng, charge, charge), "state": state}, "source": source}


def _service(story: Story, started: timedelta, rng: random.Random) -> Payload:
    is_ill = rng.random() < (0.6 if story.plot == "restarting" else 0.02)
    return {
        "device": {"status": "error" if is_ill else "ok"},
        "cloud": {"uptime": min(int(started.total_seconds()), 100_000), "publish": {"sent": rng.randrange(2000)}},
        "coap": {"round_trip": rng.randrange(150, 900)},
    }


def _signal(kind: str, strength: float, at_home: random.Random, rng: random.Random) -> Payload:
    at, strength_type, quality_type = {
        "lte": (at_home.choice(_LTE), "RSRP", "RSRQ"),
        "umts": ("UMTS", "RSCP", "ECN0"),
        "wifi": ("Wi-Fi", "RSSI", "SNR"),
    }[kind]
    power = -90 + 0.5 * strength if kind == "wifi" else -122 + 0.6 * strength
    quality = min(max(strength + rng.uniform(-10, 10), 1), 100)
    return {
        "at": at,
        "strength": _number(rng, strength, strength),
        "strength_units": "%",
        "strengthv": _number(rng, power, power),
        "strengthv_units": "dBm",
        "strengthv_type": strength_type,
        "quality": _number(rng, quality, quality),
        "quality_units": "%",
        "qualityv": _number(rng, -20, 30),
        "qualityv_units": "dB",
        "qualityv_type": quality_type,
    }


def _cellular(kind: str, at_home: random.Random) -> Payload:
    operator, country, network = at_home.choice(_NETWORKS)
    return {
        "radio_access_technology": "LTE" if kind == "lte" else "3G",
        "operator": operator,
        "cell_global_identity": {
            "mobile_country_code": country,
            "mobile_network_code": network,
            "location_area_code": at_home.randrange(65_536),
            "cell_id": at_home.randrange(1 << 27, 1 << 28),
        },
    }


def _payload_2019(started: timedelta, disconnects: int, strength: float, rng: random.Random) -> Payload:
    """Device OS before 1.2: numeric enums, `rssi`, `disconnect`, no units or types, a sparse `coap`."""
    return {
        "device": {
            "network": {
                "signal": {
                    "at": 1,
                    "strength": _number(rng, strength, strength),
                    "strengthv": rng.randrange(-90, -40),
                    "quality": _number(rng, strength, strength),
                    "qualityv": rng.randrange(5, 40),
                    "rssi": rng.randrange(-90, -40),
                },
                "connection": {
                    "status": 4,
                    "error": 0,
                    "disconnects": disconnects,
                    "attempts": 1,
                    "disconnect": 0,
                },
            },
            "cloud": {
                "connection": {"status": 1, "error": 17, "attempts": 1, "disconnect": 5},
                "disconnects": disconnects,
                "coap": {"unack": rng.randrange(3), "round_trip": rng.randrange(80, 2500)},
                "publish": {"rate_limited": 0},
            },
            "system": {
                "uptime": int(started.total_seconds()),
                "memory": {"used": rng.randrange(30_000, 60_000), "total": 113_664},
            },
        }
    }


def with_quirk(payload: Payload, rng: random.Random, turn: int) -> Payload:
    """Give every few records one of the awkward forms."""
    device = payload["device"]
    if turn % 4 == 1 and "power" in device:
        device["power"]["battery"] = {"charge": {"err": -210}, "state": "disconnected"}
    elif turn % 6 == 2:
        *path, leaf = rng.choice(_FAILING)
        node = payload
        for name in path:
            node = node[name]
        node[leaf] = {"err": rng.choice(_ERRORS)}
    elif turn % 11 == 3:
        device["system"] |= {"version": "5.9.0", "panic": {"code": rng.randrange(1, 15)}}
    elif turn % 13 == 5:
        payload["device"] |= {"location": {"lock": 1, "lat": 52.52, "lon": 13.4}, "temperature": 21.5}
    elif turn % 17 == 7:
        device["power"] = {}
    return payload


def _number(rng: random.Random, low: float, high: float) -> float | int:
    """Two decimals, and an integer when there are none: a column seen on one page flips between the two."""
    value = round(rng.uniform(low, high), rng.choice((0, 1, 2)))
    return int(value) if value == int(value) else value
