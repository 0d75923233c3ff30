"""Plain English: phrases that a technical writer would not let pass, and what to write instead."""

import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from unit_tests.support.paths import ROOT, project_files

HERE = Path(__file__).relative_to(ROOT).as_posix()

INSTEAD = {
    "doors?": "Airbyte, Spark, Lakeflow, command line",
    "legal": "allowed, expected",
    "slips? of the pen": "a typo",
    "comes? to rest": "to stop changing, to be idle",
    "knows no such": "not found",
    "everything that knows": "the parts by their names",
    "what answers there": "responses from there",
    "what stands there": "the text",
    "goes? on where": "to resume where",
    "nothing twice": "no duplicates",
    "holds? still": "to stay the same",
    "asks? nobody": "needs no network",
    "for ever": "always, endlessly",
    "nobody knows": "it is unknown",
    "comes? twice": "to be duplicated",
    "beside a plain": "compared with a plain",
}


@pytest.mark.parametrize("phrase", INSTEAD)
def test_no_file_uses_a_phrase_that_has_a_plainer_one(phrase: str) -> None:
    assert _uses(phrase, _texts()) == [], f"write instead: {INSTEAD[phrase]}"


def test_a_phrase_is_found_wherever_its_line_breaks() -> None:
    seeded = "First.\n# What answers\n#   there is not taken."
    assert _uses("what answers there", {"seeded.md": seeded}) == ["seeded.md:2"]
    assert _uses("doors?", {"seeded.md": "outdoors"}) == []


def _uses(phrase: str, texts: Mapping[str, str]) -> list[str]:
    # A line break of a text or a comment may stand between two words.
    pattern = re.compile(rf"\b(?:{phrase})\b".replace(" ", r"[\s#>*]+"), re.IGNORECASE)
    return [
        f"{path}:{text.count(chr(10), 0, found.start()) + 1}"
        for path, text in texts.items()
        for found in pattern.finditer(text)
    ]


def _texts() -> dict[str, str]:
    paths = [path for path in project_files() if path != HERE]
    return {path: (ROOT / path).read_text(encoding="utf-8", errors="replace") for path in paths}
