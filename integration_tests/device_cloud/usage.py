"""Cellular data usage of the current billing period, computed from the seed when it is asked for."""

from __future__ import annotations

import random
from datetime import datetime
from typing import Any


def sim_usage(seed: int, iccid: str, now: datetime) -> Any:
    """Return the body of `/v1/sims/:iccid/data_usage`: usually an object, in its oldest form (2016-17) a bare array."""
    rng = random.Random(f"{seed}:usage:{iccid}")
    days = _days(rng, now, scale=2.0)
    forms: list[Any] = [
        {"iccid": iccid, "usage_by_day": days},
        {"iccid": iccid, "usage_by_day": days, "quota": 3, "used": days[-1]["mbs_used_cumulative"]},
        {"iccid": iccid, "usage_by_day": []},
        {"iccid": iccid},
        days,
    ]
    # The ICCIDs of a fleet count up, so neighbours take turns and a dozen SIMs show every form.
    return forms[int(iccid[-4:]) % len(forms)]


def fleet_usage(seed: int, product_id: int, sims: int, now: datetime) -> dict[str, Any]:
    """Return the body of `/v1/products/:p/sims/data_usage`; it names neither the product nor the period."""
    if sims == 0:
        return {"total_mbs_used": 0, "total_active_sim_cards": 0, "usage_by_day": []}
    days = _days(random.Random(f"{seed}:usage:{product_id}"), now, scale=2.0 * sims)
    return {
        "total_mbs_used": days[-1]["mbs_used_cumulative"],
        "total_active_sim_cards": sims,
        "usage_by_day": days,
    }


def _days(rng: random.Random, now: datetime, scale: float) -> list[dict[str, Any]]:
    total = 0.0
    days = []
    for day in range(1, now.day + 1):
        used = rng.choice((0, 1, 2, round(rng.uniform(0, scale), 2)))
        total = round(total + used, 2)
        cumulative = int(total) if total == int(total) else total
        days.append(
            {"date": f"{now:%Y-%m}-{day:02}", "mbs_used": used, "mbs_used_cumulative": cumulative},
        )
    return days
