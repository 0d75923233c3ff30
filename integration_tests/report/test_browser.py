"""The report in a real browser: light, dark, on a phone and in print."""

import re
from pathlib import Path
from typing import Any

import pytest

from bridge.report.parts import Chart
from bridge.report.questions import QUESTIONS
from integration_tests.report.browser import MARKS, Browser
from integration_tests.report.conftest import Reported

LOOKS: dict[str, dict[str, Any]] = {
    "light": {"width": 1280},
    "dark": {"width": 1280, "scheme": "dark"},
    "phone": {"width": 375, "is_phone": True},
    "print": {"width": 800, "media": "print"},
}
CONTRAST = """(() => {
  const light = text => {
    const parts = text.match(/[\\d.]+/g).slice(0, 3).map(part => part / 255);
    const [r, g, b] = parts.map(part => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const paper = light(getComputedStyle(document.querySelector("section")).backgroundColor);
  const inks = [...document.querySelectorAll("h2, td, th, .note, summary, figcaption, svg text")].map(node => {
    const style = getComputedStyle(node);
    return light(node.namespaceURI.endsWith("svg") ? style.fill : style.color);
  });
  return Math.min(...inks.map(ink => (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05)));
})()"""


@pytest.mark.parametrize("look", LOOKS)
def test_every_chart_has_marks_in_every_look(look: str, reported: Reported, chromium: Browser, tmp_path: Path) -> None:
    chromium.look(**LOOKS[look])
    chromium.open(reported.page)
    marks = dict(chromium.evaluate(MARKS))
    drawn = [part.title for question in QUESTIONS for part in question.parts if isinstance(part, Chart)]
    assert [title for title in drawn if title in marks] == list(marks)
    assert set(drawn) - set(marks) == {"Last known places"}
    assert [title for title, count in marks.items() if not count] == []
    chromium.screenshot(tmp_path / f"{look}.png")
    assert chromium.complaints == []
    assert chromium.requests == [reported.page.as_uri()]


@pytest.mark.parametrize("look", ["light", "dark", "print"])
def test_every_text_stands_out_from_its_ground(look: str, reported: Reported, chromium: Browser) -> None:
    chromium.look(**LOOKS[look])
    chromium.open(reported.page)
    assert chromium.evaluate(CONTRAST) >= 4.5


def test_dark_is_dark_and_print_is_white(reported: Reported, chromium: Browser) -> None:
    ground = {}
    for look, seen in LOOKS.items():
        # Who prints may look at dark pages.
        chromium.look(**{**seen, **({"scheme": "dark"} if look == "print" else {})})
        chromium.open(reported.page)
        colour = chromium.evaluate("getComputedStyle(document.body).backgroundColor")
        ground[look] = sum(map(int, re.findall(r"\d+", colour)))
    assert ground["light"] > 700
    assert ground["dark"] < 100
    assert ground["print"] == 3 * 255


@pytest.mark.parametrize("look", ["phone", "print"])
def test_nothing_is_beyond_the_edge_of_phone_or_paper(look: str, reported: Reported, chromium: Browser) -> None:
    chromium.look(**LOOKS[look])
    chromium.open(reported.page)
    assert chromium.evaluate("document.documentElement.scrollWidth") == LOOKS[look]["width"]
    # A phone scrolls a table that is too wide; paper cannot.
    wide = '[...document.querySelectorAll(".scroll")].filter(it => it.scrollWidth > it.clientWidth + 1).length'
    assert look == "phone" or chromium.evaluate(wide) == 0


def test_the_query_of_each_figure_is_one_click_away(reported: Reported, chromium: Browser) -> None:
    chromium.look(width=1280)
    chromium.open(reported.page)
    chromium.evaluate('document.querySelector("figure details summary").click()')
    shown = chromium.evaluate('document.querySelector("figure details pre").innerText')
    assert shown.startswith("SELECT")
    without = 'document.querySelectorAll("figure:not(:has(details.sql)), .listing:not(:has(> details.sql))").length'
    assert chromium.evaluate(without) == 0


def test_a_name_that_is_a_script_stays_a_name(reported: Reported, chromium: Browser) -> None:
    chromium.open(reported.page)
    assert chromium.evaluate("document.scripts.length") == 0
    assert "<script>alert('pump')</script>" in chromium.evaluate("document.body.textContent")
    assert chromium.complaints == []


def test_what_gets_into_the_page_all_the_same_may_do_nothing(
    reported: Reported, chromium: Browser, tmp_path: Path
) -> None:
    text = reported.page.read_text("utf-8")
    harm = '<script>document.title = "taken over"</script><img src="http://127.0.0.1:9/"><style>h1 {color: red}</style>'
    (tmp_path / "harmed.html").write_text(text.replace("<main>", f"<main>{harm}"), encoding="utf-8")
    chromium.open(tmp_path / "harmed.html")
    assert chromium.evaluate("document.title").startswith("Fleet report")
    assert len(chromium.complaints) >= 3
    assert all("Content Security Policy" in complaint for complaint in chromium.complaints)
