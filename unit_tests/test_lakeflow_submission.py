"""What goes to the Lakeflow framework's repository, as far as it can be seen without the framework."""

import ast
import json
import re
from pathlib import Path
from typing import Any

import pytest

from bridge import ParticleLakeflowConnect
from bridge.tables.catalog import connection_options, tables
from docs.lakeflow.layout import MERGE, SIMULATOR, SOURCE, TESTS, files, left_to_a_person, main
from docs.submission_rules import parsed_text
from source_particle import manifest

ADDRESS = re.compile(r"\{\{ config\['base_url'\] \}\}(/[^\"]*)")


def test_code_is_python_with_lines_as_short_as_the_framework_wants() -> None:
    for path, text in files().items():
        if path.suffix == ".py":
            ast.parse(text)
            if path.is_relative_to(SOURCE) or path.is_relative_to(SIMULATOR):
                assert max(map(len, text.splitlines()), default=0) <= 100, path


# ---- the class; A1 and so on are the checks of the framework's self-review ----


def test_the_class_is_found_as_the_self_review_looks_for_it() -> None:
    text = files()[SOURCE / "particle.py"]
    assert re.findall(r"class .*\(LakeflowConnect\b", text) == ["class ParticleLakeflowConnect(LakeflowConnect"]  # A1
    wanted = {"list_tables", "get_table_schema", "read_table_metadata", "read_table"}
    assert wanted <= set(re.findall(r"def (\w+)\(", text))  # A2
    assert "SupportsPartitionedStream)" in text  # A4


def test_the_class_hands_over_every_method_of_the_connector_with_its_parameters() -> None:
    [made] = [node for node in ast.parse(files()[SOURCE / "particle.py"]).body if isinstance(node, ast.ClassDef)]
    methods = {node.name: node for node in made.body if isinstance(node, ast.FunctionDef)}
    own = {name for name in vars(ParticleLakeflowConnect) if not name.startswith("_")}
    assert methods.keys() == {"__init__", *own}
    for name in own:
        method, parameters = methods[name], [argument.arg for argument in methods[name].args.args]
        code = getattr(ParticleLakeflowConnect, name).__code__
        assert tuple(parameters) == code.co_varnames[: code.co_argcount], name
        assert ast.unparse(method.body[-1]) == f"return self._particle.{name}({', '.join(parameters[1:])})"


def test_the_package_is_described_as_the_self_review_wants() -> None:
    text = files()[SOURCE / "pyproject.toml"]
    own = (Path(__file__).parents[1] / "pyproject.toml").read_text("utf-8")
    needed = text.partition("\ndependencies = [")[2].partition("\n]")[0]
    assert re.search(r'"requests>=[\d.]+,<', needed)  # C5, D10
    assert "pyspark>" not in needed  # C10
    assert re.findall('"source-particle==.*"', needed) == [
        f'"source-particle=={re.findall("^version = .(.+).$", own, re.M)[0]}"'
    ]
    python = re.compile(r"^requires-python = .*$", re.MULTILINE)
    assert python.findall(text) == python.findall(own)


# ---- the documents ----


@pytest.mark.parametrize("name", ["README.md", "particle_api_doc.md"])
def test_a_document_names_every_table_with_its_key_and_every_option_or_column(name: str) -> None:
    text = files()[SOURCE / name]
    for part in tables().values():
        assert f"`{part.name}`" in text, "C2, C4, E1"
        assert [key for key in part.primary_key if f"`{key}`" not in text] == [], "E4"
        if name == "README.md":
            shown = [option for option in (*part.options, *part.spark_options) if option.is_documented]
            assert [option.name for option in shown if f"| `{part.name}` | `{option.name}` |" not in text] == []
        else:
            section = text.partition(f"\n### {part.name}\n")[2].partition("\n### ")[0]
            assert [column for column in part.columns if f"| `{column}` |" not in section] == [], "E3"


def test_the_readme_has_the_sections_of_the_frameworks_template_and_names_every_parameter() -> None:
    text = files()[SOURCE / "README.md"]
    for heading in (
        "# Lakeflow Particle Community Connector",
        "## Prerequisites",
        "### Required Connection Parameters",
        "### Create a Unity Catalog Connection",
        "## Supported Objects",
        "### Source & Destination",
        "### Common `table_configuration` Options",
        "### Special `table_configuration` Options",
        "## Data Type Mapping",
        "### Step 1: Clone/Copy the Source Connector Code",
        "### Step 2: Configure Your Pipeline",
        "#### Best Practices",
        "#### Troubleshooting",
        "## References",
    ):
        assert f"\n{heading}\n" in f"\n{text}", heading
    spec = parsed_text(files()[SOURCE / "connector_spec.yaml"])
    assert f"\n`{spec['external_options_allowlist']}`\n" in text  # E5
    assert [
        option.name for option in connection_options() if option.is_documented and f"| `{option.name}` |" not in text
    ] == []
    assert all("SCD_TYPE" in line for line in text.splitlines() if line.startswith("| `scd_type`"))


def test_the_api_document_has_the_sections_of_the_frameworks_template() -> None:
    text = files()[SOURCE / "particle_api_doc.md"]
    for heading in (
        "# **Particle API Documentation**",
        "## **Authorization**",
        "## **Object List**",
        "## **Object Schema**",
        "## **Get Object Primary Keys**",
        "## **Object's ingestion type**",
        "## **Read API for Data Retrieval**",
        "## **Field Type Mapping**",
        "## **Known Quirks**",
        "## **Research Log**",
        "## **Sources and References**",
    ):
        assert f"\n{heading}\n" in f"\n{text}", heading
    for part in tables().values():
        example = text.partition(f"\n#### {part.name}\n")[2].partition("\n#### ")[0]
        assert f"https://api.particle.io{part.endpoints[0]}\n" in example
        assert json.loads(example.partition("```json\n")[2].partition("\n```")[0])


def test_a_way_to_sign_in_says_when_to_choose_it() -> None:
    ways = parsed_text(files()[SOURCE / "connector_spec.yaml"])["connection"]["auth_methods"]
    assert [way["name"] for way in ways if "For " not in way["description"]] == []


# ---- the simulator ----


def _endpoints() -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = parsed_text(files()[SIMULATOR / "endpoints.yaml"])["endpoints"]
    return listed


def test_the_simulator_answers_every_address_of_the_manifest() -> None:
    served = {re.sub(r"\{\w+\}", "{}", endpoint["path"]) for endpoint in _endpoints()}
    documented = {path for part in tables().values() for path in part.endpoints}
    assert {re.sub(r":\w+", "{}", path) for path in documented} <= served  # B8
    plain = [path for path in ADDRESS.findall(json.dumps(manifest())) if "{" not in path]
    assert {*plain, "/oauth/token"} <= served
    assert {endpoint["path"]: endpoint["method"] for endpoint in _endpoints()}["/oauth/token"] == "POST"


def test_the_simulator_has_a_record_for_every_endpoint_and_some_of_the_future_for_a_list_with_a_cursor() -> None:
    with_future = set()
    for endpoint in _endpoints():
        body = json.loads(files()[SIMULATOR / "corpus" / f"{endpoint['corpus']}.json"])
        assert body
        if future := endpoint.get("synthesize_future_records"):  # B13
            with_future.add(future["cursor_field"])
            assert isinstance(body, list)
            assert all(future["cursor_field"] in record for record in body)
    assert {"updated_at"} <= with_future <= {part.cursor_field for part in tables().values()}


def test_the_simulator_filters_vitals_as_the_api_does() -> None:
    [parameters] = [entry["params"] for entry in _endpoints() if entry["path"] == "/v1/diagnostics/{deviceId}"]
    assert parameters == {
        "start_date": {"role": "filter", "field": "updated_at", "op": "gte"},
        "end_date": {"role": "filter", "field": "updated_at", "op": "lt"},
    }


def test_the_tests_name_every_table() -> None:
    text = files()[TESTS / "test_particle_lakeflow_connect.py"]
    assert [name for name in tables() if f'"{name}": {{' not in text] == []


# ---- the command ----


def test_the_command_names_what_is_left_to_people(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert (tmp_path / SOURCE / "particle.py").is_file()
    assert [item for item in left_to_a_person() if item not in said] == []
    for word in ("CUTOFF", "_pylint-extras.in", "`bridge`", "airbyte-cdk", "validation.json", "safe-to-test"):
        assert word in said
    assert f"python {MERGE} particle" in said


def test_the_command_runs_the_frameworks_merge_tool_in_a_checkout(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / MERGE).parent.mkdir(parents=True)
    (tmp_path / MERGE).write_text("import pathlib, sys\npathlib.Path('merged').write_text(sys.argv[1])\n")
    assert main([str(tmp_path)]) == 0
    assert (tmp_path / "merged").read_text() == "particle"
    assert "merged file" not in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [[], [""], ["one", "two"]])
def test_the_command_wants_a_folder(arguments: list[str]) -> None:
    assert main(arguments) == 2
