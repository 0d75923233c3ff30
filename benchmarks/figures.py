"""What a case measures: figures with targets, and readers that take turns."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Figure:
    """One measured figure, what it is made of, and what it should reach (`at_most` or `at_least`)."""

    value: float
    work: str
    at_least: float | None = None
    at_most: float | None = None
    parts: dict[str, Any] | None = None

    @property
    def is_met(self) -> bool:
        """Return whether the figure reaches its target."""
        return (self.at_least is None or self.value >= self.at_least) and (
            self.at_most is None or self.value <= self.at_most
        )

    def as_json(self) -> dict[str, Any]:
        """Return the figure for results.json."""
        return {**{name: value for name, value in asdict(self).items() if value is not None}, "met": self.is_met}


Figures = dict[str, Figure]


def interleaved(runs: int, calls: Mapping[str, Callable[[], Any]], *, warm: bool = True) -> dict[str, list[Any]]:
    """Call each in turn, once to warm up and then `runs` times, so that a busy minute hits all alike."""
    for call in calls.values() if warm else ():
        call()
    measured: dict[str, list[Any]] = {name: [] for name in calls}
    for _ in range(runs):
        for name, call in calls.items():
            measured[name].append(call())
    return measured


def rounded(values: Mapping[str, float]) -> dict[str, float]:
    """Return values with two decimals."""
    return {name: round(value, 2) for name, value in values.items()}
