"""A standalone Spark cluster on this machine: a master and workers with one core each, all separate processes."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pyspark.find_spark_home import _find_spark_home

DEADLINE = 60.0


class Node:
    """A master or a worker, in a process group of its own, with all that it starts."""

    def __init__(self, role: str, folder: Path, *arguments: str) -> None:
        self.folder = folder
        self.folder.mkdir(parents=True)
        self.log = self.folder / "log"
        command = [f"{_find_spark_home()}/bin/spark-class", f"org.apache.spark.deploy.{role.lower()}.{role}"]
        command += ["--host", "127.0.0.1", "--port", "0", "--webui-port", "0", *arguments]
        # Python workers of executors: this Python, and nothing of this checkout but what Spark ships to them.
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        environment |= {"PYSPARK_PYTHON": sys.executable, "SPARK_LOCAL_IP": "127.0.0.1"}
        environment["SPARK_DAEMON_JAVA_OPTS"] = "-Dspark.master.rest.enabled=false"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                command, cwd=self.folder, env=environment, stdout=log, stderr=log, start_new_session=True
            )

    def said(self, pattern: str) -> str:
        """Wait for a line of the log, and give what the pattern's group matched."""
        deadline = time.monotonic() + DEADLINE
        while not (found := re.search(pattern, self.log.read_text())):
            assert self.is_running, self.log.read_text()
            assert time.monotonic() < deadline, f"{self.log.read_text()}\nsays nothing like {pattern}"
            time.sleep(0.1)
        return found[1]

    @property
    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self.process.poll() is None

    def kill(self) -> None:
        """End it and its executors as a power cut would; Python workers end when these are gone."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


class Cluster:
    """A running master, and workers that can be killed and replaced."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._master = Node("Master", folder)
        self.workers: list[Node] = []
        self.address = ""

    def start_workers(self, count: int) -> None:
        """Start as many workers as are missing."""
        self.address = self._master.said(r"Starting Spark master at (spark://\S+)")
        self.workers = [worker for worker in self.workers if worker.is_running]
        for number in range(len(self.workers), count):
            folder = self._folder / f"{number}-{time.monotonic_ns()}"
            own = ("--cores", "1", "--memory", "1g", "--work-dir", str(folder), self.address)
            self.workers.append(Node("Worker", folder, *own))
        for worker in self.workers:
            worker.said(r"(Successfully registered with master)")

    def stop(self) -> None:
        """End all processes."""
        for node in (*self.workers, self._master):
            if node.is_running:
                node.kill()


@contextmanager
def standalone_cluster(folder: Path) -> Iterator[Cluster]:
    """Yield a cluster that has no workers yet."""
    cluster = Cluster(folder / "master")
    try:
        yield cluster
    finally:
        cluster.stop()
