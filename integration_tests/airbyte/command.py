"""A source as a platform runs it: a command that reads files and prints one Airbyte message per line."""

import json
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from airbyte_cdk.models import AirbyteMessage, AirbyteMessageSerializer, ConfiguredAirbyteCatalogSerializer

from bridge.tables import catalog
from integration_tests.device_cloud import DeviceCloud
from unit_tests.support.catalogs import catalog_of

TABLES = tuple(catalog.tables())
PARTS = ("record", "state", "log", "spec", "connectionStatus", "catalog", "trace", "control")


@dataclass(frozen=True)
class Finished:
    """What a run of the command gave."""

    code: int
    stdout: str
    stderr: str
    seconds: float

    @property
    def messages(self) -> list[AirbyteMessage]:
        """All messages; a line that is none, or has not the part that its type promises, is an error."""
        messages = [AirbyteMessageSerializer.load(json.loads(line)) for line in self.stdout.splitlines()]
        for message in messages:
            [part] = [name for name in PARTS if getattr(message, name) is not None]
            assert part.lower() == message.type.value.replace("_", "").lower()
        return messages

    def parts(self, name: str) -> list[Any]:
        """Such a part of each message that has one: record, state, log, spec, connectionStatus, catalog or trace."""
        return [getattr(message, name) for message in self.messages if getattr(message, name) is not None]

    @property
    def records(self) -> dict[str, list[dict[str, Any]]]:
        """All records by stream."""
        found: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for record in self.parts("record"):
            found[record.stream].append(record.data)
        return found

    @property
    def state(self) -> list[dict[str, Any]]:
        """The last state of each stream, as a file for the next run holds it."""
        lines = [json.loads(line) for line in self.stdout.splitlines()]
        states = [line["state"] for line in lines if line["type"] == "STATE"]
        return list({state["stream"]["stream_descriptor"]["name"]: state for state in states}.values())

    @property
    def errors(self) -> str:
        """All error messages as one text."""
        return "\n".join(trace.error.message for trace in self.parts("trace") if trace.error)


@dataclass(frozen=True)
class Command:
    """The words that start a source, and the folder that its files are put into and that it runs in."""

    words: tuple[str, ...]
    folder: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    # Where the source sees the folder, when it sees another file system.
    seen_at: Path | None = None

    def run(self, verb: str, **files: Any) -> Finished:
        """Run spec, check, discover or read with files named by their options: config, catalog, state."""
        arguments = [verb]
        for name, content in files.items():
            text = content if isinstance(content, str) else json.dumps(content)
            (self.folder / f"{name}.json").write_text(text, encoding="utf-8")
            arguments += [f"--{name}", str((self.seen_at or self.folder) / f"{name}.json")]
        begin = time.monotonic()
        done = subprocess.run(
            [*self.words, *arguments],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        return Finished(done.returncode, done.stdout, done.stderr, time.monotonic() - begin)


def python_command(folder: Path, module_path: Path, statement: str) -> Command:
    """Make a command of a Python statement, with this environment's packages and a folder of modules before them."""
    return Command((sys.executable, "-c", statement), folder, {"PYTHONPATH": str(module_path)})


def catalog_file(*tables: str, incremental: Collection[str] = ()) -> dict[str, Any]:
    """Make the contents of a configured catalog; tables are read in full unless they are named as incremental."""
    catalogs = [catalog_of(table, incremental=table in incremental) for table in tables]
    return {
        "streams": [stream for one in catalogs for stream in ConfiguredAirbyteCatalogSerializer.dump(one)["streams"]]
    }


def differing(cloud: DeviceCloud, records: Mapping[str, list[dict[str, Any]]], tables: Iterable[str]) -> list[str]:
    """Name the tables whose records are not the ledger's; the CDK leaves top-level nulls out of the line it writes."""
    return [
        table
        for table in tables
        if _sorted(table, records.get(table, [])) != _sorted(table, cloud.ledger.records(table))
    ]


def _sorted(table: str, records: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    key = catalog.table(table).primary_key
    full = [{name: value for name, value in record.items() if value is not None} for record in records]
    return sorted(full, key=lambda record: [record[name] for name in key])
