"""Fleet health metrics in buckets of time, computed from the seed when they are asked for."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Any

from .clock import iso_ms

KEYS: dict[str, tuple[str, ...]] = {
    "online": ("count",),
    "events": ("received",),
    "integration": ("success", "failure", "sleep"),
    "functions": ("success", "failure", "offline"),
    "variables": ("success", "failure", "offline"),
}
"""The metrics by their paths, and what a bucket counts."""
LIST_KEYS = {"integration": "integrations"}
"""Where the key of the reply is not the path."""
DEFAULT_BUCKET = 900


def series(source: str, metric: str, start: datetime, end: datetime, bucket: int) -> Iterator[dict[str, Any]]:
    """Yield the buckets that begin from `start` to `end`, both included; a value of zero is left out.

    `source` names the product and its fleet: the same one gives the same values.
    """
    first = -(-int(start.timestamp()) // bucket) * bucket
    for second in range(first, int(end.timestamp()) + 1, bucket):
        moment = datetime.fromtimestamp(second, timezone.utc)
        rng = random.Random(f"{source}:{metric}:{second}")
        busy = 60 if 6 <= moment.hour < 20 else 20
        values = {
            key: rng.randrange(busy) if number == 0 else rng.choice((0, 0, 0, 1, 2))
            for number, key in enumerate(KEYS[metric])
        }
        yield {"time": iso_ms(moment), **{key: value for key, value in values.items() if value}}
