"""Lays out the connector for the repository airbytehq/airbyte: `make submission DIR=<folder>`.

The folder gets the connector and its page where that repository has them. Then the rules that its checks and reviewers
apply are tried on it: rules that are broken are printed, and the exit code is 1. So is what only a maintainer can do.
"""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from docs.submission_rules import COMPONENTS, CONNECTOR, PAGE, RULES, problems
from source_particle import components

ROOT = Path(__file__).parents[1]

# What the source and its own tests consist of.
COPIED = (
    "icon.svg",
    "manifest.yaml",
    "metadata.yaml",
    "source_particle/",
    "unit_tests/source_particle/",
    "unit_tests/support/built.py",
    "unit_tests/support/catalogs.py",
    "unit_tests/support/contract.py",
    "unit_tests/support/listings.py",
)
# A part of the manifest that the source does not read.
SPARK_OPTIONS = re.compile(r"^  # -+ options of Spark and Lakeflow only.*?(?=^  # -+ )", re.DOTALL | re.MULTILINE)
# What only Airbyte's repository needs.
ADDED = "docs/airbyte/connector/"

BY_A_MAINTAINER = (
    "Add the digest of the base image to metadata.yaml: Airbyte's check rejects a tag without one.",
    "Put the configuration of an account into the secret store, under the name in metadata.yaml (testSecrets). "
    "acceptance-test-config.yml says which account.",
    "Run the acceptance tests with it: this project has not read a real account.",
    "Run `poe lock`, which writes unit_tests/poetry.lock.",
    "Enter the number of the pull request in the changelog of the page.",
    "Merge: Airbyte's workflow then builds and publishes the image.",
)

COMPONENTS_PY = '''\
"""The classes that manifest.yaml names. They are too many for one file, so they are in source_particle/."""

from source_particle.components import (
{imports}
)

__all__ = [
{names}
]
'''


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
        if name.startswith(COPIED):
            _copy(ROOT / name, connector / name, _for_airbyte_alone)
        elif name.startswith(ADDED):
            _copy(ROOT / name, connector / name.removeprefix(ADDED))
    for package in ("unit_tests", "unit_tests/support"):
        (connector / package / "__init__.py").touch()
    (connector / "components.py").write_text(_components_py(), encoding="utf-8")
    _copy(ROOT / "docs" / "airbyte" / "particle.md", folder / PAGE, _without_marks)


def _components_py() -> str:
    # sign_in is for the bridge.
    names = [name for name in components.__all__ if name != "sign_in"]
    imports, listed = [f"    {name}," for name in names], [f'    "{name}",' for name in names]
    return COMPONENTS_PY.format(imports="\n".join(imports), names="\n".join(listed))


def _for_airbyte_alone(text: str) -> str:
    without_spark = SPARK_OPTIONS.sub("", text)
    return re.sub(r"\bsource_particle\.components\.(?=[A-Z\"])", f"{COMPONENTS}.", without_spark)


def _without_marks(text: str) -> str:
    return re.sub(r"^<!-- .* -->\n+", "", text, flags=re.MULTILINE)


def _tracked() -> list[str]:
    command = ["git", "ls-files"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)  # noqa: S603  (see above)
    return listed.stdout.splitlines()


def _copy(source: Path, target: Path, change: Callable[[str], str] = str) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(change(source.read_text("utf-8")), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
