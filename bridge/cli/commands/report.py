"""The command `report`."""

from pathlib import Path
from typing import Annotated

import typer

from bridge.cli.exits import CONDITION_MET
from bridge.cli.output import complain

# Written out, so that the other commands start fast; a test compares it with the query.
MEASURES = (
    "devices, products, without_product, online, online_percent, silent, silent_online, never_heard, behind, newer, "
    "with_battery, battery_low, battery_low_old, with_signal, signal_weak, signal_weak_old, sims_at_limit, "
    "sims_stopped, hours_since_sync, unwritten_tables"
)

Source = Annotated[
    Path, typer.Option("--from", help="What `sync` wrote: a folder of Parquet files or a .duckdb file.", exists=True)
]
To = Annotated[Path, typer.Option(help="The HTML file to write.", dir_okay=False)]
FailIf = Annotated[
    list[str] | None,
    typer.Option(
        "--fail-if",
        metavar="CONDITION",
        help=f"Exit with 6 if this is true of the fleet, as in 'silent > 10'. May be repeated. SQL over these numbers: "
        f"{MEASURES}.",
    ),
]
Open = Annotated[bool, typer.Option("--open", help="Show it in the browser.")]


def run_report(source: Source, to: To = Path("report.html"), fail_if: FailIf = None, open_it: Open = False) -> None:
    """Write an HTML report about the fleet from what `sync` wrote. Neither this nor the page needs a network."""
    from bridge.cli.logs import kept_logs  # noqa: PLC0415  (so that the other commands start fast)
    from bridge.report import write_report  # noqa: PLC0415

    try:
        with kept_logs(None) as notes:
            met = write_report(source, to, fail_if or ())
    finally:
        for note in notes:
            complain(note, style="yellow")
    typer.echo(f"Wrote {to}.")
    if open_it:
        typer.launch(to.resolve().as_uri())
    for condition in met:
        complain(f"The fleet meets the condition: {condition}")
    if met:
        raise typer.Exit(CONDITION_MET)
