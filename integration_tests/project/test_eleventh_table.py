"""Adding a table takes one entry in manifest.yaml and its data in the Device Cloud, and nothing else by hand."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from integration_tests.device_cloud import DeviceCloud
from unit_tests.support.paths import ROOT

ENTRY = """
  - type: DeclarativeStream
    name: build_targets
    primary_key: id
    retriever:
      type: CustomRetriever
      class_name: source_particle.components.ParticleRetriever
      $parameters: {name: build_targets}
      record_selector: {$ref: "#/definitions/records"}
      identified_by: [id]
      requester:
        $ref: "#/definitions/requester"
        url: "{{ config['base_url'] }}/v1/build_targets"
    schema_loader:
      type: InlineSchemaLoader
      schema:
        type: object
        additionalProperties: true
        description: Integrations of the user, one row per integration.
        x-ingestion-type: snapshot
        x-endpoint: ["/v1/build_targets"]
        properties:
          id: {type: ["null", string], description: Id of the integration.}
          event: {type: ["null", string], description: Prefix of the events it takes.}
          disabled: {type: ["null", boolean], description: Whether it is switched off.}
"""

DATA = [{"id": "a1", "event": "spark/", "disabled": False}, {"id": "a2", "url": "https://example.com"}]

READ_THROUGH_AIRBYTE = """
import json, logging, sys
from unit_tests.support.catalogs import catalog_of
from source_particle.source import SourceParticle
config = json.loads(sys.argv[1])
catalog = catalog_of("build_targets")
for message in SourceParticle(config=config, catalog=catalog).read(logging.getLogger(), config, catalog):
    if message.record:
        print("ROW", json.dumps(dict(message.record.data)))
"""

READ_THROUGH_SPARK = """
import json, sys
import bridge
from pyspark.sql import SparkSession
spark = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false").getOrCreate()
bridge.register(spark)
config = json.loads(sys.argv[1])
options = {"access_token": config["credentials"]["access_token"], "base_url": config["base_url"]}
for row in spark.read.format("particle").options(**options).load("build_targets").collect():
    print("ROW", json.dumps(row.asDict()))
spark.stop()
"""


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    """A copy of the project with one more entry in the manifest."""
    ignore = shutil.ignore_patterns("__pycache__")
    for part in ("source_particle", "bridge", "integration_tests"):
        shutil.copytree(ROOT / part, tmp_path / part, ignore=ignore)
    text = (ROOT / "manifest.yaml").read_text(encoding="utf-8")
    before, after = text.split("\n  - type: ConditionalStreams", 1)
    (tmp_path / "manifest.yaml").write_text(f"{before}{ENTRY}\n  - type: ConditionalStreams{after}", encoding="utf-8")
    return tmp_path


def _rows(scratch: Path, script: str, cloud: DeviceCloud) -> list[dict[str, object]]:
    config = {
        "credentials": {"auth_type": "access_token", "access_token": cloud.token},
        "base_url": cloud.url,
    }
    result = subprocess.run(
        [sys.executable, "-c", script, json.dumps(config)],
        cwd=scratch,
        env={"PYTHONPATH": str(scratch), "PYSPARK_PYTHON": sys.executable, "SPARK_LOCAL_IP": "127.0.0.1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr[-2000:]
    return [json.loads(line[4:]) for line in result.stdout.splitlines() if line.startswith("ROW ")]


def test_an_eleventh_table_is_read_through_airbyte(scratch: Path, cloud: DeviceCloud) -> None:
    cloud.serve("/v1/build_targets", DATA)

    assert _rows(scratch, READ_THROUGH_AIRBYTE, cloud) == DATA


def test_an_eleventh_table_is_read_through_spark(scratch: Path, cloud: DeviceCloud) -> None:
    cloud.serve("/v1/build_targets", DATA)

    assert _rows(scratch, READ_THROUGH_SPARK, cloud) == [
        {"id": "a1", "event": "spark/", "disabled": False, "_rescued_data": None},
        {"id": "a2", "event": None, "disabled": None, "_rescued_data": '{"url":"https://example.com"}'},
    ]


def test_an_eleventh_table_stands_in_the_list_of_tables(scratch: Path) -> None:
    command = "import bridge.tables.catalog; print(list(bridge.tables.catalog.tables()))"
    result = subprocess.run(
        [sys.executable, "-c", command], cwd=scratch, env={"PYTHONPATH": str(scratch)}, capture_output=True, check=True
    )

    assert b"'build_targets'" in result.stdout
