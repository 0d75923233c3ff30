"""The wheel together with a stand-in for the Lakeflow framework, which is on no package registry."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from unit_tests.support.paths import ROOT

pytestmark = pytest.mark.xdist_group("wheel")

STAND_IN = {
    "databricks/__init__.py": "__path__ = __import__('pkgutil').extend_path(__path__, __name__)",
    "databricks/labs/__init__.py": "__path__ = __import__('pkgutil').extend_path(__path__, __name__)",
    "databricks/labs/community_connector/__init__.py": "",
    "databricks/labs/community_connector/sources/__init__.py": "",
    "databricks/labs/community_connector/interface/__init__.py": """
from abc import ABC

class LakeflowConnect(ABC):
    def __init__(self, options):
        self.options = options

class SupportsPartition(ABC):
    def __init_subclass__(cls, **options):
        assert issubclass(cls, LakeflowConnect) or cls.__name__ == "SupportsPartitionedStream"

class SupportsPartitionedStream(SupportsPartition):
    pass
""",
}

FIND = """
import importlib, inspect, pickle
from pyspark.sql.datasource import DataSource
from databricks.labs.community_connector.interface import LakeflowConnect, SupportsPartitionedStream

package = importlib.import_module("databricks.labs.community_connector.sources.particle")
[source] = [found for _, found in inspect.getmembers(package, inspect.isclass) if issubclass(found, DataSource)]
[connect] = [found for _, found in inspect.getmembers(package, inspect.isclass) if issubclass(found, LakeflowConnect)]
assert issubclass(connect, SupportsPartitionedStream)
assert package.ParticleDataSource is source and source.name() == "lakeflow_connect"
made = pickle.loads(pickle.dumps(connect({"access_token": "x"})))
assert getattr(importlib.import_module(connect.__module__), connect.__name__) is connect
assert len(made.list_tables()) == 10 and made.get_partitions("devices", {})
print(package.__file__)
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds the wheel and the stand-in, as one site-packages would."""
    folder = tmp_path_factory.mktemp("site")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True)
    [wheel] = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    for name, text in STAND_IN.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def test_the_framework_finds_the_data_source_and_a_connector_of_its_own_kind(site: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-c", FIND], env={"PYTHONPATH": str(site)}, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.startswith(str(site))


def test_the_wheel_brings_nothing_of_the_framework(site: Path) -> None:
    [wheel] = site.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        assert not set(archive.namelist()) & set(STAND_IN)
