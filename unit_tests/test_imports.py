"""Who may import whom: arrows point one way, between the rooms of the bridge and between code and its tests."""

import ast
from collections.abc import Iterator, Mapping, Set
from functools import cache
from graphlib import CycleError, TopologicalSorter

import pytest

from unit_tests.support.paths import ROOT

# A room imports from those above it and from itself, not from its neighbours.
ROOMS = (
    ("bridge.errors",),
    ("bridge.tables",),
    ("bridge.rows", "bridge.reading"),
    ("bridge.spark",),
    ("bridge.lakeflow",),
    ("bridge.registration",),
    ("bridge",),
    ("bridge.export",),
    ("bridge.models",),
    ("bridge.report",),
    ("bridge.cli",),
)
# The one module of the bridge that asks the API, and what it does so by.
READER = "bridge.reading.reader"
NETWORK = {"airbyte_cdk", "requests"}
# What the packages of the project may import of each other; those that are not named here, all.
OTHERS: Mapping[str, tuple[str, ...]] = {
    "source_particle": (),
    "bridge": ("source_particle",),
    "unit_tests": (
        "source_particle",
        "bridge",
        "benchmarks.report",
        "docs.submission",
        "docs.submission_rules",
        "docs.lakeflow",
    ),
    "integration_tests": ("source_particle", "bridge", "docs", "examples", "unit_tests.support"),
}
PACKAGES = (*OTHERS, "benchmarks", "docs", "examples")

Imports = Mapping[str, set[str]]


def test_everybody_imports_only_what_they_may() -> None:
    assert list(_violations(_imports())) == []


@pytest.mark.parametrize(
    ("module", "seeded", "violation"),
    [
        ("bridge.errors", "from bridge.tables.catalog import table", "imports bridge.tables.catalog"),
        ("bridge.tables.catalog", "def f():\n    import bridge.spark.datasource", "imports bridge.spark.datasource"),
        ("bridge.rows.values", "from bridge.reading import reader", "imports bridge.reading.reader"),
        ("bridge.spark.filters", "from bridge import register", "imports bridge"),
        ("bridge.export.sync", "from bridge.cli import app", "imports bridge.cli"),
        ("bridge.attic", "", "is in no room"),
        ("bridge.export.sync", "import requests", "asks the API by requests"),
        ("bridge.spark.filters", "from source_particle.login import sign_in", "asks the API by source_particle.login"),
        ("source_particle.paging", "from bridge.errors import ParticleError", "imports bridge.errors"),
        ("bridge.errors", "import unit_tests.support.paths", "imports unit_tests.support.paths"),
        ("unit_tests.test_new", "from integration_tests.device_cloud import Fleet", "imports integration_tests"),
        ("integration_tests.new", "import unit_tests.conftest", "imports unit_tests.conftest"),
        ("integration_tests.test_new", "from integration_tests.spark import test_read", "is a test"),
        ("integration_tests.device_cloud.samples", "from .fleet import Fleet", "is in a circle"),
    ],
)
def test_an_import_against_the_arrows_is_found(module: str, seeded: str, violation: str) -> None:
    imports = {**_imports(), module: _imports().get(module, set()) | set(_imported(module, seeded, set(_imports())))}
    assert any(violation in found for found in _violations(imports))


@cache
def _imports() -> Imports:
    """Return what each module of the project imports."""
    texts = {}
    for path in (path for package in PACKAGES for path in (ROOT / package).rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        texts[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path.read_text(encoding="utf-8")
    return {name: set(_imported(name, text, texts.keys())) for name, text in texts.items()}


def _imported(importer: str, text: str, modules: Set[str]) -> Iterator[str]:
    """Yield the modules of the project that a text names, and of other packages the first part of their names."""
    is_package = any(name.startswith(f"{importer}.") for name in modules)
    for node in ast.walk(ast.parse(text)):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = importer.split(".")[: importer.count(".") + 1 - node.level + is_package] if node.level else []
            whole = ".".join([*above, *filter(None, [node.module])])
            # What is imported may be a module, or something in one.
            names = [found if (found := f"{whole}.{alias.name}") in modules else whole for alias in node.names]
        yield from (name if _package(name) in PACKAGES else _package(name) for name in names)


def _violations(imports: Imports) -> Iterator[str]:
    network = NETWORK | {name for name in imports if _package(name) == "source_particle" and _asks(name, imports)}
    for name, imported in imports.items():
        if _package(name) == "bridge" and not _room(name)[1]:
            yield f"{name} is in no room: give it a place in ROOMS"
        for other in imported:
            if other.rpartition(".")[2].startswith("test_"):
                yield f"{name} imports {other}, which is a test: what tests share is in a module of their folder"
            elif not _may_import(name, other):
                yield f"{name} imports {other}, which it may not"
            elif _package(name) == "bridge" and name != READER and other in network:
                yield f"{name} asks the API by {other}: only {READER} does"
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as error:
        yield f"{error.args[1][0]} is in a circle: {' <- '.join(error.args[1])}"


def _may_import(name: str, other: str) -> bool:
    home, package = _package(name), _package(other)
    if home == package == "bridge":
        (floor, room), (floor_above, room_above) = _room(name), _room(other)
        return room == room_above or floor_above < floor
    if home == package or package not in PACKAGES or home not in OTHERS:
        return True
    return any(f"{other}.".startswith(f"{allowed}.") for allowed in OTHERS[home])


def _package(module: str) -> str:
    return module.partition(".")[0]


def _room(module: str) -> tuple[int, str]:
    """Return the room of a module of the bridge, and on which floor it is."""
    own = ".".join(module.split(".")[:2])
    return next(((floor, own) for floor, rooms in enumerate(ROOMS) if own in rooms), (len(ROOMS), ""))


def _asks(module: str, imports: Imports) -> bool:
    """Return whether a module imports what asks the API, itself or through others."""
    reached, left = {module}, [module]
    while left:
        new = imports.get(left.pop(), set()) - reached
        reached |= new
        left += new
    return bool(reached & NETWORK)
