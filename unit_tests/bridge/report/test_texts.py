"""Numbers and sentences as people read them."""

import re
from string import Formatter
from typing import Any

import pytest

from bridge.report import charts
from bridge.report.questions import QUESTIONS
from bridge.report.questions.battery import QUESTION as BATTERY
from bridge.report.questions.freshness import QUESTION as FRESHNESS
from bridge.report.texts import filled


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "none is"), (1, "1 is"), (2, "2 are"), (1234, "1,234 are"), (None, "– are")],  # noqa: RUF001
)
def test_a_sentence_takes_the_form_of_its_number(number: Any, text: str) -> None:
    assert filled("{silent:none is|# is|# are}", {"silent": number}) == text


def test_two_forms_are_one_and_many() -> None:
    sentences = [filled("{silent} {silent:device|devices}", {"silent": number}) for number in range(3)]
    assert sentences == ["0 devices", "1 device", "2 devices"]


@pytest.mark.parametrize(
    ("hours", "says"),
    [
        (0, "All were synced within one hour."),
        (1, "The oldest was synced 1 hour before the newest."),
        (30, "The oldest was synced 30 hours before the newest."),
    ],
)
def test_tables_of_one_sync_are_not_0_hours_apart(hours: int, says: str) -> None:
    text = filled(FRESHNESS.answer, {"loaded": 2, "tables": 28, "oldest": hours})
    assert text == f"2 of 28 tables are there. {says}"


def test_no_text_counts_one_as_many() -> None:
    texts = [question.answer for question in QUESTIONS]
    texts += [text for question in QUESTIONS for tile in question.tiles for text in (tile.value, tile.detail)]
    said = [filled(text, {name: 1 for _, name, _, _ in Formatter().parse(text) if name}) for text in texts]
    many = re.compile(r"\b1 (?!as\b|is\b|has\b|was\b|runs\b)(\w+s|have|are|were|run)\b")
    assert list(filter(many.search, said)) == []


def test_a_mark_of_a_chart_says_one_device() -> None:
    rows = [{"product": "Pumps", "devices": 1}, {"product": "Fans", "devices": 1200}]
    spec = charts.categories(rows, "product", "devices", "devices")
    assert [row[charts.SAYS] for row in spec["data"]["values"]] == ["Pumps: 1 device", "Fans: 1,200 devices"]


def test_what_is_not_there_is_not_counted() -> None:
    facts = {"battery_low": 3, "with_battery": 9, "battery_low_old": 0}
    assert filled(BATTERY.answer, facts) == "3 of the 9 devices that report a battery are below 20 %."
