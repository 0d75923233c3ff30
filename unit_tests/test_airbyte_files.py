"""What Airbyte's registry and its checks of a connector's files demand."""

import copy
import json
import re
import uuid
from collections.abc import Callable
from importlib import resources
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml
from jsonschema import Draft7Validator, FormatChecker

from bridge.tables.catalog import table
from source_particle import manifest
from unit_tests.support.paths import ROOT

PAGE = ROOT / "docs" / "airbyte" / "particle.md"
# The order in which Airbyte's page of a source tells things.
HEADINGS = [
    "Prerequisites",
    "Setup guide",
    "Supported sync modes",
    "Supported Streams",
    "Data type map",
    "Limitations & Troubleshooting",
    "Changelog",
]
BREAKING_CHANGE = {"message": "The key of devices has changed: refresh the stream.", "upgradeDeadline": "2027-06-30"}
Json = dict[str, Any]


@pytest.fixture(scope="module")
def validator() -> Draft7Validator:
    """Airbyte's own schema of metadata.yaml, which its package of models brings along."""
    models = pytest.importorskip("airbyte_connector_models", reason="the package ends with Python 3.12")
    path = resources.files(models) / "metadata" / "v0" / "ConnectorMetadataDefinitionV0.json"
    return Draft7Validator(_without_inner_ids(json.loads(path.read_text("utf-8"))), format_checker=FormatChecker())


def _without_inner_ids(schema: Any) -> Any:
    """Drop the ids of the parts, from which the schema's own references would be looked up in vain."""
    if isinstance(schema, dict):
        return {name: _without_inner_ids(part) for name, part in schema.items() if name != "$id"}
    return [_without_inner_ids(part) for part in schema] if isinstance(schema, list) else schema


def _metadata() -> Json:
    metadata: Json = yaml.safe_load((ROOT / "metadata.yaml").read_text("utf-8"))
    return metadata


def _problems(validator: Draft7Validator, metadata: Json) -> list[str]:
    return [error.message for error in validator.iter_errors(metadata)]


def test_metadata_fits_the_schema_of_airbytes_registry(validator: Draft7Validator) -> None:
    assert _problems(validator, _metadata()) == []


@pytest.mark.parametrize(
    "violate",
    [
        lambda data: data.pop("definitionId"),
        lambda data: data.update(definitionId="particle"),
        lambda data: data.update(releaseStage="stable"),
        lambda data: data.update(releaseDate="November"),
        lambda data: data.update(maturity="high"),
        lambda data: data["releases"].update(breakingChanges={}),
        lambda data: data["releases"].update(breakingChanges={"1.0.0": {"message": "no deadline"}}),
        lambda data: data["registryOverrides"]["oss"].update(enabled="yes"),
        lambda data: data["connectorTestSuitesOptions"].append({"suite": "manual"}),
    ],
)
def test_metadata_that_does_not_fit_is_found(validator: Draft7Validator, violate: Callable[[Json], Any]) -> None:
    metadata = copy.deepcopy(_metadata())
    violate(metadata["data"])
    assert _problems(validator, metadata)


def test_a_breaking_change_would_have_its_place(validator: Draft7Validator) -> None:
    metadata = _metadata()
    metadata["data"]["releases"]["breakingChanges"] = {"1.0.0": BREAKING_CHANGE}
    assert _problems(validator, metadata) == []


def test_a_breaking_version_says_what_to_do() -> None:
    assert _unannounced(_metadata()["data"]) == []
    assert _unannounced({**_metadata()["data"], "dockerImageTag": "2.1.0"}) == ["1.0.0", "2.0.0"]


def _unannounced(data: Json) -> list[str]:
    """Return the major versions up to the present one that no entry in breakingChanges speaks of."""
    major = int(data["dockerImageTag"].split(".")[0])
    versions = [f"{number}.0.0" for number in range(1, major + 1)]
    return [version for version in versions if version not in data["releases"].get("breakingChanges", {})]


def test_metadata_names_what_is_there() -> None:
    data = _metadata()["data"]
    assert set(data["suggestedStreams"]["streams"]) <= {stream.get("name") for stream in manifest()["streams"]}
    assert not [name for name in data["suggestedStreams"]["streams"] if table(name).on_request]
    assert data["definitionId"] == str(uuid.uuid5(uuid.NAMESPACE_URL, data["githubIssueLabel"]))
    # A manifest at the root is a manifest-only connector, which runs on the image of that name.
    assert "language:manifest-only" in data["tags"]
    assert all(re.fullmatch(r"[\w-]+:[\w-]+", tag) for tag in data["tags"])
    assert data["dockerRepository"] == f"airbyte/{data['githubIssueLabel']}"
    default = manifest()["spec"]["connection_specification"]["properties"]["base_url"]["default"]
    assert data["allowedHosts"]["hosts"] == [default.removeprefix("https://"), "${base_url}"]


def test_the_icon_is_square_and_draws_without_anything_from_elsewhere() -> None:
    icon = ElementTree.fromstring((ROOT / _metadata()["data"]["icon"]).read_text("utf-8"))
    assert icon.get("width") == icon.get("height")
    left, top, width, height = icon.get("viewBox", "").split()
    assert (left, top, width) == ("0", "0", height)
    assert [tag for tag in icon.iter() if tag.tag.endswith(("image", "script", "use", "style", "text"))] == []


def test_the_page_tells_things_in_the_usual_order() -> None:
    text = PAGE.read_text("utf-8")
    assert re.findall(r"^## (.+)$", text, re.M) == HEADINGS
    assert text.startswith(f"# {_metadata()['data']['name']}\n")


def test_the_page_stands_alone() -> None:
    """It is copied to Airbyte's documentation, where nothing else of this project is."""
    links = re.findall(r"\]\(([^)\s]+)\)", PAGE.read_text("utf-8"))
    assert [link for link in links if not link.startswith(("https://", "#"))] == []


def test_the_page_quotes_what_errors_say() -> None:
    quoted = re.findall(r"^\| ([^|]+) \|", PAGE.read_text("utf-8").partition("| Message |")[2].partition("##")[0], re.M)
    quoted = [text for text in quoted if text.strip("- ")]
    said = " ".join(
        path.read_text("utf-8") for path in (ROOT / "manifest.yaml", *(ROOT / "source_particle").glob("*.py"))
    )
    # A text in Python goes over several lines, one in YAML too.
    said = re.sub(r'"?\s*\n\s*(f?")?', " ", said).replace("  ", " ").lower()
    assert len(quoted) == 6
    assert [text for text in quoted if text.lower() not in said] == []
    assert "the moon was refused" not in said


def test_the_page_lists_the_version() -> None:
    newest, *_ = re.findall(r"^\| ([0-9.]+) \|", PAGE.read_text("utf-8"), re.M)
    assert newest == _metadata()["data"]["dockerImageTag"]
