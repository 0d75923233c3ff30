"""docs/api-behaviours.md names files and tests that exist, and says for each behaviour why it matters."""

import re
from pathlib import Path

from unit_tests.support.paths import ROOT

PAGE = (ROOT / "docs" / "api-behaviours.md").read_text("utf-8")
LABELS = ("**Why it matters:**", "**Handled in:**", "**Tested by:**")


def test_every_behaviour_says_why_it_matters_where_it_is_handled_and_what_tests_it() -> None:
    _intro, *behaviours = PAGE.split("\n### ")
    assert [text.partition("\n")[0] for text in behaviours if not _is_complete(text)] == []


def test_every_file_and_test_that_is_named_exists() -> None:
    assert _missing(PAGE) == []


def test_a_file_or_test_that_does_not_exist_is_found() -> None:
    here = Path(__file__).relative_to(ROOT)
    assert _missing(f"`docs/none.md` `docs/api-behaviours.md` `{here}::test_none`") == [
        "docs/none.md",
        f"{here}::test_none",
    ]
    assert not _is_complete("A behaviour\n\n**Handled in:** `manifest.yaml`\n")


def _is_complete(behaviour: str) -> bool:
    parts = [behaviour.partition(label)[2].partition("**")[0] for label in LABELS]
    return all(part.strip() for part in parts) and "`" in parts[1] and "::test_" in parts[2]


def _missing(text: str) -> list[str]:
    named = re.findall(r"`([\w./-]+\.(?:py|yaml|md)(?:::\w+)?)`", text)
    return [name for name in named if not _exists(*name.split("::"))]


def _exists(path: str, test: str | None = None) -> bool:
    file = ROOT / path
    return file.is_file() and (test is None or re.search(rf"^def {test}\(", file.read_text("utf-8"), re.M) is not None)
