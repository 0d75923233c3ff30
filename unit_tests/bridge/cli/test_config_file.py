"""The file of options: each value as it was typed."""

from pathlib import Path

import pytest

from bridge.cli.config_file import read_options


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: 0123", {"a": "0123"}),
        ("a: 12.50", {"a": "12.50"}),
        ("a: 1_000", {"a": "1_000"}),
        ("a: 012:30", {"a": "012:30"}),
        ("a: no", {"a": "no"}),
        ("a: true", {"a": "true"}),
        ("a: 2026-01-31", {"a": "2026-01-31"}),
        ("a: 2026-01-31T10:00:00Z", {"a": "2026-01-31T10:00:00Z"}),
        ("a: 2026-01-31 10:00:00", {"a": "2026-01-31T10:00:00"}),
        ("a: '~'", {"a": "~"}),
        ("a: ~", {}),
        ("a:", {}),
        ("1: b", {"1": "b"}),
        ('{"a": 5, "b": null, "c": false}', {"a": "5", "c": "false"}),
        ("a: &same x\nb: *same", {"a": "x", "b": "x"}),
        ("", {}),
    ],
)
def test_a_value_is_what_was_typed(text: str, expected: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / "particle.yaml"
    path.write_text(text)
    assert read_options(path) == (expected, {})


def test_the_options_of_a_table_are_texts_whatever_its_name(tmp_path: Path) -> None:
    path = tmp_path / "particle.yaml"
    path.write_text("tables:\n  1: {product_id_or_slug: 047041}\n  devices:\n")
    assert read_options(path) == ({}, {"1": {"product_id_or_slug": "047041"}, "devices": {}})
