"""The wheel together with a stand-in for the Lakeflow framework, which is on no package registry."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from docs.lakeflow.layout import SOURCE, files
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
    "databricks/labs/community_connector/sparkpds/__init__.py": """
import importlib
import inspect
from pyspark.sql.datasource import DataSource

class LakeflowSource(DataSource):
    _lakeflow_connect_cls = None

    def __init__(self, options):
        self.lakeflow_connect = self._lakeflow_connect_cls(options)

def find_data_source(name):
    place = f"databricks.labs.community_connector.sources.{name}"
    for _, found in inspect.getmembers(importlib.import_module(place), inspect.isclass):
        is_inside = found.__module__ == place or found.__module__.startswith(place + ".")
        if issubclass(found, LakeflowSource) and found is not LakeflowSource and is_inside:
            return found
    raise ValueError(name)
""",
}

FIND = """
import importlib, pickle
from databricks.labs.community_connector.interface import LakeflowConnect, SupportsPartitionedStream
from databricks.labs.community_connector.sparkpds import find_data_source

source = find_data_source("particle")
connect = source._lakeflow_connect_cls
assert issubclass(connect, LakeflowConnect) and issubclass(connect, SupportsPartitionedStream)
made = pickle.loads(pickle.dumps(connect({"access_token": "x"})))
assert getattr(importlib.import_module(connect.__module__), connect.__name__) is connect
print(made.list_tables(), made.get_partitions("devices", {}))
assert source({"access_token": "x"}).lakeflow_connect.list_tables() == made.list_tables()
print(importlib.import_module("databricks.labs.community_connector.sources.particle").__file__)
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds the wheel, the source and the stand-in, as one site-packages would."""
    folder = tmp_path_factory.mktemp("site")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True)
    [wheel] = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    source = {str(path.relative_to("src")): text for path, text in files().items() if path.is_relative_to(SOURCE)}
    for name, text in {**STAND_IN, **source}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def test_the_framework_finds_the_data_source_and_a_connector_of_its_own_kind(site: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-c", FIND], env={"PYTHONPATH": str(site)}, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.splitlines()[-1].startswith(str(site))


def test_the_wheel_brings_nothing_of_the_framework(site: Path) -> None:
    [wheel] = site.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        assert not [name for name in archive.namelist() if name.startswith("databricks/")]
