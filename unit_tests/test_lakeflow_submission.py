"""What goes to the Lakeflow framework's repository, as far as it can be seen without the framework."""

import ast
import json
from pathlib import Path

import pytest
import yaml

from bridge.tables.catalog import tables
from docs import lakeflow_submission
from docs.lakeflow_submission import PATHS, SIMULATOR, SOURCE, TESTS, files


@pytest.mark.parametrize("path", [path for path in files() if path.suffix == ".py"], ids=str)
def test_code_is_python_with_lines_as_short_as_the_framework_wants(path: Path) -> None:
    text = files()[path]
    ast.parse(text)
    if path.is_relative_to(SOURCE) or path.is_relative_to(SIMULATOR):
        assert max(map(len, text.splitlines()), default=0) <= 100


def test_the_source_is_one_class_over_the_wheel() -> None:
    module = ast.parse(files()[SOURCE / "particle.py"])
    classes = [node for node in module.body if isinstance(node, ast.ClassDef)]
    assert [(node.name, [ast.unparse(base) for base in node.bases]) for node in classes] == [
        ("ParticleLakeflowConnect", ["ParticleTables", "LakeflowConnect", "SupportsPartitionedStream"])
    ]


def test_documents_and_tests_name_every_table() -> None:
    for path in (SOURCE / "README.md", SOURCE / "particle_api_doc.md", TESTS / "test_particle_lakeflow_connect.py"):
        assert [name for name in tables() if name not in files()[path]] == [], path


def test_the_simulator_answers_every_path() -> None:
    endpoints = yaml.safe_load(files()[SIMULATOR / "endpoints.yaml"])["endpoints"]
    assert {endpoint["corpus"] for endpoint in endpoints} == set(PATHS)
    for name in PATHS:
        assert json.loads(files()[SIMULATOR / "corpus" / f"{name}.json"])


def test_the_command_names_what_is_left_to_people(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert lakeflow_submission.main([str(tmp_path)]) == 0
    assert "left to a person" in capsys.readouterr().out
    assert (tmp_path / SOURCE / "particle.py").is_file()


@pytest.mark.parametrize("arguments", [[], [""], ["one", "two"]])
def test_the_command_wants_a_folder(arguments: list[str]) -> None:
    assert lakeflow_submission.main(arguments) == 2
