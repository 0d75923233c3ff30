"""`make demo`: a made-up fleet, read through Spark into ./lake and counted against what the fleet really holds.

It needs no Particle account: a local server stands in for the Device Cloud. `particle-bridge sync` does the same with
a real account.
"""

import json
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table as Grid
from rich.text import Text

from bridge.export.sync import TableResult, sync
from bridge.tables.catalog import tables
from integration_tests.device_cloud import DeviceCloud, Fleet, FleetSize

LAKE = Path("lake")
# What the grid needs beside the sample, which is cut to one line.
OTHER_COLUMNS = 45
SIZE = FleetSize(products=3, devices=400, sims=60, days=3, user_devices=40, user_sims=20)


def main(lake: Path = LAKE, size: FleetSize = SIZE) -> int:
    """Read every table and compare; return 0 when every row count equals the fleet's, else 1."""
    console = Console()
    with DeviceCloud(Fleet.seeded(size)) as cloud:
        console.print(f"A Device Cloud with {size.products} large products listens on {cloud.url}. Starting Spark.")
        results = sync(
            lake,
            {"access_token": cloud.token, "base_url": cloud.url},
            on_start=lambda name: console.print(f"  reading {name} …"),
        )
        # `sync` reads everything: a required option that is not given is `*`.
        held = {
            name: len(cloud.ledger.records(name, dict.fromkeys(table.required_options, "*")))
            for name, table in tables().items()
        }
    console.print(_grid(results, console.width))
    differences = [_difference(result, held[result.table]) for result in results]
    for difference in filter(None, differences):
        console.print(difference, style="red", markup=False, soft_wrap=True)
    if any(differences):
        return 1
    rows = sum(result.rows for result in results)
    console.print(f"All {len(results)} tables hold exactly what the fleet holds: {rows} rows, as Parquet in {lake}/.")
    return 0


def _grid(results: list[TableResult], width: int) -> Grid:
    grid = Grid("Table", "Rows", "Seconds", "A row")
    for result in results:
        sample = Text(json.dumps(result.sample, ensure_ascii=False))
        sample.truncate(max(width - OTHER_COLUMNS, 20), overflow="ellipsis")
        grid.add_row(result.table, str(result.rows), f"{result.seconds:.1f}", sample)
    return grid


def _difference(result: TableResult, held: int) -> str:
    if result.error:
        return f"{result.table} failed: {result.error}"
    return "" if result.rows == held else f"{result.table} has {result.rows} rows, but the fleet holds {held}."


if __name__ == "__main__":
    sys.exit(main())
