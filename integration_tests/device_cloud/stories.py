"""What becomes of each device of a seeded fleet, so that its record, its vitals and its firmware tell one story.

Most devices are well. Some sleep between reports, a few run out of power or break off and fall silent, and a few keep
restarting where the signal is weak. The first devices of each product are well, and show the awkward forms of records.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal, TypeVar

Plot = Literal["well", "sleeping", "out of power", "broken off", "restarting"]

_Value = TypeVar("_Value")

AWKWARD = 50
"""So many devices or SIMs of each owner, the first ones, have awkward forms; what comes after them is as most are."""

_PLOTS: tuple[Plot, ...] = ("well", "sleeping", "out of power", "broken off", "restarting")
_SHARES = (82, 11, 3, 2, 2)
_FIRMWARE_SHARES = {4: 70, 5: 13, 3: 12, 2: 4, 1: 1}
"""Devices of each version in a hundred; the release is 4, and 5 is on trial."""
_SYSTEM_VERSIONS = {"6.3.2": 60, "5.9.0": 28, "4.2.0": 9, "3.3.1": 3}


@dataclass(frozen=True)
class Story:
    """One device: whether it is online, how long ago it was heard, and what its vitals look like."""

    plot: Plot
    heard_ago: timedelta
    firmware: int
    system_version: str
    battery: float
    """Percent at the time it was last heard."""
    drain: float
    """Percent of battery that a day takes; 0 for one that is plugged in."""
    signal: float
    """Percent of signal strength, around which the reports lie."""
    started_ago: timedelta
    """How long before it was last heard it started."""

    @property
    def is_online(self) -> bool:
        """Whether the cloud holds a session with the device."""
        return self.plot in ("well", "restarting")

    @property
    def is_silent(self) -> bool:
        """Whether nothing has been heard of it for days."""
        return self.plot in ("out of power", "broken off")


def story(rng: random.Random, index: int) -> Story:
    """Make up the story of the n-th device of a product."""
    plot = rng.choices(_PLOTS, _SHARES)[0] if index >= AWKWARD else _PLOTS[index % 4 == 3]
    plugged_in = plot != "out of power" and rng.random() < 0.55
    weak = plot == "restarting" or rng.random() < 0.03
    old = plot in ("out of power", "broken off") and rng.random() < 0.6
    return Story(
        plot=plot,
        heard_ago=_heard_ago(rng, plot),
        firmware=rng.choice((1, 2, 3)) if old else _chosen(rng, _FIRMWARE_SHARES),
        system_version=_chosen(rng, _SYSTEM_VERSIONS),
        battery=rng.uniform(2, 6) if plot == "out of power" else 100.0 if plugged_in else rng.triangular(12, 99, 82),
        drain=0 if plugged_in else rng.uniform(1.5, 5),
        signal=rng.uniform(8, 22) if weak else rng.triangular(30, 97, 66),
        started_ago=timedelta(hours=rng.uniform(1, 9)) if plot == "restarting" else timedelta(days=rng.uniform(1, 90)),
    )


def _heard_ago(rng: random.Random, plot: Plot) -> timedelta:
    match plot:
        case "sleeping":
            return timedelta(hours=rng.uniform(1, 20))
        case "out of power" | "broken off":
            return timedelta(days=rng.triangular(1.2, 60, 4))
        case _:
            return timedelta(minutes=rng.uniform(0.2, 40))


def _chosen(rng: random.Random, shares: Mapping[_Value, int]) -> _Value:
    return rng.choices(list(shares), list(shares.values()))[0]
