"""Every command and snippet of the documentation, run as a reader would; and its generated parts, up to date.

Blocks of a document run in order, in one empty folder, with an access token in the environment. What a reader has and a
test has not is put in by `documents`, and by nothing else.
"""

import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from bridge.errors import ConfigurationError
from bridge.export.formats.sink import MARK
from bridge.export.sync import Observer, TableResult, sync
from bridge.tables.catalog import connection_options, tables
from bridge.tables.options import Options
from docs import generate
from examples import demo
from integration_tests.device_cloud import DeviceCloud, FleetSize
from integration_tests.project.documents import (
    blocks,
    check_session,
    environment_for,
    run_commands,
    substituted,
    substitutions,
)
from unit_tests.support.paths import ROOT

DOCUMENTS = [
    *(ROOT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")),
    *(path for folder in ("docs", "examples") for path in sorted((ROOT / folder).rglob("*.md"))),
]
# Commands that have a test of their own, which runs them more than once.
ELSEWHERE = [ROOT / "examples" / name / "README.md" for name in ("duckdb", "pyairbyte", "spark_pipeline")]
WITH_COMMANDS = [
    path
    for path in DOCUMENTS
    if path not in ELSEWHERE and re.search(r"^```(sh|console|python)$", path.read_text("utf-8"), re.M)
]
# Each starts Spark, for a minute.
SLOW = [ROOT / "docs" / "databricks.md", ROOT / "examples" / "snapshot_history" / "README.md"]
RUN = [pytest.param(path, marks=[pytest.mark.slow] if path in SLOW else []) for path in WITH_COMMANDS]

# sh: must succeed; console: commands after `$ ` and what they print, … for any lines; python: together one script;
# text: no command.
KINDS = ("sh", "console", "python", "text")
# With a word of what is generated in it.
GENERATED = {
    "README.md": "product_id_or_slug",
    "docs/tables.md": "product_id_or_slug",
    "docs/options.md": "product_id_or_slug",
    "docs/matrix.md": "list of one product",
    "docs/performance.md": "product_devices",
    "docs/airbyte/particle.md": "product_id_or_slug",
    "docs/airbyte/builder-manifest.yaml": "product_id_or_slug",
    "connector_spec.yaml": "product_id_or_slug",
    "examples/databricks/fleet.lvdash.json": "firmware",
}
DOCUMENTED_ALLOW_LIST = (
    "product_id_or_slug,device_id,iccid,groups,device_name,serial_number,sort_attr,sort_dir,per_page,max_pages,"
    "start_date,end_date"
)


def name_of(path: Path) -> str:
    """Name a document in the list of tests."""
    return path.relative_to(ROOT).as_posix()


# ---- commands and snippets ----


@pytest.mark.fleet(FleetSize(products=2, devices=6, sims=3, user_devices=3, user_sims=2, days=1, samples=False))
@pytest.mark.parametrize("path", RUN, ids=name_of)
def test_the_commands_of_a_document_work(path: Path, tmp_path: Path, cloud: DeviceCloud) -> None:
    environment = environment_for(cloud)
    for block in blocks(path):
        text = substituted(block.text, substitutions(cloud))
        if block.kind == "sh":
            run_commands(text, tmp_path, environment)
        elif block.kind == "console":
            check_session(text, tmp_path, environment)


def _python(path: Path, cloud: DeviceCloud) -> str:
    """Return the snippets of a document as one script, as they are when its reader has put in the own account."""
    script = "\n".join(block.text for block in blocks(path) if block.kind == "python")
    return substituted(script, substitutions(cloud))


# A process with a Spark of its own takes a minute.
@pytest.mark.slow
@pytest.mark.parametrize("path", WITH_COMMANDS, ids=name_of)
def test_the_python_of_a_document_works(path: Path, tmp_path: Path, cloud: DeviceCloud) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _python(path, cloud)],
        cwd=tmp_path,
        env=environment_for(cloud),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.mark.usefixtures("spark")
def test_the_python_of_the_readme_works_in_a_notebook(
    tmp_path: Path, cloud: DeviceCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There, a session has been started. Its paths are those of its process, which is in another folder."""
    for name, value in environment_for(cloud).items():
        monkeypatch.setenv(name, value)
    script = _python(ROOT / "README.md", cloud).replace('"particle-vitals', f'"{tmp_path}/particle-vitals')
    exec(compile(script, "README.md", "exec"), {"__name__": "__main__"})
    assert list(tmp_path.glob("particle-vitals/*.parquet"))


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_every_block_is_of_a_kind_that_is_run(path: Path) -> None:
    assert [block.kind for block in blocks(path) if block.kind not in KINDS] == []
    assert path.read_text("utf-8").count("```") == 2 * len(blocks(path))


def test_a_command_that_fails_is_found(tmp_path: Path, cloud: DeviceCloud) -> None:
    with pytest.raises(AssertionError, match="no-such-table"):
        run_commands(
            "particle-bridge schema user >/dev/null\nparticle-bridge schema no-such-table",
            tmp_path,
            environment_for(cloud),
        )


def test_an_output_that_is_not_as_printed_is_found(tmp_path: Path, cloud: DeviceCloud) -> None:
    check_session("$ printf 'a\\nb\\nc\\n'\na\n…\nc\n$ echo d\nd", tmp_path, environment_for(cloud))
    with pytest.raises(AssertionError):
        check_session("$ printf 'a\\nb\\nc\\n'\na\nc", tmp_path, environment_for(cloud))


def test_every_link_inside_the_project_leads_somewhere() -> None:
    assert [link for path in DOCUMENTS for link in _dead_links(path, path.read_text("utf-8"))] == []


def test_a_dead_link_is_found() -> None:
    text = "[good](docs/tables.md#devices) [here](#tables) [bad](docs/nothing.md) [worse](docs/tables.md#no) [no](#no)"
    assert _dead_links(ROOT / "README.md", text) == ["docs/nothing.md", "docs/tables.md#no", "#no"]


# ---- the demo ----


SMALL_DEMO = (
    "import sys; from examples import demo; from integration_tests.device_cloud import FleetSize; "
    "sys.exit(demo.main(size=FleetSize(products=2, devices=20, sims=8, days=2, samples=False)))"
)


@pytest.mark.parametrize(
    "words", [["-c", SMALL_DEMO], pytest.param(["-m", "examples.demo"], marks=pytest.mark.slow)], ids=["small", "whole"]
)
def test_the_demo_reads_all_that_the_fleet_holds(words: list[str], tmp_path: Path, cloud: DeviceCloud) -> None:
    done = subprocess.run(
        [sys.executable, *words],
        cwd=tmp_path,
        env=environment_for(cloud),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
    assert f"All {len(tables())} tables hold exactly what the fleet holds" in done.stdout
    shown = re.findall(r"^│ (\w+) +│ \d+ +│ \d+\.\d +│$", done.stdout, re.M)
    assert shown == list(tables())
    written = {path.name for path in (tmp_path / "lake").iterdir() if not path.name.startswith(".")}
    assert written == {*tables(), demo.REPORT}
    assert f"open lake/{demo.REPORT} in a browser" in done.stdout


def _interrupted(to: Path, connection: Mapping[str, str], *, observer: Observer, **given: Any) -> list[TableResult]:
    """Sync until the table devices is to be read."""

    def on_start(options: Options) -> None:
        if options.table.name == "devices":
            raise KeyboardInterrupt

    observer.on_start = on_start  # type: ignore[method-assign]
    return sync(to, connection, observer=observer, **given)


SMALL = FleetSize(products=1, devices=2, sims=1, days=1, user_devices=1, samples=False)


@pytest.mark.parametrize("resume", [False, True])
def test_the_demo_replaces_its_own_tables_and_no_others(tmp_path: Path, cloud: DeviceCloud, resume: bool) -> None:
    assert demo.main(tmp_path, SMALL) == 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(demo, "sync", _interrupted)
        with pytest.raises(KeyboardInterrupt):
            demo.main(tmp_path, SMALL)
    sync(tmp_path, {"access_token": cloud.token, "base_url": cloud.url}, ["devices"], resume=resume)
    before = (tmp_path / "devices" / MARK).read_bytes()
    with pytest.raises(ConfigurationError, match=r"devices was not written by the last demo\. Move .* away, and run"):
        demo.main(tmp_path, SMALL)
    assert (tmp_path / "devices" / MARK).read_bytes() == before
    assert demo.REPORT in {path.name for path in tmp_path.iterdir()}


@pytest.mark.parametrize("rows_off", [1, -1])
def test_the_demo_fails_when_a_row_is_missing_or_too_many(
    rows_off: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def short_sync(to: Path, connection: Mapping[str, str], **_: object) -> list[TableResult]:
        return [TableResult("user", 0.1, rows=1), TableResult("oauth_clients", 0.1, rows=4 + rows_off)]

    monkeypatch.setattr(demo, "sync", short_sync)
    assert demo.main(tmp_path, FleetSize(devices=2, samples=False)) == 1
    assert f"oauth_clients has {4 + rows_off} rows, but the fleet holds 4." in capsys.readouterr().out


def test_the_demo_fails_when_a_table_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(demo, "sync", lambda *_, **__: [TableResult("user", 0.1, error="no answer")])
    assert demo.main(tmp_path, FleetSize(devices=2, samples=False)) == 1
    assert "user failed: no answer" in capsys.readouterr().out


# ---- generated parts ----


def test_generated_documentation_is_up_to_date() -> None:
    assert generate.stale() == [], "run `make docs`"


def test_every_generated_file_is_tried() -> None:
    assert {str(path.relative_to(ROOT)) for path in generate.generated()} == GENERATED.keys()


def test_documentation_that_differs_from_the_manifest_is_found(tmp_path: Path) -> None:
    for path in generate.generated():
        copy = tmp_path / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, copy)
    assert generate.stale(tmp_path) == []
    for name, word in GENERATED.items():
        text = (tmp_path / name).read_text("utf-8")
        (tmp_path / name).write_text(text.replace(word, "product"), encoding="utf-8")
    assert {path.relative_to(tmp_path).as_posix() for path in generate.stale(tmp_path)} == {*GENERATED}


def test_a_missing_marker_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("# Nothing generated here\n")
    with pytest.raises(ValueError, match="no markers <!-- generated: tables -->"):
        generate.generated(tmp_path)


def test_the_allow_list_holds_every_option_that_is_read_and_all_documented_ones() -> None:
    [written] = [block.text.strip() for block in blocks(ROOT / "docs" / "options.md")]
    read = {option.name for part in tables().values() for option in (*part.options, *part.spark_options)}
    framework = ["tableName", "tableNameList", "tableConfigs", "isDeleteFlow"]
    assert written.split(",")[:4] == framework
    assert set(written.split(",")[4:]) == read >= set(DOCUMENTED_ALLOW_LIST.split(","))
    assert _connector_spec()["external_options_allowlist"] == written


def test_the_connector_spec_has_two_ways_to_sign_in_and_every_other_option_of_the_connection() -> None:
    connection = _connector_spec()["connection"]
    ways = {way["name"]: {one["name"] for one in way["parameters"]} for way in connection["auth_methods"]}
    assert ways == {"access_token": {"access_token"}, "password": {"username", "password"}}
    shared = {one["name"] for one in connection["parameters"]}
    documented = {option.name for option in connection_options() if option.is_documented}
    assert shared == documented - {"access_token", "username", "password"} >= {"base_url", "token_cache_file"}
    every = [one for way in connection["auth_methods"] for one in way["parameters"]] + connection["parameters"]
    assert {one["name"] for one in every if one.get("secret")} == {"access_token", "password"}
    assert [one for one in every if one["type"] != "string" or not one["description"]] == []
    assert {one["name"] for one in every if one["required"]} == set().union(*ways.values())


def _connector_spec() -> dict[str, Any]:
    spec: dict[str, Any] = yaml.safe_load((ROOT / "connector_spec.yaml").read_text("utf-8"))
    return spec


# ---- links ----


def _dead_links(path: Path, text: str) -> list[str]:
    links = [link for link in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in link]
    own = {link: f"{path.name}{link}" for link in links if link.startswith("#")}
    return [link for link in links if not _leads_somewhere(path.parent, own.get(link, link))]


def _leads_somewhere(folder: Path, link: str) -> bool:
    path, _, heading = link.partition("#")
    target = folder / path
    return target.exists() and (not heading or heading in _anchors(target.read_text("utf-8")))


def _anchors(text: str) -> list[str]:
    """Return what the sections of a document are called in links."""
    headings = re.findall(r"^##+ (.+)$", text, re.M)
    return [re.sub(r"[^\w-]", "", heading.lower().replace(" ", "-")) for heading in headings]
