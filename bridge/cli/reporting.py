"""The command `report`."""

from pathlib import Path
from typing import Annotated

import typer

from bridge.cli.exits import CONDITION_MET
from bridge.cli.output import complain

Source = Annotated[
    Path, typer.Option("--from", help="What `sync` wrote: a folder of Parquet files or a .duckdb file.", exists=True)
]
To = Annotated[Path, typer.Option(help="The HTML file to write.", dir_okay=False)]
FailIf = Annotated[
    list[str] | None,
    typer.Option(
        "--fail-if",
        metavar="CONDITION",
        help="Exit with 6 if this is true of the fleet, as in 'silent > 10'; SQL over the numbers of the summary. "
        "May be repeated.",
    ),
]
Open = Annotated[bool, typer.Option("--open", help="Show it in the browser.")]


def run_report(source: Source, to: To = Path("report.html"), fail_if: FailIf = None, open_it: Open = False) -> None:
    """Write an HTML report about the fleet from what `sync` wrote. Neither this nor the page needs a network."""
    from bridge.report import write_report  # noqa: PLC0415  (so that the other commands start fast)

    met = write_report(source, to, fail_if or ())
    typer.echo(f"Wrote {to}.")
    if open_it:
        typer.launch(to.resolve().as_uri())
    for condition in met:
        complain(f"The fleet meets the condition: {condition}")
    if met:
        raise typer.Exit(CONDITION_MET)
