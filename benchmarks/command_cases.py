"""The cases of the commands: `source-particle` as Airbyte runs it, and `particle-bridge`."""

import json
import logging
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from functools import partial
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from typing import Any

from benchmarks.cloud import Served, served
from benchmarks.commands import ROOT, SOURCE, Cost, cost_of, python, read_command, seconds_to_first_record
from benchmarks.figures import Figure, Figures, interleaved, rounded
from benchmarks.loop import session_for
from bridge.reading import reader
from bridge.reading.tasks import descriptors
from bridge.tables.catalog import table
from bridge.tables.options import Options
from source_particle.garbage import rare_collections
from source_particle.inputs import read_state
from source_particle.source import SourceParticle
from unit_tests.support.catalogs import catalog_of

IMPORT = "import airbyte_cdk.entrypoint"
LATENCY = 0.02
DOCUMENTED = (
    "devices",
    "products",
    "sims",
    "user",
    "oauth_clients",
    "product_devices",
    "product_sims",
    "diagnostics",
    "sim_data_usage",
    "fleet_data_usage",
)
# PyAirbyte has an environment of its own: `make test-pyairbyte`.
PYAIRBYTE = ROOT / ".venv-pyairbyte" / "bin"
PYAIRBYTE_SYNC = """
import os, sys
import airbyte as ab
config = {
    "credentials": {"auth_type": "access_token", "access_token": os.environ["PARTICLE_ACCESS_TOKEN"]},
    "base_url": os.environ["PARTICLE_BASE_URL"],
    "num_workers": 32,
}
source = ab.get_source("source-particle", config=config, local_executable=sys.argv[1])
source.select_streams(sys.argv[2].split(","))
source.read(cache=ab.new_local_cache("bench"))
"""


def airbyte(runs: int) -> Figures:
    """The messages of an Airbyte sync, beside a loop that prints them."""
    with served(products=4, devices=25_000) as cloud:
        products = ",".join(map(str, cloud.products))
        with read_command(cloud, "product_devices", product_devices={"product_id_or_slug": products}) as words:
            calls = {
                "ours": partial(cost_of, words),
                "plain": partial(cost_of, python("-m", "benchmarks.loop", cloud.url, cloud.token, products)),
                "import of the CDK": partial(cost_of, python("-c", IMPORT)),
            }
            costs = interleaved(min(runs, 3), calls, warm=False)
    cpu = {name: median(cost.cpu for cost in measured) for name, measured in costs.items()}
    seconds = {name: median(cost.seconds for cost in measured) for name, measured in costs.items()}
    after_import = (cpu["ours"] - cpu["import of the CDK"]) / cpu["plain"]
    work = "source-particle read of 100,000 devices beside a loop of requests that prints them; CPU of the processes"
    parts = {"seconds of CPU": rounded(cpu), "ratio without the import": round(after_import, 2)}
    return {
        "airbyte_cpu_ratio": Figure(cpu["ours"] / cpu["plain"], work, at_most=1.3, parts=parts),
        "airbyte_rows_per_s_ratio": Figure(
            seconds["plain"] / seconds["ours"], "the same, rows per second", parts={"seconds": rounded(seconds)}
        ),
    }


def start(runs: int) -> Figures:
    """How soon the source has its first record, beside importing what runs it."""
    with served(devices=100) as cloud, read_command(cloud, "product_devices") as words:
        calls: dict[str, Callable[[], float]] = {
            "first record": partial(seconds_to_first_record, words),
            "spec": partial(_seconds, python("-c", SOURCE, "spec")),
            "import": partial(_seconds, python("-c", IMPORT)),
        }
        took = {name: median(measured) for name, measured in interleaved(runs, calls).items()}
    parts = {"seconds": rounded(took)}
    return {
        "airbyte_start_ratio": Figure(
            took["first record"] / took["import"],
            "the first record of source-particle read beside importing the Airbyte CDK",
            at_most=1.3,
            parts=parts,
        ),
        "start_ratio": Figure(
            took["spec"] / took["import"], "source-particle spec beside importing the Airbyte CDK", parts=parts
        ),
    }


def cli_start(runs: int) -> Figures:
    """How soon particle-bridge answers."""
    command = [str(Path(sys.executable).with_name("particle-bridge"))]
    with served(devices=100) as cloud:
        given = {"PARTICLE_ACCESS_TOKEN": cloud.token, "PARTICLE_BASE_URL": cloud.url}
        calls = {
            "tables": partial(_seconds, [*command, "tables"]),
            "--version": partial(_seconds, [*command, "--version"]),
            "head devices": partial(_seconds, [*command, "head", "devices"], given),
        }
        # Each takes a second at most, so that one moment in which the machine is busy could decide few runs.
        measured = interleaved(4 * runs, calls)
    took = {name: median(seconds) for name, seconds in measured.items()}
    fastest = {name: min(seconds) for name, seconds in measured.items()}
    parts = {"seconds": rounded(took), "seconds of the fastest run": rounded(fastest)}
    return {
        "cli_start_s": Figure(
            max(took["tables"], took["--version"]),
            "seconds of particle-bridge tables and --version, the longer of both",
            at_most=0.3,
            parts=parts,
        ),
        "cli_head_s": Figure(took["head devices"], "seconds of particle-bridge head devices", at_most=1.5, parts=parts),
    }


def incremental(_runs: int) -> Figures:
    """A sync that finds nothing new, beside its requests alone."""
    with served(devices=10_000, latency=LATENCY) as cloud:
        given: dict[str, Any] = {"incremental": True, "num_workers": 32, "diagnostics": {"device_id": "*"}}
        with read_command(cloud, "diagnostics", **given) as words:
            first = cost_of(words, keep=True)
        state = _last_state(first.printed)
        before = cloud.requests()
        with read_command(cloud, "diagnostics", state, **given) as words:
            again = cost_of(words)
        sent = cloud.requests() - before
        alone = _requests_alone(cloud, state[0]["stream"]["stream_state"]["states"])
    seconds = {"first sync": first.seconds, "sync without news": again.seconds, "10,000 requests alone": alone}
    work = "incremental sync of 10,000 devices without news, beside 10,000 requests alone, 32 at once, 20 ms each"
    parts = {"seconds": rounded(seconds), "seconds of CPU": round(again.cpu, 2), "requests": sent}
    return {"incremental_rest_ratio": Figure(again.seconds / alone, work, at_most=1.1, parts=parts)}


def state(runs: int) -> Figures:
    """Reading the state of the last sync, which must not take longer with each device."""
    # A minute each time.
    took = {count: median(_seconds_to_resume(count) for _ in range(min(runs, 2))) for count in (10_000, 100_000)}
    parts = {f"{count:,} cursors, s": round(seconds, 2) for count, seconds in took.items()}
    work = "reading a state of 100,000 cursors / of 10,000, seconds of CPU"
    return {"state_100k_s": Figure(took[100_000] / took[10_000], work, at_most=12, parts=parts)}


def lists(_runs: int) -> Figures:
    """How often the tasks of a read list the fleet."""
    devices, cores = 100_000, 32
    with served(devices=devices) as cloud:
        given = {"access_token": cloud.token, "base_url": cloud.url, "device_id": "*"}
        options = Options.parse(given, table("diagnostics"))
        # The lists are read, as each task does; its requests for vitals are counted.
        listing, _vitals = reader.count_requests(table("diagnostics"), options.config())
    tasks = len(descriptors(options, cores))
    work = "requests of a read of the vitals of 100,000 devices on 32 cores / 100,000, counted"
    parts = {"tasks": tasks, "requests of a list": listing}
    return {"list_overhead": Figure((devices + tasks * listing) / devices, work, at_most=1.1, parts=parts)}


def cli_sync(_runs: int) -> Figures:
    """The ten documented tables into DuckDB, by particle-bridge and by PyAirbyte with this source."""
    if not (PYAIRBYTE / "source-particle").exists():
        raise RuntimeError("PyAirbyte is not installed. Run: make .venv-pyairbyte/.installed")
    with served(products=2, devices=1_000, latency=LATENCY) as cloud, tempfile.TemporaryDirectory() as folder:
        environment = {
            "PARTICLE_ACCESS_TOKEN": cloud.token,
            "PARTICLE_BASE_URL": cloud.url,
            "DO_NOT_TRACK": "1",
            "AIRBYTE_OFFLINE_MODE": "1",
            "AIRBYTE_LOGGING_ROOT": f"{folder}/logs",
        }
        bridge = [str(Path(sys.executable).with_name("particle-bridge")), "sync", *DOCUMENTED, "-q"]
        ours = cost_of([*bridge, "-o", "num_workers=32", "--to", f"{folder}/ours.duckdb"], environment)
        words = [str(PYAIRBYTE / "python"), "-c", PYAIRBYTE_SYNC, str(PYAIRBYTE / "source-particle")]
        theirs = cost_of([*words, ",".join(DOCUMENTED)], environment, Path(folder))
    parts = {"particle-bridge": _parts(ours), "PyAirbyte": _parts(theirs)}
    work = "ten tables of 2 products and 2,000 devices into DuckDB, 20 ms a request, beside PyAirbyte"
    return {
        "cli_sync_ratio": Figure(ours.seconds / theirs.seconds, f"{work}; time", at_most=0.5, parts=parts),
        "cli_memory_ratio": Figure(ours.mib / theirs.mib, "the same; memory", parts=parts),
    }


def _parts(cost: Cost) -> dict[str, float]:
    return rounded({"seconds": cost.seconds, "seconds of CPU": cost.cpu, "MiB of the largest process": cost.mib})


def _seconds(words: list[str], environment: dict[str, str] | None = None) -> float:
    return cost_of(words, environment).seconds


def _last_state(printed: str) -> list[Any]:
    lines = [line for line in printed.splitlines() if line.startswith('{"type":"STATE"')]
    return [json.loads(lines[-1])["state"]]


def _requests_alone(cloud: Served, cursors: list[Any]) -> float:
    """Return the seconds that the requests of a sync take, 32 at once, for each device from its cursor on."""
    [product] = cloud.products
    sessions = [session_for(cloud.token) for _ in range(32)]
    # A device without vitals has an older cursor than the API accepts.
    kept_since = (datetime.now(timezone.utc) - timedelta(days=29)).strftime("%Y-%m-%dT%H:%M:%S.000Z")

    def ask(number: int) -> None:
        for part in cursors[number :: len(sessions)]:
            address = f"{cloud.url}/v1/products/{product}/diagnostics/{part['partition']['device_id']}"
            response = sessions[number].get(
                address, params={"start_date": max(part["cursor"]["updated_at"], kept_since)}
            )
            response.raise_for_status()

    begin = perf_counter()
    with ThreadPoolExecutor(len(sessions)) as pool:
        list(pool.map(ask, range(len(sessions))))
    return perf_counter() - begin


def _seconds_to_resume(count: int) -> float:
    """Return the seconds of CPU from a file of state to streams that are ready to read."""
    yesterday = (datetime.now(timezone.utc) - timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    cursors = [
        {"partition": {"device_id": f"{number:024x}"}, "cursor": {"updated_at": yesterday}} for number in range(count)
    ]
    stream = {
        "stream_descriptor": {"name": "diagnostics"},
        "stream_state": {"states": cursors, "use_global_cursor": False, "state": {}},
    }
    config = {"credentials": {"auth_type": "access_token", "access_token": "unused"}}
    logging.getLogger("airbyte").setLevel(logging.WARNING)
    with tempfile.NamedTemporaryFile("w", suffix=".json", delete=False) as file:
        json.dump([{"type": "STREAM", "stream": stream}], file)
    begin = process_time()
    # As the command does.
    with rare_collections():
        source = SourceParticle(config, catalog_of("diagnostics", incremental=True), read_state(file.name))
        source.streams(config)
    seconds = process_time() - begin
    Path(file.name).unlink()
    return seconds
