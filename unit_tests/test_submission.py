"""What goes to Airbyte's repository: laid out whole, and each rule that it is tried by can be broken."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from docs import submission
from docs.submission import lay_out
from docs.submission_rules import CONNECTOR, PAGE, RULES, parsed_text, problems
from unit_tests.support.paths import ROOT

Change = Callable[[str], str]


@pytest.fixture(scope="module")
def laid_out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder as `make submission` writes it; tests must put back what they change."""
    folder = tmp_path_factory.mktemp("airbyte")
    lay_out(folder)
    return folder


def test_nothing_breaks_a_rule(laid_out: Path) -> None:
    assert list(problems(laid_out)) == []


METADATA, MANIFEST = CONNECTOR / "metadata.yaml", CONNECTOR / "manifest.yaml"
COMPONENTS, ACCEPTANCE = CONNECTOR / "components.py", CONNECTOR / "acceptance-test-config.yml"
VIOLATIONS: dict[str, tuple[Path, Change]] = {
    "baseImage": (METADATA, lambda text: re.sub(r"\S+/(airbyte/source-decl)", r"\1", text)),
    "unencrypted": (MANIFEST, lambda text: text.replace("https://api.particle.io", "http://api.particle.io")),
    "tags": (METADATA, lambda text: text.replace("language:manifest-only", "language:python")),
    "suites": (METADATA, lambda text: text.replace("suite: unitTests", "suite: integrationTests")),
    "migration guide": (
        METADATA,
        lambda text: text.replace("  releases:\n", "  releases:\n    migrationDocumentationUrl: https://example.com\n"),
    ),
    "allowedHosts": (METADATA, lambda text: text.replace('"${base_url}"', '"${host}"')),
    "icon": (CONNECTOR / "icon.svg", lambda text: text.replace('width="', 'width="1', 1)),
    "headings": (PAGE, lambda text: text.replace("## Setup guide", "## How to set it up")),
    "opening": (PAGE, lambda text: text.replace("<HideInUI>", "")),
    "components.py": (COMPONENTS, lambda text: text.replace("    FleetRouter,\n", "")),
    "acceptance-test-config.yml": (ACCEPTANCE, lambda text: text.replace("invalid_config", "unshipped")),
    "a text names": (MANIFEST, lambda text: f"# See docs/values.md.\n{text}"),
    "no option": (MANIFEST, lambda text: text.replace("definitions:\n", "definitions:\n  spark_options: {}\n", 1)),
    "marks": (PAGE, lambda text: text.replace("## Changelog", "<!-- generated: changelog -->\n## Changelog")),
    "changelog": (PAGE, lambda text: text.replace("<details>", "")),
}


def test_each_rule_has_a_violation() -> None:
    assert len(VIOLATIONS) == len(RULES)


@pytest.mark.parametrize("name", VIOLATIONS)
def test_a_violation_is_found(laid_out: Path, name: str) -> None:
    path, change = VIOLATIONS[name]
    text = (laid_out / path).read_text("utf-8")
    assert change(text) != text
    (laid_out / path).write_text(change(text), encoding="utf-8")
    try:
        found = list(problems(laid_out))
    finally:
        (laid_out / path).write_text(text, encoding="utf-8")
    assert [rule for rule in found if name in rule]


def test_what_the_form_hides_is_explained(laid_out: Path) -> None:
    options = parsed_text((laid_out / MANIFEST).read_text("utf-8"))["spec"]["connection_specification"]["properties"]
    fields = {name: field for group in options.values() for name, field in group.get("properties", {}).items()}
    hidden = {name for name, field in {**options, **fields}.items() if field.get("airbyte_hidden")}
    explained = (ROOT / "docs" / "submitting.md").read_text("utf-8")
    assert hidden
    assert [name for name in hidden if f"`{name}`" not in explained] == []


def test_the_command_names_what_is_left_to_people(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert submission.main([str(tmp_path / "new")]) == 0
    said = capsys.readouterr().out
    assert "0 of 15 rules are broken" in said
    assert "pull request" in said


@pytest.mark.parametrize("arguments", [[], [""], ["one", "two"]])
def test_the_command_wants_a_folder(arguments: list[str]) -> None:
    assert submission.main(arguments) == 2


def test_what_is_there_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "precious").touch()
    assert submission.main([str(tmp_path)]) == 2
    assert "not empty" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["precious"]
