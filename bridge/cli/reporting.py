"""The command `report`."""

from pathlib import Path
from typing import Annotated

import typer

Source = Annotated[
    Path, typer.Option("--from", help="What `sync` wrote: a folder of Parquet files or a .duckdb file.", exists=True)
]
To = Annotated[Path, typer.Option(help="The HTML file to write.", dir_okay=False)]
Open = Annotated[bool, typer.Option("--open", help="Show it in the browser.")]


def run_report(source: Source, to: To = Path("report.html"), open_it: Open = False) -> None:
    """Write an HTML report about the fleet from what `sync` wrote. Neither this nor the page needs a network."""
    from bridge.report import write_report  # noqa: PLC0415  (so that the other commands start fast)

    write_report(source, to)
    typer.echo(f"Wrote {to}.")
    if open_it:
        typer.launch(to.resolve().as_uri())
