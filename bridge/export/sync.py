"""The tables of a fleet → files or a database: `particle-bridge sync` as a function."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from bridge.errors import OptionError, ParticleError, SignInError, TemporaryError, shortened
from bridge.export.formats.files import FileFormat
from bridge.export.formats.sink import Mark, Sink
from bridge.export.history import EAGER, next_window, selection_of
from bridge.export.places import Place
from bridge.export.reads import TableRead
from bridge.export.selection import Access, check_named, fingerprint, signed_in, wanted_tables
from bridge.reading import reader
from bridge.tables.catalog import Table
from bridge.tables.options import Options

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

Engine = Literal["arrow", "spark"]


@dataclass(frozen=True)
class TableResult:
    """The result of one table; `error` is None if it was written completely."""

    table: str
    seconds: float
    rows: int = 0
    """Number of rows that this sync wrote."""
    error: str | None = None
    is_kept: bool = False
    """Whether the sync that is resumed had written it, so that it was not read again."""
    skipped: str | None = None
    """Why the table was not read: the token cannot read it, and it was not named."""
    until: str | None = None
    """For an append table, the exclusive end of what was read, ISO 8601 in UTC."""


class Observer:
    """Receives the progress of a sync; does nothing itself."""

    def on_sign_in(self, options: Options) -> None:
        """Handle the start of signing in."""

    def on_start(self, options: Options) -> None:
        """Handle the start of a table."""

    def on_rows(self, count: int) -> None:
        """Handle new rows."""

    def on_end(self, result: TableResult) -> None:
        """Handle the result of a table."""


def sync(  # noqa: PLR0913  (the keyword-only ones are for programs)
    to: Path,
    connection: Mapping[str, str],
    names: Iterable[str] = (),
    table_options: Mapping[str, Mapping[str, str]] | None = None,
    *,
    exclude: Iterable[str] = (),
    all_tables: bool = False,
    file_format: str | None = None,
    engine: Engine = "arrow",
    history: bool = False,
    resume: bool = False,
    allow_data_loss: bool = False,
    spark: SparkSession | None = None,
    observer: Observer | None = None,
) -> list[TableResult]:
    """Write tables to a folder or a database, and return the result of each.

    `names` are the tables, less those of `exclude`; without names, those that are read by default, or with `all_tables`
    also those that hold personal data or cost a request per device. A required table option that is not given is `*`,
    because a sync means everything. `file_format` is parquet, delta, duckdb, csv or jsonl; None is duckdb where `to`
    ends in .duckdb or .db, otherwise parquet. A snapshot replaces the table, or with `history` that of the same day in
    UTC. Each sync appends the new rows to an append table; if the API no longer keeps all of them, the table fails
    unless `allow_data_loss` is set; so it does if files of earlier syncs are gone. With `resume` the last sync
    continues if it was interrupted or tables of it failed: what it finished with the same options is kept. The engine
    spark uses `spark`, or the active session, or a local one that is stopped again.

    A table that fails keeps its old rows and does not stop the others. Raises ConfigurationError before anything is
    read if the options are wrong or `to` contains foreign files; SignInError or TemporaryError if the API refuses or
    does not answer, and TemporaryError while another sync writes to the same place.
    """
    if engine == "spark" and file_format not in (None, "parquet"):
        raise OptionError(f"The engine spark writes parquet only; write {file_format} without it.")
    named = list(names)
    wanted = {
        part: {**options, **(EAGER if part.cursor_field else {})}
        for part, options in wanted_tables(connection, named, table_options, exclude, all_tables=all_tables).items()
    }
    checked = {part: Options.parse(options, part) for part, options in wanted.items()}
    observer = observer or Observer()
    place = Place.of(to, "parquet" if engine == "spark" else file_format, tuple(wanted))
    place.check()
    with _writer(engine, spark) as writer:
        # Before anything is written, check that the API answers and accepts the token.
        first = next(iter(checked.values()))
        observer.on_sign_in(first)
        access = signed_in(first)
        if named:
            check_named(access, checked)
        with place.held(resume=resume, writer=writer) as sink:
            run = _Run(sink, wanted, access, resume, allow_data_loss, observer)
            marks = {part: run.mark_of(options, history=history) for part, options in checked.items()}
            run.check(marks)
            return list(run.tables(checked, marks))


@dataclass(frozen=True)
class _Run:
    """One running sync."""

    sink: Sink
    wanted: Mapping[Table, Mapping[str, str]]
    access: Access
    resume: bool
    allow_data_loss: bool
    observer: Observer

    def mark_of(self, options: Options, *, history: bool) -> Mark:
        """Return the mark for a table."""
        mark = Mark("snapshot", self.sink.sync_id, fingerprint(options))
        if options.table.cursor_field:
            return replace(mark, keeps="windows", selection=selection_of(options))
        return replace(mark, keeps="days", day=self.access.facts.now.date().isoformat()) if history else mark

    def check(self, marks: Mapping[Table, Mark]) -> None:
        """Raise ConfigurationError if writing would destroy or mix existing rows."""
        for part, mark in marks.items():
            if before := self.sink.mark_of(part):
                before.check_next(mark, self.sink.place_of(part))

    def tables(self, checked: Mapping[Table, Options], marks: Mapping[Table, Mark]) -> Iterator[TableResult]:
        """Read and write the tables one after the other, and note after each which are left."""
        names = [part.name for part in marks if part.name not in self.access.facts.unserved]
        unwritten = [*names, *(name for name in self.sink.unwritten if name not in names)]
        self.sink.note(unwritten)
        for part, mark in marks.items():
            result = self.table(part, checked[part], mark)
            if not result.error and not result.skipped:
                unwritten.remove(part.name)
                self.sink.note(unwritten)
            yield result

    def table(self, part: Table, options: Options, mark: Mark) -> TableResult:
        """Read and write one table; raises errors that concern the whole run."""
        if reason := self.access.facts.unserved.get(part.name):
            result = TableResult(part.name, 0.0, skipped=reason)
            self.observer.on_end(result)
            return result
        self.observer.on_start(self._options(part))
        start = time.perf_counter()
        failure: Exception | None = None
        try:
            result = self._written(part, options, mark)
        except SignInError:
            raise
        except Exception as error:  # noqa: BLE001  (whatever it was, the other tables go on and this one is reported)
            failure = error
            result = TableResult(part.name, 0.0, error=_message(error))
        result = replace(result, seconds=time.perf_counter() - start)
        self.observer.on_end(result)
        if isinstance(failure, TemporaryError):
            self._check_api(part, failure)
        return result

    def _check_api(self, part: Table, failure: TemporaryError) -> None:
        """Raise TemporaryError once for all tables if the API does not answer at all."""
        try:
            reader.token_facts(self._options(part).config())
        except TemporaryError:
            raise TemporaryError(f"{failure} The API answers nothing else now, either, so the sync ends.") from None

    def _options(self, part: Table) -> Options:
        return Options.parse(self.access.given(self.wanted[part]), part)

    def _written(self, part: Table, options: Options, mark: Mark) -> TableResult:
        if mark.keeps == "windows":
            self.sink.check_windows(part, allow_data_loss=self.allow_data_loss)
        if self.resume and self.sink.is_finished(part, mark):
            return TableResult(part.name, 0.0, is_kept=True)
        window = None
        if mark.keeps == "windows":
            before = self.sink.mark_of(part)
            until = before.until if before else ""
            window = next_window(options, until, self.access.facts.now, allow_data_loss=self.allow_data_loss)
            if window is None:
                return TableResult(part.name, 0.0, until=until)
            mark = replace(mark, start=window.start, until=window.until)
        read = TableRead(part, self.access.given(self.wanted[part]), window, self.observer.on_rows)
        self.sink.write(read, mark)
        return TableResult(part.name, 0.0, read.rows, until=window.until if window else None)


@contextmanager
def _writer(engine: Engine, spark: SparkSession | None) -> Iterator[FileFormat | None]:
    if engine != "spark":
        yield None
        return
    from bridge.export.session import SparkParquet, spark_session  # noqa: PLC0415  (Spark is optional)

    with spark_session(spark) as session:
        yield SparkParquet(session)


def _message(error: Exception) -> str:
    return str(error) if isinstance(error, ParticleError) else shortened(f"{type(error).__name__}: {error}")
