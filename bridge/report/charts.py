"""The kinds of charts, as Vega-Lite specifications, and how they become SVG.

Colours are variables of the page's style sheet, so that one drawing serves light, dark and print. Charts are drawn as
wide as a phone and grow with their place on the page.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any
from xml.etree import ElementTree

Rows = Sequence[Mapping[str, Any]]
Spec = dict[str, Any]

WIDTH, HEIGHT, BAR = 380, 200, 24
NORMAL, ATTENTION, SECOND, UNKNOWN = "var(--normal)", "var(--attention)", "var(--second)", "var(--unknown)"
# From up to date to far behind: lightness alone tells them apart, and so it prints.
STEPS = ("var(--step-0)", "var(--step-1)", "var(--step-2)", "var(--step-3)")
# What a mark tells who points at it, or has the page read aloud.
SAYS = "says"
_SVG = "http://www.w3.org/2000/svg"
_CONFIG: Spec = {
    "font": "Helvetica, Arial, sans-serif",
    "view": {"stroke": None},
    "axis": {
        "labelColor": "var(--ink-soft)",
        "titleColor": "var(--ink-soft)",
        "titleFontWeight": "normal",
        "domainColor": "var(--line)",
        "gridColor": "var(--line)",
        "tickColor": "var(--line)",
        "labelFontSize": 11,
        "titleFontSize": 11,
    },
    "legend": {
        "labelColor": "var(--ink-soft)",
        "orient": "top",
        "title": None,
        "labelFontSize": 11,
        "symbolType": "square",
        "columns": 3,
    },
    "text": {"color": "var(--ink)", "fontSize": 11},
}
MOST_TICKS = 6
_COUNTS: Spec = {"tickCount": 4, "tickMinStep": 1}


def categories(rows: Rows, label: str, value: str, unit: str, color: str | None = None) -> Spec:
    """Draw a horizontal bar per row, in the order of the rows; `color` names a column that holds its colour."""
    largest = max((row[value] for row in rows), default=0) or 1
    shared = {
        "y": _labels(label),
        "x": {"field": value, "type": "quantitative", "axis": None, "scale": {"domain": [0, largest * 1.18]}},
        "description": {"field": SAYS},
    }
    fill = {"field": color, "type": "nominal", "scale": None} if color else {"value": NORMAL}
    bar = {"mark": {"type": "bar", "cornerRadiusEnd": 2}, "encoding": {**shared, "color": fill}}
    number = {"field": value, "type": "quantitative", "format": ",d"}
    text = {"mark": {"type": "text", "align": "left", "dx": 4, "aria": False}, "encoding": {**shared, "text": number}}
    said = _saying(rows, lambda row: f"{row[label]}: {_counted(row[value], unit)}")
    return _spec(said, {"layer": [bar, text]}, height=max(len(rows), 2) * BAR + 10)


def shares(rows: Rows, label: str, value: str, part: str, colors: Mapping[str, str]) -> Spec:
    """Draw a bar per label that shows the share of each part, in the order of `colors`."""
    axis = {"format": ".0%", "tickCount": 4}
    encoding = {
        "y": _labels(label),
        "x": {"field": value, "type": "quantitative", "stack": "normalize", "title": None, "axis": axis},
        "color": {"field": part, "type": "nominal", "scale": {"domain": list(colors), "range": list(colors.values())}},
        "order": {"field": "order", "type": "quantitative"},
        "description": {"field": SAYS},
    }
    ordered = [{**row, "order": list(colors).index(row[part])} for row in rows]
    said = _saying(ordered, lambda row: f"{row[label]}, {row[part]}: {_counted(row[value], 'devices')}")
    mark = {"type": "bar", "stroke": "var(--paper)", "strokeWidth": 1}
    labels = len({row[label] for row in rows})
    return _spec(said, {"mark": mark, "encoding": encoding}, height=labels * BAR + 90)


def histogram(rows: Rows, title: str, *, step: int, below: float) -> Spec:
    """Draw a column per bin of `percent`, `step` wide, as high as `devices`; those under `below` ask for attention."""
    start, value = "percent", "devices"
    colored = [{**row, "end": row[start] + step, "color": ATTENTION if row[start] < below else NORMAL} for row in rows]
    axis = {"grid": False, "values": list(range(0, 101, 20))}
    encoding = {
        "x": {"field": start, "type": "quantitative", "title": title, "scale": {"domain": [0, 100]}, "axis": axis},
        "x2": {"field": "end"},
        "y": {"field": value, "type": "quantitative", "title": "devices", "axis": _COUNTS},
        "y2": {"datum": 0},
        "color": {"field": "color", "type": "nominal", "scale": None},
        "description": {"field": SAYS},
    }
    said = _saying(colored, lambda row: f"{row[start]} to {row['end']} %: {_counted(row[value], 'devices')}")
    return _spec(said, {"mark": {"type": "rect", "stroke": "var(--paper)", "strokeWidth": 1}, "encoding": encoding})


def days(rows: Rows, value: str, unit: str, color: str = NORMAL) -> Spec:
    """Draw a column per day; days without a row stay empty."""
    encoding = {
        "x": {**_day_axis(rows), "timeUnit": "utcyearmonthdate"},
        "y": {"field": value, "type": "quantitative", "title": unit, "axis": _COUNTS},
        "color": {"value": color},
        "description": {"field": SAYS},
    }
    said = _saying(rows, lambda row: f"{row['day']}: {_counted(row[value], unit)}")
    return _spec(said, {"mark": {"type": "bar", "cornerRadiusEnd": 1, "width": {"band": 0.8}}, "encoding": encoding})


def lines(rows: Rows, value: str, series: str, title: str, names: Sequence[str]) -> Spec:
    """Draw a line per series over days, of percents; dashes tell the lines apart where colours do not."""
    scale: Spec = {"domain": list(names)}
    axis = {"tickCount": 5}
    encoding = {
        "x": _day_axis(rows),
        "y": {"field": value, "type": "quantitative", "title": title, "scale": {"domain": [0, 100]}, "axis": axis},
        "color": {
            "field": series,
            "type": "nominal",
            "scale": {**scale, "range": [NORMAL, SECOND]},
            "legend": {"symbolType": "stroke"},
        },
        "strokeDash": {"field": series, "type": "nominal", "scale": {**scale, "range": [[1, 0], [6, 3]]}},
        "description": {"field": SAYS},
    }
    said = _saying(rows, lambda row: f"{row['day']}, {row[series]}: {row[value]:.0f} %")
    return _spec(said, {"mark": {"type": "line", "point": {"size": 18}, "strokeWidth": 2}, "encoding": encoding})


def places(rows: Rows, count: str) -> Spec:
    """Draw a dot per place, by longitude and latitude, as large as the number of devices there."""
    axis = {"grid": True, "tickCount": 5}
    encoding = {
        "x": {"field": "longitude", "type": "quantitative", "scale": {"zero": False}, "axis": axis},
        "y": {"field": "latitude", "type": "quantitative", "scale": {"zero": False}, "axis": axis},
        "size": {"field": count, "type": "quantitative", "scale": {"range": [20, 300]}, "legend": None},
        "color": {"value": NORMAL},
        "description": {"field": SAYS},
    }
    mark = {"type": "circle", "opacity": 0.65, "stroke": "var(--paper)", "strokeWidth": 0.5}
    said = _saying(
        rows, lambda row: f"{row['latitude']:.3f}, {row['longitude']:.3f}: {_counted(row[count], 'devices')}"
    )
    return _spec(said, {"mark": mark, "encoding": encoding}, height=320)


def drawn(spec: Spec) -> str:
    """Return the SVG of a specification, in which each mark tells its values when it is pointed at."""
    import vl_convert  # noqa: PLC0415  (a tenth of a second, and only this needs it)

    # No data of a chart comes from anywhere but the specification.
    text = vl_convert.vegalite_to_svg(spec, allowed_base_urls=[])
    ElementTree.register_namespace("", _SVG)
    svg = ElementTree.fromstring(text)  # noqa: S314  (written by the line above)
    for mark in svg.iter():
        if mark.get("role") == "graphics-symbol" and "aria-roledescription" in mark.attrib and len(mark) == 0:
            ElementTree.SubElement(mark, f"{{{_SVG}}}title").text = mark.get("aria-label")
    return ElementTree.tostring(svg, encoding="unicode")


def _spec(rows: Rows, drawing: Spec, height: int = HEIGHT) -> Spec:
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "width": WIDTH,
        "height": height,
        "autosize": {"type": "fit", "contains": "padding"},
        "background": None,
        "data": {"values": list(rows)},
        "config": _CONFIG,
        **drawing,
    }


def _day_axis(rows: Rows) -> Spec:
    return {
        "field": "day",
        "type": "temporal",
        "scale": {"type": "utc"},
        "title": None,
        "axis": {"format": "%-d %b", "grid": False, "values": _ticks(rows), "labelFlush": False},
    }


def _ticks(rows: Rows) -> list[int]:
    """Return at most MOST_TICKS whole days, evenly apart, as milliseconds.

    Left to itself, Vega marks hours in a span of few days, and each of them gets the label of its day.
    """
    if not rows:
        return []
    found = [date.fromisoformat(row["day"]) for row in rows]
    first, span = min(found), (max(found) - min(found)).days
    step = span // MOST_TICKS + 1
    epoch = date(1970, 1, 1)
    return [((first - epoch).days + day) * 86_400_000 for day in range(0, span + 1, step)]


def _labels(field: str) -> Spec:
    axis = {"labelLimit": 150, "ticks": False, "domain": False, "labelPadding": 6}
    return {"field": field, "type": "nominal", "sort": None, "title": None, "axis": axis}


def _saying(rows: Rows, text: Callable[[Mapping[str, Any]], str]) -> Rows:
    return [{**row, SAYS: text(row)} for row in rows]


def _counted(value: float, unit: str) -> str:
    text = f"{value:,.0f}"
    return f"{text} {unit.removesuffix('s') if text == '1' else unit}"
