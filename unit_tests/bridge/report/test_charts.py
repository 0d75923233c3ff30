"""What the charts of the report show, read from their SVG."""

from datetime import date, timedelta
from typing import Any
from xml.etree import ElementTree

import pytest

from bridge.report import charts
from bridge.report.charts import Spec


def labels(spec: Spec) -> list[str]:
    """Return the labels of the x-axis that can be seen."""
    svg = ElementTree.fromstring(charts.drawn(spec))
    [axis] = [part for part in svg.iter() if part.get("aria-label", "").startswith("X-axis")]
    texts = axis.findall(".//{*}g[@class='mark-text role-axis-label']/{*}text")
    return [text.text or "" for text in texts if text.get("opacity") != "0"]


def spanning(days: int) -> list[dict[str, Any]]:
    """Return a row for each of so many days."""
    first = date(2026, 11, 28)
    return [{"day": (first + timedelta(day)).isoformat(), "percent": 50, "of": "median"} for day in range(days)]


@pytest.mark.parametrize("days", [1, 2, 3, 4, 7, 13, 60])
@pytest.mark.parametrize("kind", ["line", "bar"])
def test_no_two_labels_of_days_are_alike(kind: str, days: int) -> None:
    rows = spanning(days)
    line = charts.lines(rows, "percent", "of", "battery, percent", ["median"])
    shown = labels(line if kind == "line" else charts.days(rows, "percent", "restarts"))
    assert shown[0] == "28 Nov"
    assert min(days, 3) <= len(shown) == len(set(shown)) <= charts.MOST_TICKS
