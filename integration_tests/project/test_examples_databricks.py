"""The Databricks bundle, as far as it can be checked without a workspace."""

import json
import re
import runpy
from collections.abc import Callable
from importlib.metadata import requires
from pathlib import Path
from typing import Any

import pytest
import yaml
from databricks.bundles.dashboards import Dashboard
from databricks.bundles.jobs import Job
from databricks.bundles.pipelines import Pipeline
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from pyspark import pipelines
from pyspark.sql import SparkSession

import bridge
from bridge.models import models
from bridge.report.parts import Listing
from bridge.report.questions import QUESTIONS
from bridge.tables.catalog import chosen_tables, table
from bridge.tables.options import Options
from unit_tests.support.paths import ROOT

EXAMPLE = ROOT / "examples" / "databricks"
BUNDLE: dict[str, Any] = yaml.safe_load((EXAMPLE / "databricks.yml").read_text("utf-8"))
# What Databricks Connect stands on; a pin would replace the environment's own.
OF_THE_ENVIRONMENT = {"numpy", "pandas", "protobuf", "grpcio", "googleapis-common-protos", "pyspark", "pyarrow"}
# Their newest versions want a protobuf that Spark Connect does not run on.
HELD_BACK = {"google-api-core", "google-cloud-secret-manager", "grpc-google-iam-v1", "proto-plus"}
# Of the top level and of a target: https://docs.databricks.com/dev-tools/bundles/settings
MAPPINGS = {"bundle", "variables", "artifacts", "resources", "targets", "workspace"}


def test_resources_hold_only_what_their_kind_has() -> None:
    Pipeline.from_dict(BUNDLE["resources"]["pipelines"]["particle"])
    job = Job.from_dict(BUNDLE["resources"]["jobs"]["hourly"])
    assert job.schedule
    board = Dashboard.from_dict(BUNDLE["resources"]["dashboards"]["fleet"])
    assert (EXAMPLE / str(board.file_path)).exists()
    keys = [key for resources in BUNDLE["resources"].values() for key in resources]
    assert len(keys) == len(set(keys)) == 3
    assert BUNDLE.keys() <= MAPPINGS
    assert all(target.keys() <= {"mode", "default", "workspace"} for target in BUNDLE["targets"].values())


def test_a_misspelt_key_of_a_resource_is_found() -> None:
    misspelt: Any = {**BUNDLE["resources"]["pipelines"]["particle"], "catalogue": "main"}
    with pytest.raises(ValueError, match="Unexpected field 'catalogue'"):
        Pipeline.from_dict(misspelt)


def test_every_reference_leads_somewhere() -> None:
    references = set(re.findall(r"\$\{([\w.]+)\}", (EXAMPLE / "databricks.yml").read_text("utf-8")))
    known = {f"var.{name}" for name in BUNDLE["variables"]}
    known |= {"workspace.file_path", "bundle.name", "bundle.target", "resources.pipelines.particle.id"}
    assert references <= known
    pipeline = BUNDLE["resources"]["pipelines"]["particle"]
    [library] = pipeline["libraries"]
    folder = EXAMPLE / pipeline["root_path"] / library["glob"]["include"].removesuffix("/**")
    assert sorted(path.name for path in folder.glob("*.py")) == ["fleet.py", "particle.py"]
    [constraint] = [line for line in pipeline["environment"]["dependencies"] if "constraint" in line]
    assert (EXAMPLE / constraint.split("/")[-1]).exists()
    assert (EXAMPLE / BUNDLE["artifacts"]["source_particle"]["path"] / "pyproject.toml").exists()


def test_no_file_of_the_bundle_holds_a_secret() -> None:
    secrets = re.compile(r"(access_token|password|username)\s*[:=]\s*[^,\s]", re.I)
    texts = {path.name: path.read_text("utf-8") for path in EXAMPLE.rglob("*.[py][ym]*")}
    assert {"databricks.yml", "particle.py"} <= texts.keys()
    assert [name for name, text in texts.items() if secrets.search(text)] == []
    assert secrets.search("access_token: 0000")


def test_the_constraints_suit_the_cdk_and_leave_the_environment_its_own() -> None:
    pins, tested = (_pins(folder / "constraints.txt") for folder in (EXAMPLE, ROOT))
    assert pins.keys() & OF_THE_ENVIRONMENT == set()
    assert {name for name, version in pins.items() if version != tested[name]} == HELD_BACK
    needed = [Requirement(text) for text in requires("airbyte-cdk") or []]
    for one in needed:
        if not one.marker and canonicalize_name(one.name) in pins:
            assert pins[canonicalize_name(one.name)] in one.specifier, one


def _pins(path: Path) -> dict[str, str]:
    """Read the versions that constraints pin on Python 3.12."""
    lines = [Requirement(line) for line in path.read_text("utf-8").splitlines() if line and line[0] != "#"]
    on_312 = [line for line in lines if not line.marker or line.marker.evaluate({"python_version": "3.12"})]
    return {canonicalize_name(line.name): str(line.specifier).removeprefix("==") for line in on_312}


def test_the_pipeline_reads_every_table_that_is_not_on_request_through_the_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    session = _Session()
    _define(session, monkeypatch)
    for kind, ingestion in (("batch", "snapshot"), ("stream", "append")):
        wanted = [part.name for part in chosen_tables() if part.ingestion_type == ingestion]
        assert [options["tableName"] for read, options in session.reads if read == kind] == wanted
    for _, options in session.reads:
        assert options.pop("databricks.connection") == "particle"
        # A refusal that is skipped would delete the rows of a product.
        assert options["on_refused"] == "fail"
        # What Databricks puts in place of the connection.
        Options.parse({"access_token": "from-the-connection", **options}, table(options["tableName"]))


def test_the_pipeline_defines_every_model(monkeypatch: pytest.MonkeyPatch) -> None:
    session = _Session()
    assert _define(session, monkeypatch, "fleet.py") == ["as_of", "loaded_tables", *models()]
    assert session.queries[2:] == list(models().values())


class _Session:
    """Stands for a session of a pipeline: notes what is read, and reads nothing."""

    def __init__(self) -> None:
        self.reads: list[tuple[str, dict[str, str]]] = []
        self.queries: list[str] = []
        self.conf = {"particle.connection": "particle"}

    @property
    def read(self) -> "_Reader":
        return _Reader(self, "batch")

    def sql(self, query: str) -> None:
        self.queries.append(query)

    @property
    def readStream(self) -> "_Reader":  # noqa: N802
        return _Reader(self, "stream")


class _Reader:
    def __init__(self, session: _Session, kind: str) -> None:
        self._session, self._kind, self._options = session, kind, dict[str, str]()

    def format(self, name: str) -> "_Reader":
        assert name == "lakeflow_connect"
        return self

    def options(self, **options: str) -> "_Reader":
        self._options = options
        return self

    def load(self) -> None:
        self._session.reads.append((self._kind, self._options))


def _define(session: _Session, monkeypatch: pytest.MonkeyPatch, file: str = "particle.py") -> list[str]:
    """Import the definitions as a pipeline does, and run each at once."""

    defined = []

    def flow(**named: str) -> Callable[[Callable[[], None]], None]:
        defined.append(named["name"])
        return lambda rows: rows()

    monkeypatch.setattr(SparkSession, "active", lambda: session)
    monkeypatch.setattr(bridge, "register", lambda _session: None)
    monkeypatch.setattr(pipelines, "materialized_view", flow)
    monkeypatch.setattr(pipelines, "append_flow", flow)
    monkeypatch.setattr(pipelines, "create_streaming_table", lambda **_named: None)
    runpy.run_path(str(EXAMPLE / "transformations" / file))
    return defined


BOARD: dict[str, Any] = json.loads((EXAMPLE / "fleet.lvdash.json").read_text("utf-8"))


def widgets() -> list[dict[str, Any]]:
    return [placed["widget"] for page in BOARD["pages"] for placed in page["layout"]]


def test_every_widget_asks_a_dataset_and_shows_what_it_asked_for() -> None:
    datasets = {dataset["name"] for dataset in BOARD["datasets"]}
    assert len(datasets) == len(BOARD["datasets"])
    names = []
    for widget in widgets():
        names.append(widget["name"])
        if "multilineTextboxSpec" in widget:
            continue
        [query] = [query["query"] for query in widget["queries"]]
        assert query["datasetName"] in datasets
        shown = re.findall(r'"fieldName": "(.+?)"', json.dumps(widget["spec"]["encodings"]))
        assert set(shown) == {field["name"] for field in query["fields"]}
        assert widget["spec"]["widgetType"] in {"counter", "bar", "line", "table"}
    assert len(names) == len(set(names))


def test_the_dashboard_says_what_the_words_of_the_report_mean() -> None:
    texts = [line for widget in widgets() for line in widget.get("multilineTextboxSpec", {}).get("lines", [])]
    assert texts == [question.note for question in QUESTIONS if question.note]
    descriptions = [widget["spec"]["frame"].get("description") for widget in widgets() if "spec" in widget]
    listings = [part for question in QUESTIONS for part in question.parts if isinstance(part, Listing)]
    assert [*filter(None, descriptions)] == [listing.note for listing in listings if listing.note]


def test_widgets_lie_side_by_side() -> None:
    for page in BOARD["pages"]:
        taken = [
            (x, y)
            for place in (placed["position"] for placed in page["layout"])
            for x in range(place["x"], place["x"] + place["width"])
            for y in range(place["y"], place["y"] + place["height"])
        ]
        assert len(taken) == len(set(taken))
        assert max(x for x, _ in taken) < 6
