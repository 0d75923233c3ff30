"""The rules that Airbyte's checks and reviewers apply to a connector, tried on what docs/submission.py laid out.

They imitate Airbyte's own checks, which need a network and accounts; Airbyte's decide.
"""

import ast
import re
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import yaml

CONNECTOR = Path("airbyte-integrations", "connectors", "source-particle")
PAGE = Path("docs", "integrations", "sources", "particle.md")
# The module by which manifest-only connectors name the classes of their components.py.
COMPONENTS = "source_declarative_manifest.components"

# Airbyte also wants the digest, which only a maintainer can look up.
BASE_IMAGE = re.compile(r"docker\.io/airbyte/source-declarative-manifest:[\d.]+(@sha256:[0-9a-f]{64})?")
# What Airbyte's check of addresses lets pass, and the comment by which a line asks for it.
ALLOWED_ADDRESSES = re.compile(r"http://(json-schema\.org|localhost)")
IGNORED_LINE = "# ignore-https-check"
HEADINGS = ("Prerequisites", "Setup guide", "Supported sync modes", "Supported Streams", "Changelog")
# A file that a comment or a text sends its reader to.
NAMED_FILE = re.compile(
    r"(?<![\w/.-])(?:docs|integration_tests|source_particle|unit_tests)/[\w/.-]+\.(?:json|md|py|yaml|yml)\b"
)


def problems(folder: Path) -> Iterator[str]:
    """Yield a sentence for each broken rule."""
    for rule, is_kept in RULES.items():
        if not is_kept(folder):
            yield rule


def _base_image(folder: Path) -> bool:
    return bool(BASE_IMAGE.fullmatch(str(metadata(folder / CONNECTOR)["connectorBuildOptions"]["baseImage"])))


def _encrypted(folder: Path) -> bool:
    return not any(_unencrypted(path) for path in (folder / CONNECTOR).rglob("*") if path.suffix != ".svg")


def _unencrypted(path: Path) -> bool:
    if not path.is_file() or {"unit_tests", "integration_tests"} & set(path.parts):
        return False
    comment = {".py": "#", ".yml": "#", ".yaml": "#", ".md": "<!--"}.get(path.suffix)
    for line in path.read_text(encoding="utf-8").lower().splitlines():
        is_comment = comment is not None and line.lstrip().startswith(comment)
        if "http://" in ALLOWED_ADDRESSES.sub("", line) and not is_comment and IGNORED_LINE not in line:
            return True
    return False


def _tags(folder: Path) -> bool:
    tags = metadata(folder / CONNECTOR)["tags"]
    return "language:manifest-only" in tags and all(re.fullmatch(r"[\w-]+:[\w-]+", tag) for tag in tags)


def _suites(folder: Path) -> bool:
    suites = {suite["suite"]: suite for suite in metadata(folder / CONNECTOR)["connectorTestSuitesOptions"]}
    project = (folder / CONNECTOR / "unit_tests" / "pyproject.toml").read_text("utf-8")
    image = str(metadata(folder / CONNECTOR)["connectorBuildOptions"]["baseImage"])
    has_its_cdk = f'airbyte-cdk = "{image.partition("@")[0].rpartition(":")[2]}"' in project
    return has_its_cdk and "unitTests" in suites and bool(suites.get("acceptanceTests", {}).get("testSecrets"))


def _breaking_changes(folder: Path) -> bool:
    data = metadata(folder / CONNECTOR)
    major, releases = int(data["dockerImageTag"].split(".")[0]), data.get("releases", {})
    announced = releases.get("breakingChanges", {})
    named = all(f"{number}.0.0" in announced for number in range(1, major + 1))
    return named and bool(announced) == ("migrationDocumentationUrl" in releases)


def _hosts(folder: Path) -> bool:
    hosts = metadata(folder / CONNECTOR)["allowedHosts"]["hosts"]
    specification = _parsed(folder / CONNECTOR / "manifest.yaml")["spec"]
    options = specification["connection_specification"]["properties"]
    named = {re.sub(r"\W", "", host) for host in hosts if host.startswith("$")}
    return options["base_url"]["default"].removeprefix("https://") in hosts and named <= options.keys()


def _icon(folder: Path) -> bool:
    icon = ElementTree.fromstring((folder / CONNECTOR / "icon.svg").read_text("utf-8"))  # noqa: S314  (our own file)
    return icon.tag.endswith("svg") and icon.get("width") == icon.get("height")


def _page(folder: Path) -> bool:
    text = (folder / PAGE).read_text("utf-8")
    headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
    return [name for name in headings if name in HEADINGS] == list(HEADINGS) and text.startswith("# Particle\n")


def _hidden_opening(folder: Path) -> bool:
    opening = (folder / PAGE).read_text("utf-8").partition("## Prerequisites")[0]
    return "<HideInUI>" in opening and "</HideInUI>" in opening


def _changelog(folder: Path) -> bool:
    changelog = (folder / PAGE).read_text("utf-8").partition("## Changelog")[2]
    version = metadata(folder / CONNECTOR)["dockerImageTag"]
    rows = re.findall(r"^\| ([\d.]+) \|", changelog, re.MULTILINE)
    return "<details>" in changelog and "| Pull Request |" in changelog and rows[:1] == [version]


def _no_marks(folder: Path) -> bool:
    return "<!--" not in (folder / PAGE).read_text("utf-8")


def _components(folder: Path) -> bool:
    manifest = _parsed(folder / CONNECTOR / "manifest.yaml")
    module = ast.parse((folder / CONNECTOR / "components.py").read_text("utf-8"))
    imported = {name.name for node in module.body if isinstance(node, ast.ImportFrom) for name in node.names}
    return {f"{COMPONENTS}.{name}" for name in imported} == set(class_names(manifest))


def _configurations(folder: Path) -> bool:
    connector = folder / CONNECTOR
    sections = _parsed(connector / "acceptance-test-config.yml")["acceptance_tests"]
    named = {test["config_path"] for section in sections.values() for test in section.get("tests", ())}
    suites = {suite["suite"]: suite for suite in metadata(connector)["connectorTestSuitesOptions"]}
    secret = {f"secrets/{secret['fileName']}" for secret in suites["acceptanceTests"]["testSecrets"]}
    return secret <= named and all((connector / path).is_file() for path in named - secret)


def _options(folder: Path) -> bool:
    manifest = _parsed(folder / CONNECTOR / "manifest.yaml")
    options = manifest["spec"]["connection_specification"]["properties"].values()
    every = [option for group in options for option in (group, *group.get("properties", {}).values())]
    unexplained = [option for option in every if option.get("airbyte_hidden") and not option.get("x-documented")]
    return not unexplained and "spark_options" not in manifest["definitions"]


def _named_files(folder: Path) -> bool:
    texts = [path.read_text("utf-8") for path in folder.rglob("*") if path.is_file() and path.suffix != ".svg"]
    named = {name for text in texts for name in NAMED_FILE.findall(text)}
    return all(
        (root / name).is_file()
        for name in named
        for root in [folder if name.startswith("docs/") else folder / CONNECTOR]
    )


RULES: Mapping[str, Callable[[Path], Any]] = {
    "connectorBuildOptions.baseImage is the image of manifest-only connectors": _base_image,
    "only addresses on this machine are unencrypted": _encrypted,
    "the tags are pairs and name the language manifest-only": _tags,
    "both test suites are named, the unit tests have the image's CDK and the acceptance tests their secrets": _suites,
    "a migration guide is named if, and only if, there is a breaking change": _breaking_changes,
    "allowedHosts fits base_url": _hosts,
    "components.py has the classes that the manifest names, and no others": _components,
    "acceptance-test-config.yml names the secret in metadata.yaml, and else only files that are there": _configurations,
    "every file that a text names is there": _named_files,
    "no option is for Spark, or for the connector itself": _options,
    "the icon is a square SVG": _icon,
    "the headings of the page are those of the template, in its order": _page,
    "the opening of the page is hidden in the user interface": _hidden_opening,
    "the page has no marks of what is generated": _no_marks,
    "the changelog is collapsible, has a column for pull requests and begins with this version": _changelog,
}


def metadata(connector: Path) -> dict[str, Any]:
    """Return what the connector's metadata.yaml holds."""
    data: dict[str, Any] = _parsed(connector / "metadata.yaml")["data"]
    return data


def _parsed(path: Path) -> Any:
    return parsed_text(path.read_text("utf-8"))


# The manifest is long, and several rules look into it.
@lru_cache(maxsize=8)
def parsed_text(text: str) -> Any:
    """Return what a text in YAML says."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return yaml.load(text, loader)  # noqa: S506  (both are safe ones)


def class_names(node: Any) -> Iterator[str]:
    """Yield the class of each component of a manifest."""
    if isinstance(node, dict) and "class_name" in node:
        yield node["class_name"]
    for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from class_names(child)
