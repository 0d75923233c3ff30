"""Lay out the source `particle` for the Lakeflow framework's repository: `make submission-lakeflow DIR=<folder>`.

The files go on top of a checkout of databrickslabs/lakeflow-community-connectors. The source is a thin class over the
wheel of this project; its documents, its specification and what its simulator answers are made of manifest.yaml.
"""

import json
import re
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from bridge.tables.catalog import tables
from docs.lakeflow.documents import api_doc, readme
from docs.lakeflow.simulator import corpora, endpoints_yaml
from docs.lakeflow.texts import ROOT, filled

PACKAGE = Path("src", "databricks", "labs", "community_connector")
SOURCE = PACKAGE / "sources" / "particle"
SIMULATOR = PACKAGE / "source_simulator" / "specs" / "particle"
TESTS = Path("tests", "unit", "sources", "particle")
MERGE = Path("tools", "scripts", "merge_python_source.py")


def main(arguments: list[str]) -> int:
    """Write the files into a new folder, or into a checkout of the framework; return 2 where none is named."""
    if len(arguments) != 1 or not arguments[0]:
        print("Name a folder: make submission-lakeflow DIR=<folder>", file=sys.stderr)
        return 2
    folder = Path(arguments[0]).expanduser()
    for path, text in files().items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")
    left = left_to_a_person()
    if (folder / MERGE).is_file():
        subprocess.run([sys.executable, str(MERGE), "particle"], cwd=folder, check=True)  # noqa: S603  (the user's checkout)
    else:
        left = [f"Make the merged file, in a checkout of the framework: `python {MERGE} particle`.", *left]
    print(f"The source particle is in {folder}. What is left to a person:", *left, sep="\n- ")
    return 0


@cache
def files() -> Mapping[Path, str]:
    """Return the text of each file by its path in the framework's repository."""
    return {
        SOURCE / "__init__.py": filled("init.py"),
        SOURCE / "particle.py": filled("particle.py"),
        SOURCE / "pyproject.toml": filled("pyproject.toml", **_of_this_package()),
        SOURCE / "README.md": readme(),
        SOURCE / "particle_api_doc.md": api_doc(),
        SOURCE / "connector_spec.yaml": (ROOT / "connector_spec.yaml").read_text("utf-8"),
        TESTS / "__init__.py": "",
        TESTS / "test_particle_lakeflow_connect.py": filled("test.py", table_configs=_literal(_table_configs())),
        SIMULATOR / "__init__.py": "",
        SIMULATOR / "handlers" / "__init__.py": "",
        SIMULATOR / "handlers" / "api.py": filled("handler.py"),
        SIMULATOR / "endpoints.yaml": endpoints_yaml(),
        **{
            SIMULATOR / "corpus" / f"{name}.json": json.dumps(body, indent=2) + "\n" for name, body in corpora().items()
        },
    }


def left_to_a_person() -> list[str]:
    """Return the list of docs/submitting.md that says so."""
    page = (ROOT / "docs" / "submitting.md").read_text("utf-8")
    listed = page.partition("## Lakeflow\n")[2].partition("What only a person can do:\n")[2].partition("\n\nW")[0]
    return [" ".join(item.split()) for item in listed.split("\n- ")[1:]]


def _of_this_package() -> Mapping[str, str]:
    text = (ROOT / "pyproject.toml").read_text("utf-8")
    found = {name: re.search(rf'^{name} = "(.+)"$', text, re.MULTILINE) for name in ("version", "requires-python")}
    return {name.replace("-", "_"): match[1] for name, match in found.items() if match}


def _table_configs() -> Mapping[str, Mapping[str, str]]:
    """Return the options of each table that make the tests read everything, also by way of the products."""
    of_products = "product_id_or_slug"
    return {
        name: dict.fromkeys(part.required_options, "*")
        | ({of_products: "*"} if of_products in (option.name for option in part.options) else {})
        for name, part in tables().items()
    }


def _literal(configs: Mapping[str, Mapping[str, str]]) -> str:
    rows = "".join(f"        {json.dumps(name)}: {json.dumps(options)},\n" for name, options in configs.items())
    return "{\n" + rows + "    }"
