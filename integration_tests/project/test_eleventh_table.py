"""Adding a table of a kind that exists takes one entry in manifest.yaml, and nothing else by hand."""

import json
import shutil
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bridge.reading.times import iso_ms
from integration_tests.device_cloud import DeviceCloud
from unit_tests.support.paths import ROOT

ENTRIES = (Path(__file__).parent / "invented_tables.yaml").read_text(encoding="utf-8")
TABLES = ("labels", "metrics_restarts", "product_stops")

READ_THROUGH_AIRBYTE = """
import json, logging, sys
from unit_tests.support.catalogs import catalog_of
from source_particle.source import SourceParticle
config, *names = json.loads(sys.argv[1]), *sys.argv[2:]
catalog = catalog_of(*names)
for message in SourceParticle(config=config, catalog=catalog).read(logging.getLogger(), config, catalog):
    if message.record:
        print("ROW", json.dumps([message.record.stream, dict(message.record.data)]))
"""

READ_THROUGH_BRIDGE = """
import json, sys
from pathlib import Path
from bridge.export.sync import sync
config, *names = json.loads(sys.argv[1]), *sys.argv[2:]
options = {"access_token": config["credentials"]["access_token"], "base_url": config["base_url"]}
for result in sync(Path("lake"), options, names, file_format="jsonl"):
    assert result.error is None, result.error
    for file in Path("lake", result.table).glob("*.jsonl"):
        for line in file.read_text().splitlines():
            print("ROW", json.dumps([result.table, json.loads(line)]))
"""

READ_THROUGH_SPARK = """
import json, sys
import bridge
from pyspark.sql import SparkSession
spark = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false").getOrCreate()
bridge.register(spark)
config, *names = json.loads(sys.argv[1]), *sys.argv[2:]
options = {"access_token": config["credentials"]["access_token"], "base_url": config["base_url"]}
for name in names:
    for row in spark.read.format("particle").options(**options).load(name).collect():
        print("ROW", json.dumps([name, row.asDict()]))
spark.stop()
"""


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    """A copy of the project with three more entries in the manifest."""
    ignore = shutil.ignore_patterns("__pycache__")
    for part in ("source_particle", "bridge"):
        shutil.copytree(ROOT / part, tmp_path / part, ignore=ignore)
    text = (ROOT / "manifest.yaml").read_text(encoding="utf-8")
    before, after = text.split("\n  - type: ConditionalStreams", 1)
    (tmp_path / "manifest.yaml").write_text(f"{before}\n{ENTRIES}\n  - type: ConditionalStreams{after}", "utf-8")
    return tmp_path


def _serve(cloud: DeviceCloud) -> dict[str, list[dict[str, Any]]]:
    """Serve the three tables, and return what a read of them has to give."""
    product = str(cloud.fleet.product_ids[0])
    slug = next(iter(cloud.fleet.rows("orgs").values()))["slug"]
    owners = {("user", "me"): "", ("product", product): f"products/{product}/", ("organization", slug): f"orgs/{slug}/"}
    for place in owners.values():
        cloud.serve(f"/v1/{place}labels", [{"id": "a"}, {"id": "b", "color": "red"}])
    now = cloud.fleet.clock.now().replace(minute=0, second=0, microsecond=0)
    long_ago, ended, growing = (iso_ms(now - timedelta(hours=hours)) for hours in (24 * 40, 2, 0))
    buckets = [{"time": long_ago, "count": 9}, {"time": ended}, {"time": growing, "count": 1}]
    cloud.serve(f"/v1/products/{product}/metrics/restarts", {"restarts": buckets})
    stops = [{"stop": 1, "place": "home"}, {"stop": 2}]
    cloud.serve(f"/v1/products/{product}/routes", {"routes": [{"route": "r1", "stops": stops}]})
    return {
        "labels": [{"owner_type": kind, "owner": owner, "id": name} for kind, owner in owners for name in ("a", "b")],
        # The first bucket is older than a first read goes back, the last one has not ended, and zeros are left out.
        "metrics_restarts": [{"product_id_or_slug": product, "time": ended, "count": 0}],
        "product_stops": [
            {"product_id_or_slug": product, "route": "r1", "stop": 1, "place": "home"},
            {"product_id_or_slug": product, "route": "r1", "stop": 2, "place": None},
        ],
    }


@pytest.mark.usefixtures("half_past")
@pytest.mark.parametrize(
    "script",
    [
        pytest.param(READ_THROUGH_AIRBYTE, id="Airbyte"),
        pytest.param(READ_THROUGH_BRIDGE, id="the bridge"),
        pytest.param(READ_THROUGH_SPARK, id="Spark", marks=pytest.mark.slow),
    ],
)
def test_an_invented_table_of_each_kind_is_read(scratch: Path, cloud: DeviceCloud, script: str) -> None:
    expected = _serve(cloud)
    config = {"credentials": {"auth_type": "access_token", "access_token": cloud.token}, "base_url": cloud.url}
    result = subprocess.run(
        [sys.executable, "-c", script, json.dumps(config), *TABLES],
        cwd=scratch,
        env={"PYTHONPATH": f"{scratch}:{ROOT}", "PYSPARK_PYTHON": sys.executable, "SPARK_LOCAL_IP": "127.0.0.1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr[-2000:]
    found = [json.loads(line[4:]) for line in result.stdout.splitlines() if line.startswith("ROW ")]
    for name, rows in expected.items():
        columns = rows[0]
        read = [{column: row.get(column) for column in columns} for table, row in found if table == name]
        assert sorted(map(str, read)) == sorted(map(str, rows))


def test_invented_tables_stand_in_the_list_of_tables(scratch: Path) -> None:
    command = "import bridge.tables.catalog as catalog; print([*catalog.tables()][-3:])"
    result = subprocess.run(
        [sys.executable, "-c", command], cwd=scratch, env={"PYTHONPATH": str(scratch)}, capture_output=True, check=True
    )
    assert result.stdout.decode().strip() == str(list(TABLES))
