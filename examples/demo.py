"""`make demo`: reads a made-up fleet into ./lake, compares the row counts with the fleet and writes a report of it.

It needs no Particle account: a local server stands in for the Device Cloud. With a real account, use
`particle-bridge sync`.
"""

import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table as Grid

from bridge.errors import ConfigurationError, ParticleError
from bridge.export.folder import check_folder
from bridge.export.formats.sink import MARK, json_object_in
from bridge.export.sync import Observer, TableResult, sync
from bridge.reading.times import moment_of
from bridge.report import write_report
from bridge.tables.catalog import table, tables
from bridge.tables.options import Options
from integration_tests.device_cloud import DeviceCloud, Fleet, FleetSize

LAKE = Path("lake")
REPORT = "report.html"
NOTE = ".particle-demo"
SIZE = FleetSize(
    products=3, devices=400, sims=200, days=6, vitals_per_day=1, user_devices=40, user_sims=20, samples=False
)


def main(lake: Path = LAKE, size: FleetSize = SIZE) -> int:
    """Read all tables, also those on request; return 0 if every row count equals the fleet's, otherwise 1."""
    console = Console()
    _forget(lake)
    with DeviceCloud(Fleet.seeded(size)) as cloud:
        console.print(f"A Device Cloud with {size.products} large products listens on {cloud.url}.")
        connection = {"access_token": cloud.token, "base_url": cloud.url}
        before = _held(cloud)
        results = sync(lake, connection, all_tables=True, observer=_Narrator(console, lake))
        after = _held(cloud)
    console.print(_grid(results))
    differences = [_difference(result, before[result.table], after[result.table]) for result in results]
    for difference in filter(None, differences):
        console.print(difference, style="red", markup=False, soft_wrap=True)
    if any(differences):
        return 1
    rows = sum(result.rows for result in results)
    console.print(f"All {len(results)} tables hold exactly what the fleet holds: {rows} rows, as Parquet in {lake}/.")
    write_report(lake, lake / REPORT)
    console.print(f"How the fleet is: open {lake / REPORT} in a browser.")
    command = Path(os.path.relpath(sys.prefix)) / "bin" / "particle-bridge"
    console.print("Next, read your own fleet (create a token with `particle token create`):")
    console.print(f"  PARTICLE_ACCESS_TOKEN=<your token> {command} sync --to my-fleet", markup=False, soft_wrap=True)
    return 0


class _Narrator(Observer):
    """Says what is read, and notes the tables that were written, so that the next demo removes these and no others."""

    def __init__(self, console: Console, lake: Path) -> None:
        self._console, self._lake = console, lake
        self._written: dict[str, str] = {}

    def on_start(self, options: Options) -> None:
        self._console.print(f"  reading {options.table.name} …")

    def on_end(self, result: TableResult) -> None:
        if not result.error:
            self._written[result.table] = (self._lake / result.table / MARK).read_text("utf-8")
            (self._lake / NOTE).write_text(json.dumps(self._written), encoding="utf-8")


def _forget(lake: Path) -> None:
    """Remove the tables of an earlier demo, which had another fleet; raise ConfigurationError if others are there."""
    check_folder(lake, tables(), "parquet")
    written = json_object_in(lake / NOTE)
    there = [name for name in tables() if (lake / name).exists()]
    for name in there:
        if (lake / name / MARK).read_text("utf-8") != written.get(name):
            raise ConfigurationError(
                f"{lake / name} was not written by the last demo. Move {lake} away, and run the demo again."
            )
    for name in there:
        shutil.rmtree(lake / name)


def _held(cloud: DeviceCloud) -> dict[str, list[dict[str, Any]]]:
    """Return the rows that the fleet holds now."""
    every = {part.name: dict.fromkeys(part.required_options, "*") for part in tables().values()}
    return {name: cloud.ledger.records(name, options) for name, options in every.items()}


def _count(records: list[dict[str, Any]], result: TableResult) -> int:
    """Return how many rows a read should have: of a table that grows, those before the time up to which it was read."""
    cursor, until = table(result.table).cursor_field, result.until
    if cursor is None or until is None:
        return len(records)
    return sum(moment_of(record[cursor]) < moment_of(until) for record in records)


def _grid(results: list[TableResult]) -> Grid:
    grid = Grid("Table", "Rows", "Seconds")
    for result in results:
        grid.add_row(result.table, str(result.rows), f"{result.seconds:.1f}")
    return grid


def _difference(result: TableResult, *moments: list[dict[str, Any]]) -> str:
    """Return how a table differs from what the fleet held at all moments; the oldest rows expire in between."""
    if result.error:
        return f"{result.table} failed: {result.error}"
    held = [_count(records, result) for records in moments]
    return "" if result.rows in held else f"{result.table} has {result.rows} rows, but the fleet holds {held[-1]}."


if __name__ == "__main__":
    try:
        sys.exit(main())
    except ParticleError as error:
        sys.exit(str(error))
