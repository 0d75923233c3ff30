"""The dashboard of the Databricks bundle, made of the questions that the report asks.

The format is that of a Databricks AI/BI dashboard as the workspace exports it (`.lvdash.json`): datasets, and pages of
widgets on a grid that is six columns wide. Databricks documents no schema of it.
"""

import json
from typing import Any

from bridge.report.parts import Chart, Listing, Question
from bridge.report.questions import QUESTIONS, places
from bridge.report.texts import HOURS

WIDTH = 6
Widget = dict[str, Any]


def dashboard() -> str:
    """Return the dashboard: a page with the numbers, and one for each question."""
    # The last places have no model until a table of the catalog holds them.
    questions = [question for question in QUESTIONS if question is not places.QUESTION]
    datasets = [dataset for question in questions for dataset in _datasets(question)]
    pages = [_overview(questions), *map(_page, questions)]
    return json.dumps({"datasets": datasets, "pages": pages}, indent=2, ensure_ascii=False) + "\n"


def _datasets(question: Question) -> list[Widget]:
    facts = {"name": question.key, "displayName": question.title, "queryLines": _lines(question.sql)}
    parts = [
        {"name": _name(question, number), "displayName": part.title, "queryLines": _lines(part.sql)}
        for number, part in enumerate(question.parts)
    ]
    return [facts, *parts]


def _overview(questions: list[Question]) -> Widget:
    tiles = [(question, tile) for question in questions for tile in question.tiles]
    layout = [
        _placed(
            _counter(f"{question.key}_{number}", question.key, tile.value.strip("{}"), tile.label),
            number % 3 * 2,
            number // 3 * 3,
            2,
            3,
        )
        for number, (question, tile) in enumerate(tiles)
    ]
    return {"name": "overview", "displayName": "Fleet", "pageType": "PAGE_TYPE_CANVAS", "layout": layout}


def _page(question: Question) -> Widget:
    layout, row, charts = [], 0, 0
    if question.note:
        note = {"name": f"note_{question.key}", "multilineTextboxSpec": {"lines": [question.note]}}
        layout.append(_placed(note, 0, row, WIDTH, 2))
        row += 2
    for number, part in enumerate(question.parts):
        if isinstance(part, Chart):
            layout.append(_placed(_chart(_name(question, number), part), charts % 2 * 3, row + charts // 2 * 6, 3, 6))
            charts += 1
        else:
            row += (charts + 1) // 2 * 6
            layout.append(_placed(_table(_name(question, number), part), 0, row, WIDTH, 8))
            row, charts = row + 8, 0
    return {
        "name": f"page_{question.key}",
        "displayName": question.title,
        "pageType": "PAGE_TYPE_CANVAS",
        "layout": layout,
    }


def _counter(name: str, dataset: str, field: str, title: str) -> Widget:
    encodings = {"value": {"fieldName": field, "displayName": title}}
    return _widget(f"counter_{name}", dataset, [field], "counter", 2, encodings, title)


def _chart(name: str, chart: Chart) -> Widget:
    x, y = chart.axes
    kind = "line" if x == "day" and chart.series else "bar"
    encodings = {
        "x": {"fieldName": x, "displayName": _words(x), "scale": {"type": "temporal" if x == "day" else "categorical"}},
        "y": {"fieldName": y, "displayName": _words(y), "scale": {"type": "quantitative"}},
    }
    if chart.series:
        encodings["color"] = {
            "fieldName": chart.series,
            "displayName": _words(chart.series),
            "scale": {"type": "categorical"},
        }
    fields = [x, y, *filter(None, [chart.series])]
    return _widget(f"chart_{name}", name, fields, kind, 3, encodings, chart.title)


def _table(name: str, listing: Listing) -> Widget:
    titles = {column: heading.lstrip("~") for column, heading in listing.columns.items()}
    # The report makes days of them.
    titles |= {column: f"{titles[column]} (hours)" for column in HOURS if column in titles}
    columns = [{"fieldName": column, "displayName": title, "title": title} for column, title in titles.items()]
    widget = _widget(f"table_{name}", name, [*listing.columns], "table", 2, {"columns": columns}, listing.title)
    # What a chart says of itself is about the drawing in the report.
    if listing.note:
        widget["spec"]["frame"] |= {"showDescription": True, "description": listing.note}
    return widget


def _widget(  # noqa: PLR0913, PLR0917  (what a widget is made of)
    name: str, dataset: str, fields: list[str], kind: str, spec_version: int, encodings: Widget, title: str
) -> Widget:
    query = {
        "datasetName": dataset,
        "fields": [{"name": field, "expression": f"`{field}`"} for field in fields],
        "disaggregated": True,
    }
    frame = {"showTitle": True, "title": title}
    spec = {"version": spec_version, "widgetType": kind, "encodings": encodings, "frame": frame}
    return {"name": name, "queries": [{"name": "main_query", "query": query}], "spec": spec}


def _placed(widget: Widget, x: int, y: int, width: int, height: int) -> Widget:
    return {"widget": widget, "position": {"x": x, "y": y, "width": width, "height": height}}


def _name(question: Question, number: int) -> str:
    return f"{question.key}_{number}"


def _lines(sql: str) -> list[str]:
    return [f"{line}\n" for line in sql.splitlines()]


def _words(column: str) -> str:
    return column.replace("_", " ")
