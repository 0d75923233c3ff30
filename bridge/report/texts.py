"""Values as people read them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

NOTHING = "–"  # noqa: RUF001  (a dash, as tables have it)
# Columns that hold whole hours.
HOURS = ("silent_for", "vitals_age")
_UNITS = {"percent": " %", "ms": " ms", "dbm": " dBm"}


def filled(text: str, facts: Mapping[str, Any]) -> str:
    """Put the facts into a sentence, numbers with their thousands apart.

    `{silent}` is the number itself. `{silent:# is|# are}` chooses a form by it, and `{silent:none is|# is|# are}` has
    one more, for 0; `#` stands for the number.
    """
    return text.format_map({name: _Fact(value) for name, value in facts.items()})


@dataclass(frozen=True)
class _Fact:
    value: Any

    def __format__(self, forms: str) -> str:
        if not forms:
            return shown(self.value)
        *zero, one, many = forms.split("|")
        form = zero[0] if zero and self.value == 0 else one if self.value == 1 else many
        return form.replace("#", shown(self.value))


def shown(value: Any, column: str = "") -> str:
    """Return a value as text, with the unit that the name of its column tells."""
    if value is None:
        return NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M")
    return _number(value, column) if isinstance(value, (int, float)) else str(value)


def _number(value: float, column: str) -> str:
    words = column.split("_")
    if column in HOURS:
        return _duration(int(value))
    # A version is a name: 1204 is not 1,204.
    if "version" in words:
        return str(value)
    value = round(value, 1)
    text = f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.1f}"
    return text + next((unit for word, unit in _UNITS.items() if word in words), "")


def _duration(hours: int) -> str:
    days, rest = divmod(hours, 24)
    if not days:
        return f"{rest} h" if rest else "under 1 h"
    whole = f"{days:,} day{'s' if days > 1 else ''}"
    return whole if days >= 7 or not rest else f"{whole} {rest} h"
