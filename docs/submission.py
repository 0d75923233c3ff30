"""Lays out the connector for the repository airbytehq/airbyte: `make submission DIR=<folder>`.

The folder gets the connector and its page where that repository has them. Then the rules that its checks and reviewers
apply are tried on it: rules that are broken are printed, and the exit code is 1. So is what only a maintainer can do.
"""

import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import yaml

ROOT = Path(__file__).parents[1]
CONNECTOR = Path("airbyte-integrations", "connectors", "source-particle")
PAGE = Path("docs", "integrations", "sources", "particle.md")

# Of the folders, what the source and its own tests consist of.
COPIED = ("manifest.yaml", "metadata.yaml", "icon.svg", "acceptance-test-config.yml", "source_particle/")
TESTS = (
    "unit_tests/source_particle/",
    "unit_tests/support/built.py",
    "unit_tests/support/catalogs.py",
    "unit_tests/support/listings.py",
    "unit_tests/support/paths.py",
)
EXAMPLES = "integration_tests/airbyte/configs/"

# Airbyte also wants the digest, which only a maintainer can look up.
BASE_IMAGE = re.compile(r"docker\.io/airbyte/source-declarative-manifest:[\d.]+(@sha256:[0-9a-f]{64})?")
# What Airbyte's check of addresses lets pass, and the comment by which a line asks for it.
ALLOWED_ADDRESSES = re.compile(r"http://(json-schema\.org|localhost)")
IGNORED_LINE = "# ignore-https-check"
HEADINGS = ("Prerequisites", "Setup guide", "Supported sync modes", "Supported Streams", "Changelog")

BY_A_MAINTAINER = (
    "Add the digest of the base image to metadata.yaml: Airbyte's check rejects a tag without one.",
    "Put a configuration of a real account into the secret store, under the name in metadata.yaml (testSecrets).",
    "Run the acceptance tests with it: this project has not read a real account.",
    "Enter the number of the pull request in the changelog of the page.",
    "Build and publish the image; the checks look for its tag on the registry.",
)

README = """# Particle source

Reads a Particle.io fleet: devices, products, SIMs, vitals and data usage. The page for users is
`docs/integrations/sources/particle.md`.

`manifest.yaml` declares streams, authenticator and paginator. `source_particle/` holds the few components that YAML
cannot express; `source_particle/components.py` lists them, each with the behaviour of the API that needs it.

Run the unit tests: `cd unit_tests && poetry install && poetry run pytest`.
"""

PYPROJECT = """[tool.poetry]
name = "source-particle-unit-tests"
version = "0.0.0"
description = "Unit tests of the Particle source."
authors = ["Airbyte <contact@airbyte.io>"]
package-mode = false

[tool.poetry.dependencies]
python = ">=3.10,<3.14"
airbyte-cdk = "{cdk}"
pytest = ">=8.4,<10"
requests-mock = ">=1.12,<2"
hypothesis = ">=6.120,<7"
jsonschema = ">=4.17.3,<5"

[tool.pytest.ini_options]
pythonpath = [".."]
"""

CONFTEST = """import pytest
from collections.abc import Iterator

from source_particle.login import forget_accounts


@pytest.fixture(autouse=True)
def _no_remembered_logins() -> Iterator[None]:
    forget_accounts()
    yield
    forget_accounts()
"""


def main(arguments: list[str]) -> int:
    """Lay out the files and check the rules; return 0 if none is broken, 2 if there is no folder to write to."""
    if len(arguments) != 1 or not arguments[0]:
        print("Name a folder: make submission DIR=<folder>", file=sys.stderr)
        return 2
    folder = Path(arguments[0]).expanduser()
    if folder.exists() and any(folder.iterdir()):
        print(f"{folder} is not empty. Name a new folder.", file=sys.stderr)
        return 2
    lay_out(folder)
    broken = list(problems(folder))
    for problem in broken:
        print(f"Broken: {problem}")
    print(f"{CONNECTOR} and {PAGE} are in {folder}; {len(broken)} of {len(RULES)} rules are broken.")
    print("What is left to a maintainer:", *BY_A_MAINTAINER, sep="\n- ")
    return int(bool(broken))


def lay_out(folder: Path) -> None:
    """Copy the tracked files that the repository needs, and write the ones that only it needs."""
    connector = folder / CONNECTOR
    for name in _tracked():
        if name.startswith(COPIED) or name.startswith(TESTS):
            _copy(ROOT / name, connector / name)
        elif name.startswith(EXAMPLES):
            _copy(ROOT / name, connector / "integration_tests" / Path(name).name)
    for package in ("unit_tests", "unit_tests/support"):
        (connector / package / "__init__.py").touch()
    (connector / "README.md").write_text(README, encoding="utf-8")
    (connector / "unit_tests" / "conftest.py").write_text(CONFTEST, encoding="utf-8")
    cdk = str(_metadata(connector)["connectorBuildOptions"]["baseImage"]).partition("@")[0].rpartition(":")[2]
    (connector / "unit_tests" / "pyproject.toml").write_text(PYPROJECT.format(cdk=cdk), encoding="utf-8")
    _copy(ROOT / "docs" / "airbyte" / "particle.md", folder / PAGE)


def problems(folder: Path) -> Iterator[str]:
    """Yield a sentence for each broken rule."""
    for rule, is_kept in RULES.items():
        if not is_kept(folder):
            yield rule


def _base_image(folder: Path) -> bool:
    return bool(BASE_IMAGE.fullmatch(str(_metadata(folder / CONNECTOR)["connectorBuildOptions"]["baseImage"])))


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
    tags = _metadata(folder / CONNECTOR)["tags"]
    return "language:manifest-only" in tags and all(re.fullmatch(r"[\w-]+:[\w-]+", tag) for tag in tags)


def _suites(folder: Path) -> bool:
    suites = {suite["suite"]: suite for suite in _metadata(folder / CONNECTOR)["connectorTestSuitesOptions"]}
    has_unit_tests = (folder / CONNECTOR / "unit_tests" / "pyproject.toml").exists()
    return has_unit_tests and "unitTests" in suites and bool(suites.get("acceptanceTests", {}).get("testSecrets"))


def _breaking_changes(folder: Path) -> bool:
    data = _metadata(folder / CONNECTOR)
    major, releases = int(data["dockerImageTag"].split(".")[0]), data.get("releases", {})
    announced = releases.get("breakingChanges", {})
    named = all(f"{number}.0.0" in announced for number in range(1, major + 1))
    return named and bool(announced) == ("migrationDocumentationUrl" in releases)


def _hosts(folder: Path) -> bool:
    hosts = _metadata(folder / CONNECTOR)["allowedHosts"]["hosts"]
    specification = yaml.safe_load((folder / CONNECTOR / "manifest.yaml").read_text("utf-8"))["spec"]
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
    version = _metadata(folder / CONNECTOR)["dockerImageTag"]
    rows = re.findall(r"^\| ([\d.]+) \|", changelog, re.MULTILINE)
    return "<details>" in changelog and "| Pull Request |" in changelog and rows[:1] == [version]


RULES: Mapping[str, Callable[[Path], Any]] = {
    "connectorBuildOptions.baseImage is the image of manifest-only connectors": _base_image,
    "only addresses on this machine are unencrypted": _encrypted,
    "the tags are pairs and name the language manifest-only": _tags,
    "both test suites are named, the unit tests have a project and the acceptance tests their secrets": _suites,
    "a migration guide is named if, and only if, there is a breaking change": _breaking_changes,
    "allowedHosts fits base_url": _hosts,
    "the icon is a square SVG": _icon,
    "the headings of the page are those of the template, in its order": _page,
    "the opening of the page is hidden in the user interface": _hidden_opening,
    "the changelog is collapsible, has a column for pull requests and begins with this version": _changelog,
}


def _metadata(connector: Path) -> dict[str, Any]:
    data: dict[str, Any] = yaml.safe_load((connector / "metadata.yaml").read_text("utf-8"))["data"]
    return data


def _tracked() -> list[str]:
    command = ["git", "ls-files"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)  # noqa: S603  (see above)
    return listed.stdout.splitlines()


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(source, target)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
