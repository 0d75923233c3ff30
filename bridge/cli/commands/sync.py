"""The command `sync`."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import asdict
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bridge.cli.exits import SOME_FAILED
from bridge.cli.given import (
    AccessToken,
    AllTables,
    AsJson,
    BaseUrl,
    Config,
    Exclude,
    Given,
    GivenOptions,
    MoreTables,
    Password,
    Tables,
    Username,
)
from bridge.cli.output import complain, print_grid, print_json
from bridge.errors import ParticleError

if TYPE_CHECKING:
    from bridge.export.sync import TableResult


class Format(str, Enum):
    """What `sync` writes."""

    PARQUET = "parquet"
    DELTA = "delta"
    DUCKDB = "duckdb"
    CSV = "csv"
    JSONL = "jsonl"


class Engine(str, Enum):
    """The engine that reads and writes."""

    ARROW = "arrow"
    SPARK = "spark"


def _path_given(text: str) -> Path:
    # The path of an empty text is that of the current folder.
    if not text:
        raise typer.BadParameter("It is empty; name a folder or a .duckdb file.")
    return Path(text)


To = Annotated[
    Path,
    typer.Option(
        parser=_path_given,
        metavar="PATH",
        help="A folder, in which each table gets a folder of files, or a .duckdb file.",
    ),
]
GivenFormat = Annotated[
    Format | None, typer.Option("--format", help="By default duckdb for a .duckdb or .db file, otherwise parquet.")
]
GivenEngine = Annotated[
    Engine,
    typer.Option(
        help="arrow reads in this process; spark writes Parquet with a Spark session, for example on a cluster."
    ),
]
History = Annotated[
    bool, typer.Option("--history", help="Keep the snapshot of each day, as the partition snapshot_date=….")
]
Resume = Annotated[
    bool, typer.Option("--resume", help="Continue the last sync if it was not complete: keep what it finished.")
]
AllowDataLoss = Annotated[
    bool,
    typer.Option(
        "--allow-data-loss",
        help="Continue even if the API no longer has all rows since the last sync, or earlier files are gone.",
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only.")]
LogFile = Annotated[
    Path | None, typer.Option(help="Append a log with times to this file.", dir_okay=False, metavar="FILE")
]


def run_sync(  # noqa: PLR0913, PLR0917  (one parameter is one option of the command line)
    to: To,
    names: Tables = None,
    more_names: MoreTables = None,
    exclude: Exclude = None,
    all_tables: AllTables = False,
    file_format: GivenFormat = None,
    history: History = False,
    resume: Resume = False,
    allow_data_loss: AllowDataLoss = False,
    engine: GivenEngine = Engine.ARROW,
    config: Config = None,
    option: GivenOptions = None,
    access_token: AccessToken = None,
    username: Username = None,
    password: Password = None,
    base_url: BaseUrl = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
    log_file: LogFile = None,
) -> None:
    """Read tables and save them as files or in a database.

    A complete snapshot replaces the one of the last sync. Tables that append (vitals, metrics, data usage by day) grow
    by what is new since the last sync. Exits with 1 if a table failed; the other tables are still written. If the token
    cannot read a table that you name, nothing is written.
    """
    given = Given.of(config, option, access_token=access_token, username=username, password=password, base_url=base_url)
    from rich.console import Console  # noqa: PLC0415  (so that the other commands start fast)

    from bridge.cli.logs import kept_logs  # noqa: PLC0415
    from bridge.cli.progress import Progress  # noqa: PLC0415
    from bridge.export.places import Place  # noqa: PLC0415
    from bridge.export.sync import sync  # noqa: PLC0415
    from bridge.models.views import check_views, create_views  # noqa: PLC0415

    is_database = Place.of(to, file_format.value if file_format else None, ()).format == "duckdb"
    if is_database:
        check_views(to.expanduser())
    progress = Progress(Console(stderr=True, quiet=quiet))
    try:
        with kept_logs(log_file) as notes, progress.shown():
            results = sync(
                to,
                given.connection,
                [*(names or ()), *(more_names or ())],
                given.tables,
                exclude=exclude or (),
                all_tables=all_tables,
                file_format=file_format.value if file_format else None,
                engine="spark" if engine is Engine.SPARK else "arrow",
                history=history,
                resume=resume,
                allow_data_loss=allow_data_loss,
                observer=progress,
            )
    except (SystemExit, ParticleError) as error:
        finished = _finished(progress.results)
        if isinstance(error, SystemExit):
            complain(f"Interrupted. {finished or 'No table was finished.'}")
        elif finished:
            complain(finished)
        if is_database and finished:
            _renew_views(to)
        raise
    _report(results, notes, as_json=as_json, quiet=quiet)
    failed = any(result.error for result in results)
    if is_database and failed:
        _renew_views(to)
    elif is_database:
        create_views(to.expanduser())
    if failed:
        sys.exit(SOME_FAILED)


def _renew_views(database: Path) -> None:
    """Create the views over what was written by a sync that failed; that they cannot be written is said, too."""
    from bridge.models.views import create_views  # noqa: PLC0415  (so that the other commands start fast)

    try:
        create_views(database.expanduser())
    except ParticleError as error:
        complain(f"Error: {error}")


def _finished(results: Iterable[TableResult]) -> str:
    finished = ", ".join(result.table for result in results if not result.error and not result.skipped)
    return f"Finished tables: {finished}. To read only the others, run it again with --resume." if finished else ""


def _report(results: list[TableResult], notes: Iterable[str], *, as_json: bool, quiet: bool) -> None:
    if as_json:
        print_json({"tables": [asdict(result) for result in results], "notes": list(notes)})
    elif not quiet:
        rows = (
            (result.table, _rows(result), f"{result.seconds:.1f}", _remark(result))
            for result in results
            if not result.skipped
        )
        print_grid(("Table", "Rows", "Seconds", ""), rows)
        for result in results:
            if result.skipped:
                complain(f"{result.table} was not read: {result.skipped}", style="yellow")
        for note in notes:
            complain(note, style="yellow")
    for result in results:
        if result.error:
            complain(f"{result.table}: {result.error}")


def _rows(result: TableResult) -> str:
    if result.error:
        return "failed"
    return "kept" if result.is_kept else f"{result.rows:,}"


def _remark(result: TableResult) -> str:
    if result.is_kept:
        return "kept from the last sync"
    return f"new, up to {result.until}" if result.until else ""
