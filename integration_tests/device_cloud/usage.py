"""Cellular data usage of the current billing period, computed from the seed when it is asked for."""

from __future__ import annotations

import math
import random
from datetime import datetime
from typing import Any

from .stories import AWKWARD

USUAL = 0.07
"""Megabytes that a SIM uses on a day; with the limit of 5 MB, a month takes about half of it."""
MB_LIMIT = 5
GREEDY = 0.03
"""Share of the SIMs that use so much that some are paused at their limit before the period ends."""


def has_reached_limit(seed: int, iccid: str, now: datetime) -> bool:
    """Return whether a SIM has used all that its limit allows."""
    rng = _rng(seed, iccid)
    scale = _scale(rng)
    return scale > 2 * USUAL and bool(_days(rng, now, scale, MB_LIMIT)[-1]["mbs_used_cumulative"] == MB_LIMIT)


def _rng(seed: int, iccid: str) -> random.Random:
    return random.Random(f"{seed}:usage:{iccid}")


def _scale(rng: random.Random) -> float:
    return USUAL * (rng.uniform(2.2, 4) if rng.random() < GREEDY else rng.triangular(0.3, 1.8, 0.8))


def sim_usage(seed: int, iccid: str, now: datetime) -> Any:
    """Return the body of `/v1/sims/:iccid/data_usage`: usually an object, in its oldest form (2016-17) a bare array."""
    rng = _rng(seed, iccid)
    days = _days(rng, now, _scale(rng), MB_LIMIT)
    forms: list[Any] = [
        {"iccid": iccid, "usage_by_day": days},
        {"iccid": iccid, "usage_by_day": days, "quota": 3, "used": days[-1]["mbs_used_cumulative"]},
        {"iccid": iccid, "usage_by_day": []},
        {"iccid": iccid},
        days,
    ]
    # The ICCIDs of a fleet count up, so neighbours take turns and a dozen SIMs show every form.
    number = int(iccid[-4:])
    return forms[number % len(forms) if number < AWKWARD else 0]


def fleet_usage(seed: int, product_id: int, sims: int, now: datetime) -> dict[str, Any]:
    """Return the body of `/v1/products/:p/sims/data_usage`; it names neither the product nor the period."""
    if sims == 0:
        return {"total_mbs_used": 0, "total_active_sim_cards": 0, "usage_by_day": []}
    days = _days(random.Random(f"{seed}:usage:{product_id}"), now, USUAL * sims)
    return {
        "total_mbs_used": days[-1]["mbs_used_cumulative"],
        "total_active_sim_cards": sims,
        "usage_by_day": days,
    }


def _days(rng: random.Random, now: datetime, scale: float, limit: float = math.inf) -> list[dict[str, Any]]:
    """Return the days of this month up to now; every few days nothing is used, and a whole number is an integer."""
    total = 0.0
    days = []
    for day in range(1, now.day + 1):
        used = rng.choice((0, *(round(rng.uniform(0.6, 1.5) * scale, 2) for _ in range(5))))
        used = min(used, round(limit - total, 2))
        total = round(total + used, 2)
        cumulative = int(total) if total == int(total) else total
        days.append(
            {"date": f"{now:%Y-%m}-{day:02}", "mbs_used": used, "mbs_used_cumulative": cumulative},
        )
    return days
