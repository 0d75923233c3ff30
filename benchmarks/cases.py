"""The cases: what each measures, for this project and the plain reader in turn, and its target.

Each returns figures by key. A ratio of speeds above 1 means that this project is faster, a ratio of costs below 1 that
it is cheaper.
"""

import logging
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from statistics import median
from time import perf_counter, process_time
from typing import Any

import orjson
import pyarrow as pa  # type: ignore[import-untyped]

from benchmarks import spark
from benchmarks.cloud import Served, served
from benchmarks.plain import product_devices, session_for
from benchmarks.spark import Spent
from bridge.rows.batches import record_batches
from bridge.rows.schema import arrow_schema, spark_schema
from bridge.spark.datasource import ParticleDataSource
from bridge.tables.catalog import table
from source_particle.source import SourceParticle
from unit_tests.support.catalogs import catalog_of

LATENCY = 0.1
MANY = {"num_workers": "32"}


@dataclass(frozen=True)
class Figure:
    """One measured figure, what it is made of, and what it should reach (`at_most` or `at_least`)."""

    value: float
    work: str
    at_least: float | None = None
    at_most: float | None = None
    parts: dict[str, Any] | None = None

    @property
    def is_met(self) -> bool:
        """Return whether the figure reaches its target."""
        return (self.at_least is None or self.value >= self.at_least) and (
            self.at_most is None or self.value <= self.at_most
        )

    def as_json(self) -> dict[str, Any]:
        """Return the figure for results.json."""
        return {**{name: value for name, value in asdict(self).items() if value is not None}, "met": self.is_met}


Figures = dict[str, Figure]


def rows(runs: int) -> Figures:
    """Devices of four products without latency, in Spark."""
    work = "4 products of 10,000 devices, no latency, Spark noop sink"
    with served(products=4, devices=10_000) as cloud, spark.session() as session:
        ours, plain = spark.ours(session, cloud, "product_devices"), spark.plain(session, cloud, "product_devices")
        count = ours.count()
        spent = _interleaved(runs, {"ours": lambda: spark.read(ours), "plain": lambda: spark.read(plain)})
        floor = _floor(cloud)
    seconds = {name: median(run.seconds for run in measured) for name, measured in spent.items()}
    cpu = {name: median(run.cpu for run in measured) / count for name, measured in spent.items()}
    micros = {name: round(value * 1e6, 1) for name, value in {**cpu, "floor": floor}.items()}
    return {
        "spark_rows_per_s_ratio": Figure(
            seconds["plain"] / seconds["ours"], work, at_least=2, parts={"seconds": _rounded(seconds), "rows": count}
        ),
        "cpu_per_row_ratio": Figure(
            cpu["ours"] / cpu["plain"], f"{work}; CPU of the Python workers", at_most=0.6, parts={"µs per row": micros}
        ),
        "floor_ratio": Figure(
            cpu["ours"] / floor,
            "the same, beside orjson and from_pylist",
            at_most=4,
            parts={"µs per row": micros},
        ),
    }


def airbyte(runs: int) -> Figures:
    """The messages of an Airbyte sync."""
    with served(products=4, devices=10_000) as cloud:
        took = _interleaved(runs, {"ours": lambda: _airbyte_read(cloud), "plain": lambda: _plain_read(cloud)})
    seconds = {name: median(measured) for name, measured in took.items()}
    work = "4 products of 10,000 devices, source.read() beside the plain loop's dictionaries"
    return {"airbyte_rows_per_s_ratio": Figure(seconds["plain"] / seconds["ours"], work, parts=_rounded(seconds))}


def pages(runs: int) -> Figures:
    """One long list behind a slow network."""
    work = "one product of 20,000 devices, 100 ms a request, num_workers=32"
    with served(devices=20_000, latency=LATENCY) as cloud, spark.session() as session:
        return {"pages_latency_ratio": _latency(session, cloud, "product_devices", runs, work)}


def vitals(runs: int) -> Figures:
    """One request for each device behind a slow network."""
    work = "vitals of 2,000 devices, 100 ms a request, num_workers=32"
    with served(devices=2_000, latency=LATENCY) as cloud, spark.session() as session:
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
    return {"rss_growth_ratio": Figure(large / small, work, at_most=1.15, parts={"MiB": _rounded(peaks)})}


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
    return {"scale_ratio": Figure(ratio, work, at_most=12, parts=_rounded(took))}


def start(runs: int) -> Figures:
    """The command `source-particle spec`, beside importing what runs it."""
    commands = {
        "ours": "from source_particle.run import run; run(['spec'])",
        "plain": "import airbyte_cdk.entrypoint",
    }
    calls = {name: partial(_run_python, code) for name, code in commands.items()}
    took = {name: median(measured) for name, measured in _interleaved(runs, calls).items()}
    work = "source-particle spec beside importing the Airbyte CDK"
    return {"start_ratio": Figure(took["ours"] / took["plain"], work, parts=_rounded(took))}


CASES: dict[str, Callable[[int], Figures]] = {
    case.__name__: case for case in (rows, airbyte, pages, vitals, budget, memory, planning, scale, start)
}


def _interleaved(runs: int, calls: Mapping[str, Callable[[], Any]]) -> dict[str, list[Any]]:
    """Call each in turn, once to warm up and then `runs` times, so that a busy minute hits all alike."""
    for call in calls.values():
        call()
    measured: dict[str, list[Any]] = {name: [] for name in calls}
    for _ in range(runs):
        for name, call in calls.items():
            measured[name].append(call())
    return measured


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
    parts = {"seconds": _rounded(seconds), "runs": runs}
    return Figure(seconds["plain"] / seconds["ours"], work, at_least=10, parts=parts)


def _floor(cloud: Served) -> float:
    """Return the CPU seconds per row of parsing pages and making record batches of rows that fit already."""
    part = table("product_devices")
    schema, session = arrow_schema(part), session_for(cloud.token)
    address = f"{cloud.url}/v1/products/{cloud.products[0]}/devices"
    bodies = [session.get(address, params={"page": page, "per_page": 100}).content for page in range(1, 101)]
    records = [orjson.loads(body)["devices"] for body in bodies]
    fitting = [[row for batch in record_batches(page, part) for row in batch.to_pylist()] for page in records]
    best = min(_floor_pass(bodies, fitting, schema) for _ in range(5))
    return best / sum(map(len, records))


def _floor_pass(bodies: Iterable[bytes], fitting: Iterable[list[dict[str, Any]]], schema: pa.Schema) -> float:
    start = process_time()
    for body in bodies:
        orjson.loads(body)
    for page in fitting:
        pa.RecordBatch.from_pylist(page, schema=schema)
    return process_time() - start


def _airbyte_read(cloud: Served) -> float:
    config = {
        "credentials": {"auth_type": "access_token", "access_token": cloud.token},
        "base_url": cloud.url,
        "requests_per_5_minutes": int(spark.PLENTY),
        "product_devices": {"product_id_or_slug": ",".join(map(str, cloud.products))},
    }
    catalog = catalog_of("product_devices")
    logging.getLogger("airbyte").setLevel(logging.WARNING)
    start = perf_counter()
    for _message in SourceParticle(config, catalog, []).read(logging.getLogger("airbyte"), config, catalog, []):
        pass
    return perf_counter() - start


def _plain_read(cloud: Served) -> float:
    start, session = perf_counter(), session_for(cloud.token)
    for product in cloud.products:
        for _record in product_devices(session, cloud.url, product):
            pass
    return perf_counter() - start


def _plan(cloud: Served) -> float:
    options = {"access_token": cloud.token, "base_url": cloud.url, "device_id": "*", "path": "diagnostics"}
    start = perf_counter()
    ParticleDataSource(options).reader(spark_schema(table("diagnostics"))).partitions()
    return perf_counter() - start


def _run_python(code: str) -> float:
    start = perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, cwd=spark.ROOT)
    return perf_counter() - start


def _rounded(values: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 2) for name, value in values.items()}
