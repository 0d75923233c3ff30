"""What a sync shows while it runs."""

import io
import logging

import pytest
from rich.console import Console

from bridge.cli.progress import Progress
from bridge.errors import TemporaryError
from bridge.export.sync import TableResult
from bridge.reading import reader
from bridge.tables.catalog import table
from bridge.tables.options import Options

VITALS = Options.parse({"access_token": "x", "device_id": "*"}, table("diagnostics"))


def _shown(progress: Progress, console: Console) -> str:
    # What the live line would be at its next turn.
    with progress.shown():
        progress.on_start(VITALS)
        progress.on_rows(1_234)
        progress.refresh()
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_terminal_shows_rows_requests_and_the_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    sent = iter([100, *[150] * 1_000])
    monkeypatch.setattr(reader, "traffic", lambda _config: (next(sent), 12.0))
    monkeypatch.setattr(reader, "count_requests", lambda _table, _config: (10, [90, None]))
    console = Console(file=io.StringIO(), force_terminal=True, width=200)
    shown = _shown(Progress(console), console)
    assert (
        "diagnostics: 1,234 rows, 50 of about 101 requests, about 0 s left, waiting 12 s for the API's limit" in shown
    )


def test_signing_in_shows_what_it_waits_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "traffic", lambda _config: (1, 14.2))
    console = Console(file=io.StringIO(), force_terminal=True, width=200)
    progress = Progress(console)
    with progress.shown():
        progress.on_sign_in(VITALS)
        progress.refresh()
    assert isinstance(console.file, io.StringIO)
    assert "Signing in, waiting 14 s for the API's limit" in console.file.getvalue()


def test_what_cannot_be_counted_is_left_to_the_read(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_table: object, _config: object) -> None:
        raise TemporaryError("no answer")

    monkeypatch.setattr(reader, "traffic", lambda _config: (0, 0.0))
    monkeypatch.setattr(reader, "count_requests", fail)
    console = Console(file=io.StringIO(), force_terminal=True, width=200)
    assert "diagnostics: 1,234 rows, 0 requests" in _shown(Progress(console), console)


def test_a_log_names_each_table_and_what_it_has_become(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(reader, "traffic", lambda _config: (0, 0.0))
    progress = Progress(Console(file=io.StringIO(), quiet=True))
    with caplog.at_level(logging.INFO, logger="bridge"):
        progress.on_start(VITALS)
        progress.on_end(TableResult("diagnostics", 1.0, rows=2_000))
        progress.on_end(TableResult("devices", 0.5, error="a name with\x1b[1m"))
        progress.on_end(TableResult("sims", 0.0, skipped="lacks a scope"))
    assert caplog.messages == [
        "diagnostics: reading",
        "diagnostics: 2,000 rows in 1.0 s",
        "devices: failed after 0.5 s: a name with\\x1b[1m",
        "sims: not read: lacks a scope",
    ]


def test_a_pipe_gets_plain_lines_and_quiet_gets_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "traffic", lambda _config: (0, 0.0))
    for quiet in (False, True):
        console = Console(file=io.StringIO(), quiet=quiet)
        progress = Progress(console)
        with progress.shown():
            progress.on_start(VITALS)
            progress.on_end(TableResult("diagnostics", 1.0, rows=2_000, until="2026-01-31T12:00:00.000Z"))
        expected = "" if quiet else "diagnostics: 2,000 new rows in 1.0 s\n"
        assert isinstance(console.file, io.StringIO)
        assert console.file.getvalue() == expected
        assert [result.table for result in progress.results] == ["diagnostics"]
