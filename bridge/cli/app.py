"""The commands of `particle-bridge`; their texts and options are in `commands`."""

from typing import Annotated

import typer

from bridge.cli.commands.check import show_check
from bridge.cli.commands.head import show_head
from bridge.cli.commands.plan import show_plan
from bridge.cli.commands.report import run_report
from bridge.cli.commands.sync import run_sync
from bridge.cli.commands.tables import show_schema, show_tables

EXIT_CODES = """
Exit codes: 0 success · 1 some tables failed, the others were written · 2 correct the command line or the
configuration · 3 the API refused the account or the token · 4 try again later: the API, the network or another sync ·
5 please report the message · 6 a condition of report --fail-if is met · 129, 130 and 143 interrupted.
"""

app = typer.Typer(
    help="Read a Particle.io fleet: show its tables, or save them as files or in a database.",
    epilog=EXIT_CODES,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode=None,
    # A traceback with local variables would show passwords.
    pretty_exceptions_enable=False,
)


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version  # noqa: PLC0415  (so that the other commands start fast)

        typer.echo(f"particle-bridge {version('source-particle')}")
        raise typer.Exit


@app.callback()
def _options(
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    pass


app.command("tables")(show_tables)
app.command("schema")(show_schema)
app.command("check")(show_check)
app.command("head")(show_head)
app.command("plan")(show_plan)
app.command("sync")(run_sync)
app.command("report")(run_report)
