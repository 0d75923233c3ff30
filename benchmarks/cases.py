"""The cases: what each measures, for this project and the plain reader in turn, and its target.

Each returns figures by key. A ratio of speeds above 1 means that this project is faster, a ratio of costs below 1 that
it is cheaper.
"""

import dataclasses
from collections.abc import Callable
from statistics import median
from time import perf_counter
from typing import Any

from benchmarks import command_cases, spark
from benchmarks.cloud import Served, served
from benchmarks.figures import Figure, Figures, interleaved, rounded
from benchmarks.spark import Spent
from bridge.rows.schema import spark_schema
from bridge.spark.datasource import ParticleDataSource
from bridge.tables.catalog import table

LATENCY = 0.1
MANY = {"num_workers": "32"}


def rows(runs: int) -> Figures:
    """Devices without latency, in Spark: of one product, and of four."""
    one, _, _ = _rows(runs, 1, 20_000)
    four, cpu, work = _rows(runs, 4, 10_000)
    micros = {name: round(value * 1e6, 1) for name, value in cpu.items()}
    return {
        "spark_rows_per_s_ratio": dataclasses.replace(one, at_least=3),
        "spark_rows_per_s_ratio_of_4": dataclasses.replace(four, at_least=2),
        "cpu_per_row_ratio": Figure(
            cpu["ours"] / cpu["plain"],
            f"{work}; CPU of the Python workers",
            at_most=0.4,
            parts={"µs per row": micros},
        ),
    }


def _rows(runs: int, products: int, devices: int) -> tuple[Figure, dict[str, float], str]:
    work = f"{products} product{'s' if products > 1 else ''} of {devices:,} devices, no latency, Spark noop sink"
    with served(products=products, devices=devices) as cloud, spark.session() as session:
        ours, plain = spark.ours(session, cloud, "product_devices"), spark.plain(session, cloud, "product_devices")
        count = ours.count()
        spent = interleaved(runs, {"ours": lambda: spark.read(ours), "plain": lambda: spark.read(plain)})
    seconds = {name: median(run.seconds for run in measured) for name, measured in spent.items()}
    cpu = {name: median(run.cpu for run in measured) / count for name, measured in spent.items()}
    parts = {"seconds": rounded(seconds), "rows": count}
    return Figure(seconds["plain"] / seconds["ours"], work, parts=parts), cpu, work


def pages(runs: int) -> Figures:
    """One long list behind a slow network."""
    work = "one product of 20,000 devices, 100 ms a request, num_workers=32"
    with served(devices=20_000, latency=LATENCY) as cloud, spark.session() as session:
        return {"pages_latency_ratio": _latency(session, cloud, "product_devices", runs, work)}


def vitals(runs: int) -> Figures:
    """One request for each device behind a slow network."""
    work = "vitals of 500 devices, 100 ms a request, num_workers=32"
    with served(devices=500, latency=LATENCY) as cloud, spark.session() as session:
        return {"vitals_latency_ratio": _latency(session, cloud, "diagnostics", min(runs, 3), work, device_id="*")}


def budget(_runs: int) -> Figures:
    """A limit that the server enforces, and four tasks that run at once."""
    limit, window, requests = 1_000, 30.0, 4_500
    with served(devices=4_315, rate_limit=(limit, window)) as cloud, spark.session(cores=4) as session:
        given = {"requests_per_5_minutes": str(limit), "budget_seconds": str(window), "device_id": "*", **MANY}
        spent = spark.read(spark.ours(session, cloud, "diagnostics", numPartitions="4", **given))
        sent, rejected = cloud.requests(), cloud.rejected()
    work = f"{requests:,} requests under an enforced {limit:,} in {window:.0f} s, 4 Spark tasks at once: seconds / 120"
    return {
        "budget_ratio": Figure(
            spent.seconds / 120, work, at_most=1.1, parts={"seconds": round(spent.seconds, 1), "requests": sent}
        ),
        "rejected_429": Figure(rejected, "the same", at_most=0),
    }


def memory(_runs: int) -> Figures:
    """The peak of a worker's memory, which must not grow with the table."""
    peaks = {}
    with spark.session() as session:
        for devices in (10_000, 100_000):
            with served(products=10, devices=devices, same_devices=True) as cloud:
                spark.read(spark.ours(session, cloud, "product_devices"))
                peaks[f"{10 * devices:,} rows"] = spark.peak_memory() / 2**20
    small, large = peaks.values()
    work = "peak memory of a worker, 1,000,000 rows / 100,000 rows, 10 products"
    return {"rss_growth_ratio": Figure(large / small, work, at_most=1.15, parts={"MiB": rounded(peaks)})}


def planning(runs: int) -> Figures:
    """The plan of a read, which must not grow with the fleet."""
    took = {}
    for devices in (10_000, 100_000):
        with served(devices=devices) as cloud:
            took[devices] = median(_plan(cloud) for _ in range(runs))
    work = "planning the vitals of 100,000 devices / of 10,000"
    parts = {f"{devices:,} devices, ms": round(seconds * 1e3, 2) for devices, seconds in took.items()}
    return {"plan_100k_s_ratio": Figure(took[100_000] / took[10_000], work, at_most=12, parts=parts)}


def scale(_runs: int) -> Figures:
    """The vitals of a hundred thousand devices: no step may take longer with each device."""
    took = {}
    for devices in (10_000, 100_000):
        with served(devices=devices) as cloud, spark.session() as session:
            frame = spark.ours(session, cloud, "diagnostics", device_id="*")
            took[f"{devices:,} devices"] = spark.read(frame).seconds
    work = "reading the vitals of 100,000 devices / of 10,000, no latency, no limit"
    ratio = took["100,000 devices"] / took["10,000 devices"]
    return {"scale_ratio": Figure(ratio, work, at_most=12, parts=rounded(took))}


CASES: dict[str, tuple[Callable[[int], Figures], tuple[str, ...]]] = {
    "rows": (rows, ("spark_rows_per_s_ratio", "spark_rows_per_s_ratio_of_4", "cpu_per_row_ratio")),
    "airbyte": (command_cases.airbyte, ("airbyte_cpu_ratio", "airbyte_rows_per_s_ratio")),
    "start": (command_cases.start, ("airbyte_start_ratio", "start_ratio")),
    "incremental": (command_cases.incremental, ("incremental_rest_ratio",)),
    "state": (command_cases.state, ("state_100k_s",)),
    "lists": (command_cases.lists, ("list_overhead",)),
    "cli_sync": (command_cases.cli_sync, ("cli_sync_ratio", "cli_memory_ratio")),
    "cli_start": (command_cases.cli_start, ("cli_start_s", "cli_head_s")),
    "pages": (pages, ("pages_latency_ratio",)),
    "vitals": (vitals, ("vitals_latency_ratio",)),
    "budget": (budget, ("budget_ratio", "rejected_429")),
    "memory": (memory, ("rss_growth_ratio",)),
    "planning": (planning, ("plan_100k_s_ratio",)),
    "scale": (scale, ("scale_ratio",)),
}
"""Each case and the keys of its figures, in the order of the table."""


def _latency(session: Any, cloud: Served, name: str, runs: int, work: str, **options: str) -> Figure:
    ours = spark.ours(session, cloud, name, **MANY, **options)
    plain = spark.plain(session, cloud, name)
    # Behind a slow network the plain reader takes minutes, and there is nothing to warm up that would show.
    spark.read(ours)
    taken: dict[str, list[Spent]] = {"ours": [], "plain": []}
    for _ in range(runs):
        taken["ours"].append(spark.read(ours))
        taken["plain"].append(spark.read(plain))
    seconds = {label: median(spent.seconds for spent in measured) for label, measured in taken.items()}
    parts = {"seconds": rounded(seconds), "runs": runs}
    return Figure(seconds["plain"] / seconds["ours"], work, at_least=10, parts=parts)


def _plan(cloud: Served) -> float:
    options = {"access_token": cloud.token, "base_url": cloud.url, "device_id": "*", "path": "diagnostics"}
    start = perf_counter()
    ParticleDataSource(options).reader(spark_schema(table("diagnostics"))).partitions()
    return perf_counter() - start
