"""What the commands print: data as it is, and nothing that a terminal obeys."""

import csv
import json
import sys
from typing import Any

import pytest

from bridge.cli.output import print_columns, print_csv, print_json, print_rows

# Colours by ESC and by its one-character form, a text direction, half of a surrogate pair, and a name that is harmless.
NAMES = ["\x1b[31mred", "\x9b31mred", "\u202eright to left", "\ud83d", "tab\tline\nend\r", "Büro 😀"]
HARMFUL = set("\x1b\x9b\u202e\ud83d\t\r")
ROWS: list[dict[str, Any]] = [{"id": str(number), "name": name, "deep": [name]} for number, name in enumerate(NAMES)]


def test_json_is_printed_with_every_control_character_escaped(capsys: pytest.CaptureFixture[str]) -> None:
    print_json(ROWS)
    text = capsys.readouterr().out
    assert not HARMFUL & set(text)
    assert json.loads(text) == ROWS
    assert "Büro 😀" in text


@pytest.mark.parametrize("is_terminal", [True, False])
def test_csv_is_printed_unchanged_unless_to_a_terminal(
    is_terminal: bool, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: is_terminal)
    rows = [row for row in ROWS if row["name"] != "\ud83d"]
    print_csv(rows, ["id", "name"])
    text = capsys.readouterr().out
    [_, *printed] = csv.reader(text.splitlines(keepends=True))
    assert bool(HARMFUL & set(text.replace("\r\n", ""))) != is_terminal
    if is_terminal:
        assert printed[0] == ["0", r"\x1b[31mred"]
        assert printed[-1] == ["5", "Büro 😀"]
    else:
        assert printed == [[row["id"], row["name"]] for row in rows]


def test_a_table_is_printed_without_control_characters(capsys: pytest.CaptureFixture[str]) -> None:
    print_rows(ROWS, ["id"])
    assert not HARMFUL & set(capsys.readouterr().out)


def test_empty_columns_are_counted_and_shown_if_they_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [{"id": "a", "name": None, "notes": None}]
    print_rows(rows, ["id"])
    printed = capsys.readouterr()
    assert "name" not in printed.out
    assert printed.err == "2 columns are empty in this row.\n"
    print_columns(rows, ["name"])
    assert "name" in capsys.readouterr().out


@pytest.mark.parametrize(("columns", "hidden"), [("80", True), ("", False)])
def test_a_table_is_as_wide_as_a_terminal_and_whole_in_a_pipe(
    columns: str, hidden: bool, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    print_rows([{f"column_{number}": "text" for number in range(20)}], ["column_0"])
    printed = capsys.readouterr()
    assert ("column_19" not in printed.out) == hidden
    assert ("more columns, shown with --columns: " in printed.err) == hidden
