"""The page: every question answered from a lake, as one HTML file without a script or anything from a network."""

from __future__ import annotations

import base64
import hashlib
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from importlib.metadata import version
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bridge.errors import ConfigurationError
from bridge.models.definitions import LISTS, models
from bridge.models.lake import Lake, open_lake
from bridge.report.charts import drawn
from bridge.report.conditions import conditions_met
from bridge.report.parts import Chart, Listing, Question, lacking
from bridge.report.questions import QUESTIONS
from bridge.report.texts import HOURS, filled, shown
from bridge.tables.catalog import table

if TYPE_CHECKING:
    from jinja2 import Environment

Row = dict[str, Any]

LOGGER = logging.getLogger(__name__)
# What the report imports, and the packages that have it.
NEEDED = {"duckdb": "duckdb", "jinja2": "Jinja2", "vl_convert": "vl-convert-python"}
OLD_LIST = timedelta(hours=24)
ROWS_SHOWN, MOST_ROWS = 8, 200
DOCTYPE = b"<!doctype html>"
UNFINISHED = (
    "The last sync did not finish: it was interrupted, tables failed, or it is still running. What it has not written "
    "is older, or missing: {}. Sync again with --resume, or wait for its end."
)


@dataclass(frozen=True)
class _Table:
    """A listing with its rows: the first few, those behind a click, and how many there are in all."""

    listing: Listing
    rows: Sequence[Row]
    count: int

    @property
    def first(self) -> Sequence[Row]:
        return self.rows[:ROWS_SHOWN]

    @property
    def rest(self) -> Sequence[Row]:
        return self.rows[ROWS_SHOWN:]

    @property
    def rest_named(self) -> str:
        first, last = ROWS_SHOWN + 1, len(self.rows)
        return f"Row {last}" if first == last else f"Rows {first} to {last}"

    @property
    def is_cut(self) -> bool:
        return self.count > len(self.rows)


def write_report(lake: Path, to: Path, fail_if: Sequence[str] = ()) -> list[str]:
    """Write the report of a lake (a folder or a DuckDB database) to an HTML file.

    Returns those conditions of `fail_if` (SQL over the numbers of the summary) that are true of the fleet. A report
    that is there is replaced once the new one is complete. Raises OptionError for a condition that cannot be
    evaluated, ConfigurationError where there is no lake, the file cannot be written or is something other than a
    report, or the extra `report` is not installed, and TemporaryError while a database is in use. Logs what to know
    before reading the figures, such as that the last sync did not finish.
    """
    if missing := [name for name in NEEDED if find_spec(name) is None]:
        packages = " ".join(NEEDED[name] for name in missing)
        raise ConfigurationError(f"{' and '.join(missing)} not found, which the report needs: pip install {packages}.")
    with _writing(to):
        _check_target(to)
    opened = open_lake(lake)
    for note in _notes(opened):
        LOGGER.warning("%s: %s", lake, note)
    try:
        met = conditions_met(opened, fail_if)
        text = page_of(opened)
    finally:
        opened.close()
    with _writing(to):
        _write(text, to)
    return met


@contextmanager
def _writing(to: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ConfigurationError(f"{to} cannot be written: {error.strerror}. Choose another file.") from None


def _check_target(to: Path) -> None:
    """Raise ConfigurationError where something that is no report would be replaced, such as the data itself."""
    if not to.is_file():
        return
    with to.open("rb") as file:
        beginning = file.read(len(DOCTYPE))
    if beginning and beginning.lower() != DOCTYPE:
        raise ConfigurationError(f"{to} exists and is not a report. Choose another file.")


def _write(text: str, to: Path) -> None:
    # Replacing a device or a pipe would remove it, and replacing a link would leave its target behind.
    if to.exists() and not to.is_file():
        to.write_text(text, encoding="utf-8")
        return
    to = to.resolve()
    aside = to.with_name(f".{to.name}.{os.getpid()}")
    try:
        aside.write_text(text, encoding="utf-8")
        aside.replace(to)
    finally:
        with suppress(OSError):
            aside.unlink(missing_ok=True)


def page_of(lake: Lake) -> str:
    """Return the report of an opened lake as HTML."""
    folder = files(__package__)
    style = folder.joinpath("page.css").read_text("utf-8")
    answers = [_answer(lake, question) for question in QUESTIONS]
    return (
        _environment()
        .from_string(folder.joinpath("page.html.j2").read_text("utf-8"))
        .render(
            as_of=lake.as_of,
            notes=_notes(lake),
            source=_name_of(lake),
            version=version("source-particle"),
            style=style,
            # Browsers apply this style sheet, and whatever else might have got into the page they do not.
            style_hash=base64.b64encode(hashlib.sha256(style.encode()).digest()).decode(),
            answers=answers,
            tiles=[tile for answer in answers for tile in answer["tiles"]],
            models=models(),
        )
    )


def _name_of(lake: Lake) -> str:
    return lake.path.name or str(lake.path)


def _notes(lake: Lake) -> Iterator[str]:
    """Yield what to know before reading the figures."""
    if lake.unwritten:
        yield UNFINISHED.format(", ".join(lake.unwritten))
    for name in LISTS:
        age = lake.as_of - lake.synced.get(name, lake.as_of)
        [[is_empty]] = lake.connection.execute(f"SELECT COUNT(*) = 0 FROM {name}").fetchall()  # noqa: S608  (our own)
        if age >= OLD_LIST and not is_empty:
            hours = shown(age // timedelta(hours=1), HOURS[0])
            yield (
                f"The table {name} was synced {hours} before the last one. Whether its devices are online or silent "
                "counts up to then."
            )


def _environment() -> Environment:
    from jinja2 import Environment, StrictUndefined  # noqa: PLC0415  (so that the command line starts fast)

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["shown"] = shown
    return environment


def _answer(lake: Lake, question: Question) -> Mapping[str, Any]:
    missing = lacking(question.needs, lake.synced, _name_of(lake))
    is_there = not missing
    [facts] = _rows(lake, question.sql) if is_there else [{}]
    return {
        "question": question,
        "missing": ", and ".join(missing),
        "is_there": is_there,
        "sentence": filled(question.answer, facts) if is_there else "",
        "without": {name: remark for name, remark in question.without.items() if name not in lake.synced},
        "on_request": [name for group in question.needs for name in group if table(name).on_request],
        "parts": list(map(partial(_part, lake), question.parts)) if is_there else [],
        "tiles": [
            {
                "label": tile.label,
                "value": filled(tile.value, facts),
                "detail": filled(tile.detail, facts),
                "needs_attention": bool(tile.attention and facts[tile.attention]),
                "key": question.key,
            }
            for tile in (question.tiles if is_there else ())
        ],
    }


def _part(lake: Lake, part: Chart | Listing) -> Mapping[str, Any]:
    if isinstance(part, Chart):
        from markupsafe import Markup  # noqa: PLC0415

        rows = [{name: _plain(value) for name, value in row.items()} for row in _rows(lake, part.sql)]
        # What Vega writes is escaped already.
        return {"chart": part, "svg": Markup(drawn(part.draw(rows))) if rows else None}  # noqa: S704
    rows = _rows(lake, f"{part.sql}\nLIMIT {MOST_ROWS}")
    [[count]] = lake.connection.execute(f"SELECT COUNT(*) FROM ({part.sql})").fetchall()  # noqa: S608  (our own query)
    return {"table": _Table(part, rows, count)}


def _rows(lake: Lake, sql: str) -> list[Row]:
    cursor = lake.connection.execute(sql)
    names = [column[0] for column in cursor.description or ()]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def _plain(value: Any) -> Any:
    return value.isoformat() if hasattr(value, "isoformat") else value
