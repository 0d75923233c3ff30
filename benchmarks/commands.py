"""Commands as whole processes: how long they take, their CPU and their memory."""

import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

import psutil
from airbyte_cdk.models import ConfiguredAirbyteCatalogSerializer

from benchmarks.cloud import Served
from unit_tests.support.catalogs import catalog_of

ROOT = Path(__file__).parents[1]
PLENTY = 100_000_000
SOURCE = "from source_particle.run import run; run()"


class Cost(NamedTuple):
    """What a command cost: seconds by the clock and of CPU, the peak of its largest process, and what it printed."""

    seconds: float
    cpu: float
    mib: float
    printed: str


def python(*arguments: str) -> list[str]:
    """Return the words of a command of this environment's Python."""
    return [sys.executable, *arguments]


def cost_of(
    words: list[str], environment: Mapping[str, str] | None = None, folder: Path = ROOT, *, keep: bool = False
) -> Cost:
    """Run a command to its end; raises RuntimeError with what it printed if it fails."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), perf_counter()
    with tempfile.TemporaryFile("w+") as errors, tempfile.TemporaryFile("w+") as output:
        out: Any = output if keep else subprocess.DEVNULL
        process = subprocess.Popen(
            words, env={**os.environ, **(environment or {})}, cwd=folder, stdout=out, stderr=errors
        )
        peak = _Peak(process.pid)
        code = process.wait()
        seconds, after = perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
        for file in (errors, output):
            file.seek(0)
        if code:
            raise RuntimeError(f"{words}: {errors.read()[-2000:]}{output.read()[-2000:]}")
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return Cost(seconds, cpu, peak.stop() / 2**20, output.read())


def seconds_to_first_record(words: list[str]) -> float:
    """Run a command until it prints a record."""
    start = perf_counter()
    with subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith('{"type":"RECORD"'):
                seconds = perf_counter() - start
                process.terminate()
                return seconds
    raise RuntimeError(f"{words} printed no record")


@contextmanager
def read_command(
    cloud: Served, name: str, state: list[Any] | None = None, *, incremental: bool = False, **options: Any
) -> Iterator[list[str]]:
    """Return the words of `source-particle read` for one table, whose files are there as long as the block lasts."""
    config = {
        "credentials": {"auth_type": "access_token", "access_token": cloud.token},
        "base_url": cloud.url,
        "requests_per_5_minutes": PLENTY,
        **options,
    }
    catalog = ConfiguredAirbyteCatalogSerializer.dump(catalog_of(name, incremental=incremental))
    files = {"config": config, "catalog": catalog, **({"state": state} if state is not None else {})}
    with tempfile.TemporaryDirectory() as folder:
        words = python("-c", SOURCE, "read")
        for option, content in files.items():
            path = Path(folder, f"{option}.json")
            path.write_text(json.dumps(content), encoding="utf-8")
            words += [f"--{option}", str(path)]
        yield words


class _Peak:
    """The highest peak of resident memory of any process in a tree, looked at again and again.

    What the system adds up for a process that has ended begins with the memory of the one that started it.
    """

    def __init__(self, pid: int) -> None:
        self._pid, self._bytes, self._ended = pid, 0, threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        while not self._ended.wait(0.1):
            try:
                root = psutil.Process(self._pid)
                for process in (root, *root.children(recursive=True)):
                    self._bytes = max(self._bytes, high_water(process.pid))
            except (psutil.Error, OSError, StopIteration):
                continue

    def stop(self) -> int:
        self._ended.set()
        self._thread.join()
        return self._bytes


def high_water(pid: int) -> int:
    """Return the peak of a process's resident memory in bytes."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM"))
