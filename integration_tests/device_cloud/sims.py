"""SIM records: the reference's form, with what Android decoded from live data and what client types declare."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from typing import Any

from .clock import TIME_FORMS, iso_ms
from .stories import AWKWARD
from .usage import MB_LIMIT

Sim = dict[str, Any]

_STATUSES = (
    "active",
    "never_before_activated",
    "inactive_user_deactivated",
    "inactive_data_limit_reached",
    "inactive_invalid_payment_method",
)


def build(  # noqa: PLR0917  (what a SIM is made of)
    rng: random.Random, index: int, now: datetime, product: int | None, device: dict[str, Any] | None, iccid: str
) -> Sim:
    """Return the n-th SIM of a product (None: of the user), last seen in `device` (None: never in a device)."""
    updated = now - timedelta(milliseconds=rng.randrange(60 * 86_400_000))
    sim: Sim = {
        "iccid" if index % 6 == 3 and index < AWKWARD else "_id": iccid,
        "activations_count": rng.randrange(3),
        "base_country_code": "US",
        "base_monthly_rate": 299,
        "deactivations_count": rng.randrange(2),
        "first_activated_on": iso_ms(updated - timedelta(days=30)),
        "last_activated_on": iso_ms(updated - timedelta(days=20)),
        "last_activated_via": "user_setup",
        "last_status_change_action": "activate",
        "last_status_change_action_error": rng.choice(("no", "yes")),
        "msisdn": f"3459010{index:08}",
        "overage_monthly_rate": 99,
        "status": _STATUSES[index % len(_STATUSES)] if index < AWKWARD else _STATUSES[0],
        "stripe_plan_slug": "KickstarterElectronPlan",
        "updated_at": (TIME_FORMS[index % len(TIME_FORMS)] if index < AWKWARD else iso_ms)(updated),
        "user_id": "5" * 24,
        "carrier": "telefonica",
        **_device_keys(index, device),
    }
    if product is not None:
        sim["product_id"] = str(product) if index % 2 else product
    return _with_quirk(sim, index, now) if index < AWKWARD else {**sim, "mb_limit": MB_LIMIT}


def _device_keys(index: int, device: dict[str, Any] | None) -> Sim:
    if device is None or (index % 5 == 4 and index < AWKWARD):
        return {"last_device_id": None, "last_device_name": None} if index % 2 else {}
    return {"last_device_id": device["id"], "last_device_name": device.get("name")}


def _with_quirk(sim: Sim, index: int, now: datetime) -> Sim:
    if index % 4 == 1:
        return sim | {
            "last_status_change_action_on": iso_ms(now - timedelta(days=3)),
            "state_change_in_progress": False,
            "mb_limit": MB_LIMIT,
            "owner": "owner@example.com",
        }
    if index % 4 == 2:
        return sim | {"first_activated_on": None, "last_activated_on": None, "limits": {}, "pool": "ß-ñ 📶"}
    if index % 4 == 3:
        hidden = ("first_activated_on", "last_activated_on", "last_activated_via")
        return {key: value for key, value in sim.items() if key not in hidden}
    return sim
