"""Device records of every platform and era.

The key sets are those of recordings and fixtures: a record of 2015 has neither `online` nor functions, one of 2020 in a
product no `last_heard`, one of 2026 both spellings of almost everything. On top of the era every record in turn gets
one of the awkward forms that the API is known for.
"""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from typing import Any

from .clock import TIME_FORMS, iso_ms
from .stories import AWKWARD, Story

Device = dict[str, Any]

CELLULAR = frozenset({10, 13, 23, 25, 26, 35})
"""Electron, Boron, B SoM, B5 SoM, Tracker, M SoM; the other platforms have Wi-Fi only."""
MIXED_PLATFORMS = (13, 32, 10, 12, 23, 26, 6, 35, 25, 14)
CELLULAR_PLATFORMS = (13, 13, 13, 26, 13, 23, 13, 35, 13, 25)
WIFI_PLATFORMS = (32, 6, 12, 8)
GROUPS = ("asia", "europe", "field-test")

_ERAS = (2026, 2026, 2015, 2026, 2025, 2026, 2026, 2020)
_VARIABLES = {"temperature": "double", "state": "string", "count": "int32", "armed": "bool"}
_FUNCTIONS = ["reset", "measure"]

_NEVER_HEARD = {"last_heard": None, "last_handshake_at": None, "online": False, "connected": False}
_QUARANTINE_HIDES = ("name", "functions", "variables", "groups", "firmware_version", "owner", "user_id")

QUIRKS: tuple[tuple[dict[str, Any], tuple[str, ...]], ...] = (
    ({}, ()),
    ({"notes": "behind the pump"}, ()),
    ({"notes": None}, ()),
    ({"notes": ""}, ()),
    ({}, ("notes",)),
    (_NEVER_HEARD, ()),
    ({"online": False, "connected": False}, ("last_heard", "last_handshake_at", "last_ip_address")),
    ({"firmware_version": "3"}, ()),
    ({}, ("firmware_version",)),
    ({"connected": True}, ("online",)),
    ({"name": "Kühlraum 🌡️ №7"}, ()),
    ({"name": "冷蔵庫, 2階"}, ()),
    ({"quarantined": True}, _QUARANTINE_HIDES),
    ({"network": {}, "device_protection": {}}, ()),
    ({"name": None, "owner": None}, ()),
    ({}, ("name", "owner")),
    ({"desired_firmware_version": 17, "targeted_firmware_release_version": 17}, ()),
    ({"desired_firmware_version": None, "targeted_firmware_release_version": None}, ()),
    ({"last_ip_address": None, "status": "safe_mode"}, ()),
    ({"customer_id": "123abc3456", "firmware_product_id": 13}, ()),
    ({"asset_tags": {"site": "north", "floor": 2}, "last_rssi": -71, "twin": [{"a": 1}, None]}, ()),
    ({"denied": True, "variables": {}, "functions": []}, ()),
    ({"development": True, "groups": []}, ()),
    ({"online": True, "pinned_build_target": "6.1.0"}, ("connected",)),
    ({"groups": ["asia", "europe"]}, ()),
    ({"name": "<script>alert('pump')</script>", "firmware_version": 1}, ()),
)
"""What is set and what is left out, for each of the first records in turn."""


def sim_iccid(product: int | None, index: int) -> str:
    """Return the ICCID of a product's n-th SIM (None: of the user's): 19 and 20 digits in turn."""
    issuer = "8901170227" if index % 2 else "893407650"
    return f"{issuer}{(product or 0) % 100_000:05}{index:05}"


def build(
    rng: random.Random, index: int, now: datetime, product: int | None, story: Story, *, wifi_only: bool = False
) -> Device:
    """Return the n-th device of a product (None: of the user), as the list endpoints show it."""
    awkward = index < AWKWARD
    platforms = WIFI_PLATFORMS if wifi_only else MIXED_PLATFORMS if awkward else CELLULAR_PLATFORMS
    platform = platforms[index % len(platforms)] if awkward or not wifi_only else WIFI_PLATFORMS[0]
    era = _ERAS[index % len(_ERAS)] if awkward else _ERAS[0]
    device: Device = {"id": f"{rng.getrandbits(96):024x}"} | _common(index, now, product, platform, story)
    device |= _links(rng, index, product, platform, era)
    if era >= 2025:
        device |= _modern(rng, story, era)
    elif era == 2020:
        device |= _of_2020(product)
    else:
        device |= {"last_app": "", "functions": None, "variables": None, "connected": story.is_online}
        device["cc3000_patch_version"] = "wl0: Nov  7 2014 16:03:45 version 5.90.230.12 FWID 01-a3a8c5a0"
    if product is not None:
        device |= _membership(index, product, era, story)
    if era == 2020 and product is not None:
        del device["last_heard"]
    return _with_quirk(device, index, in_product=product is not None) if awkward else device


def _common(index: int, now: datetime, product: int | None, platform: int, story: Story) -> Device:
    heard = now - story.heard_ago
    handshake = heard - min(story.started_ago, timedelta(days=25))
    form = TIME_FORMS[index // 5 % len(TIME_FORMS)] if index % 5 == 4 and index < AWKWARD else iso_ms
    version = story.system_version
    return {
        "name": f"device-{index:05}",
        "last_ip_address": f"192.0.2.{index % 254 + 1}",
        "last_heard": form(heard),
        "last_handshake_at": iso_ms(handshake),
        "platform_id": platform,
        "product_id": platform if product is None else product,
        "notes": None,
        "status": "normal",
        "serial_number": f"P{platform:03}{(product or 0) % 100_000:05}{index:06}",
        "system_firmware_version": version,
        "current_build_target": version,
    }


def _links(rng: random.Random, index: int, product: int | None, platform: int, era: int) -> Device:
    """The keys of the radio: `iccid` and `imei` are missing on Wi-Fi devices, `mac_wifi` on cellular ones."""
    if platform not in CELLULAR:
        return {"mac_wifi": ":".join(f"{part:02X}" for part in rng.randbytes(6))}
    iccid = sim_iccid(product, index)
    links = {"cellular": True, "iccid": iccid, "imei": f"35275309{index % 10_000_000:07}"}
    return links | ({"last_iccid": iccid} if era < 2025 else {})


def _modern(rng: random.Random, story: Story, era: int) -> Device:
    online = story.is_online
    device: Device = {
        "online": online,
        "connected": online,
        "owner": "owner@example.com",
        "mobile_secret": f"{rng.getrandbits(60):015X}",
        "functions": _FUNCTIONS,
        "variables": _VARIABLES,
    }
    if era == 2026:
        return device | {"user_id": "5" * 24, "device_protection": {"status": "disabled"}}
    return device | {
        "default_build_target": "5.9.0",
        "firmware_updates_enabled": True,
        "firmware_updates_forced": False,
    }


def _of_2020(product: int | None) -> Device:
    device: Device = {"last_app": None, "connected": True, "default_build_target": "1.4.4"}
    if product is None:
        role = {"gateway": True, "state": "confirmed"}
        device["network"] = {"id": "5" * 24, "name": "mesh", "type": "micro_wifi", "role": role}
    return device


def _membership(index: int, product: int, era: int, story: Story) -> Device:
    device: Device = {
        "firmware_version": story.firmware,
        "groups": [GROUPS[index % len(GROUPS)]],
        # Version 5 is on trial.
        "development": story.firmware == 5,
        "quarantined": False,
        "denied": False,
    }
    if era == 2025:
        device |= {"firmware_product_id": product, "targeted_firmware_release_version": None}
    return device


def _with_quirk(device: Device, index: int, *, in_product: bool) -> Device:
    values, left_out = QUIRKS[index % len(QUIRKS)]
    if values.get("quarantined"):
        if not in_product:
            return device
        device["product_id"] = device["platform_id"]
    kept = {key: value for key, value in device.items() if key not in left_out}
    return kept | values
