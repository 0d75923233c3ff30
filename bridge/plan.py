"""What to read → descriptors of the tasks that read it; pure, so that a plan can be looked at without a network."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Descriptor:
    """What one task reads: a few JSON-safe facts that narrow the configuration of the whole read."""

    narrowing: Mapping[str, Any]

    def config(self, whole: Mapping[str, Any], access_token: str | None) -> dict[str, Any]:
        """Return the configuration of this task, with the token that the planner signed in for, if it did."""
        plan = {**self.narrowing, **({"access_token": access_token} if access_token else {})}
        return {**whole, "plan": plan} if plan else dict(whole)


def descriptors() -> list[Descriptor]:
    """Return the tasks of one read, at least one: a single task reads the whole table."""
    return [Descriptor({})]
