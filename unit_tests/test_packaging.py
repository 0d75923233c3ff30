"""The files of the project as a whole: nothing that ties them to one machine, and facts that agree."""

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from source_particle import manifest
from unit_tests.support.paths import ROOT, project_files

FORBIDDEN = {
    "path of one machine": r"(?<![\w.$}~])/(?:work|root|home|Users)/[\w.-]+",
    "registry host": r"(?:pypi|pythonhosted|docker|ghcr|quay|gcr|npmjs|anaconda)\.(?:org|io|com)|--(extra-)?index-url",
    "token-looking literal": r"(?<![0-9A-Za-z])[0-9a-f]{40}(?![0-9A-Za-z])",
}
# In halves, so that this file does not break the rules.
SEEDED = {
    "path of one machine": "see " + "/home" + "/someone/notes",
    "registry host": "index = https://" + "pypi" + ".org/simple",
    "token-looking literal": f'token = "{"0a1b" * 10}"',
}
# Airbyte's check of a connector wants the full name of this image, its registry included.
BASE_IMAGE = "airbyte/source-declarative-manifest"


@pytest.mark.parametrize("rule", FORBIDDEN)
def test_no_file_holds_what_belongs_to_one_machine_or_account(rule: str) -> None:
    assert _violations(rule, _files()) == []


@pytest.mark.parametrize("rule", FORBIDDEN)
def test_a_file_that_does_is_found(rule: str) -> None:
    seeded = {**_files(), "docs/seeded.md": SEEDED[rule]}
    assert [line.split(":")[0] for line in _violations(rule, seeded)] == ["docs/seeded.md"]


def test_the_version_is_the_same_everywhere() -> None:
    assert len(set(_versions(_files()).values())) == 1, _versions(_files())


@pytest.mark.parametrize("path", ["pyproject.toml", "metadata.yaml", "CHANGELOG.md", "Dockerfile"])
def test_a_version_of_its_own_is_found(path: str) -> None:
    files = _files()
    version = _versions(files)[path]
    changed = {**files, path: files[path].replace(version, "9.9.9")}
    assert len(set(_versions(changed).values())) == 2


def test_the_cdk_is_the_same_in_manifest_image_and_constraints() -> None:
    files = _files()
    version = manifest()["version"]
    base = f"{BASE_IMAGE}:{version}"
    # Without a digest, which nobody here knows: see docs/submitting.md.
    assert _metadata()["connectorBuildOptions"]["baseImage"] == "docker" + f".io/{base}"
    assert f"ARG BASE_IMAGE={base}\n" in files["Dockerfile"]
    assert f"airbyte-cdk=={version}\n" in files["constraints.txt"]


def test_constraints_pin_every_dependency_to_one_version_per_python() -> None:
    files = _files()
    lines = [line for line in files["constraints.txt"].splitlines() if not line.startswith("#")]
    pin = r"([\w.-]+)==[\w.]+(?: ; python_version (?:<|>=) \"3\.11\")?"
    assert [line for line in lines if not re.fullmatch(pin, line)] == []
    assert len(set(lines)) == len(lines)
    pinned = {_normal(line.split("==")[0]) for line in lines}
    direct = {_normal(name) for name in re.findall(r'^    "([\w.-]+)[<>=]', files["pyproject.toml"], re.MULTILINE)}
    assert {"airbyte-cdk", "pyspark", "typer", "pytest"} <= direct
    assert direct - pinned == set()


def test_make_installs_only_extras_that_there_are() -> None:
    files = _files()
    assert _unknown_extras(files["Makefile"], files["pyproject.toml"]) == set()


def test_an_extra_that_is_not_there_is_found() -> None:
    files = _files()
    without = files["pyproject.toml"].replace("\nbench = [", "\nother = [")
    assert _unknown_extras(files["Makefile"], without) == {"bench"}


def _unknown_extras(makefile: str, project: str) -> set[str]:
    # pip only warns of such a name, and goes on without what it stands for.
    named = {name for names in re.findall(r"-e '\.\[([\w,]+)\]'", makefile) for name in names.split(",")}
    _, _, extras = project.partition("[project.optional-dependencies]")
    return named - set(re.findall(r"^(\w+) = \[$", extras.partition("\n[")[0], re.MULTILINE))


def test_the_commit_hooks_run_what_make_check_runs() -> None:
    files = _files()
    hooks = yaml.safe_load(files[".pre-commit-config.yaml"])["repos"][0]["hooks"]
    _, _, target = files["Makefile"].partition("\ncheck:")
    checks = re.findall(r"^\t\$\(BIN\)/(.+)$", target.partition("\n\n")[0], re.MULTILINE)
    # The hook formats, where the check only looks.
    expected = {f".venv/bin/{check}".replace("ruff format --check", "ruff format") for check in checks}
    assert {hook["entry"] for hook in hooks} == expected


# ---- make on a machine that lacks something ----


def test_make_says_what_to_install_when_java_is_too_old_and_nobody_may_install_it(tmp_path: Path) -> None:
    tools = _tools(tmp_path, java=11, user=1000)
    done = _make(tools, "java")
    assert done.returncode != 0
    assert "Java 17 or newer" in done.stderr
    assert "apt-get install openjdk-17-jre-headless" in done.stderr


def test_make_does_not_replace_the_java_that_a_user_chose(tmp_path: Path) -> None:
    done = _make(_tools(tmp_path, java=17, user=0), "java", JAVA_HOME=str(tmp_path / "none"))
    assert done.returncode != 0
    assert "JAVA_HOME" in done.stderr


def test_make_installs_java_where_it_may(tmp_path: Path) -> None:
    tools = _tools(tmp_path, java=None, user=0)
    newer = _script(tools / "java.new", "echo 'openjdk version \"17.0.15\" 2025-04-15' >&2")
    _script(tools / "apt-get", f'case "$*" in *jre-headless) mv {newer} {tools / "java"};; esac')
    done = _make(tools, "java")
    assert done.returncode == 0, done.stderr
    assert _make(tools, "java").stdout == "", "a second run has nothing to do"


def test_make_says_which_python_it_needs(tmp_path: Path) -> None:
    tools = _tools(tmp_path, java=17, user=1000)
    old = _script(tools / "python2", "exit 1")
    done = _make(tools, f"{tmp_path}/venv/.installed", f"VENV={tmp_path}/venv", f"PYTHON={old}")
    assert done.returncode != 0
    assert "No Python 3.10 to 3.13" in done.stderr
    assert not (tmp_path / "venv").exists()


def test_make_says_why_it_skips_the_framework(tmp_path: Path) -> None:
    (tmp_path / "venv" / "bin").mkdir(parents=True)
    for name in ("bin/python", ".installed"):
        (tmp_path / "venv" / name).touch()
    done = _make(_tools(tmp_path, java=17, user=0), "test-framework", f"VENV={tmp_path}/venv")
    assert done.returncode == 0, done.stderr
    assert "Skipped: the Lakeflow framework is on no package registry" in done.stdout


def _tools(folder: Path, *, java: int | None, user: int) -> Path:
    """A PATH with little in it: a Java of some version or none, and a user id."""
    tools = folder / "bin"
    tools.mkdir()
    for name in ("sh", "bash", "sed", "grep", "env", "mv", "awk", "uname"):
        found = shutil.which(name)
        assert found is not None
        (tools / name).symlink_to(found)
    _script(tools / "id", f"echo {user}")
    _script(tools / "sudo", "exit 1")
    if java is not None:
        _script(tools / "java", f"echo 'openjdk version \"{java}.0.1\" 2025-04-15' >&2")
    return tools


def _script(path: Path, body: str) -> Path:
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return path


def _make(tools: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    make = shutil.which("make")
    assert make is not None
    # Not the flags of a make that runs these tests.
    kept = {name: value for name, value in os.environ.items() if name in ("LANG", "TMPDIR")}
    environment = {**kept, "PATH": str(tools), **variables}
    return subprocess.run([make, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def test_make_says_who_may_build_an_image(tmp_path: Path) -> None:
    done = _make(_tools(tmp_path, java=17, user=1000), "container-tools")
    assert done.returncode != 0
    assert "sudo make image" in done.stderr


def test_make_installs_what_builds_an_image(tmp_path: Path) -> None:
    tools = _tools(tmp_path, java=17, user=0)
    new = [_script(tools / f"{name}.new", "exit 0") for name in ("buildah", "debootstrap")]
    moves = "; ".join(f"mv {path} {path.with_suffix('')}" for path in new)
    _script(tools / "apt-get", f'case "$*" in *" buildah debootstrap") {moves};; esac')
    assert _make(tools, "container-tools").returncode == 0
    assert all(path.with_suffix("").exists() for path in new)
    assert _make(tools, "container-tools").stdout == "", "a second run has nothing to do"


# ---- the files ----


def _files() -> dict[str, str]:
    """The text of each file that belongs to the project, by its path; pictures have none."""
    paths = [path for path in project_files() if not path.endswith(".png")]
    return {path: (ROOT / path).read_text(encoding="utf-8") for path in paths}


def _violations(rule: str, files: Mapping[str, str]) -> list[str]:
    return [
        f"{path}:{number}: {line.strip()[:120]}"
        for path, text in files.items()
        for number, line in enumerate(text.splitlines(), 1)
        if re.search(FORBIDDEN[rule], line) and BASE_IMAGE not in line
    ]


def _versions(files: Mapping[str, str]) -> dict[str, str]:
    patterns = {
        "pyproject.toml": r'^version = "(.+)"$',
        "metadata.yaml": r"^  dockerImageTag: (.+)$",
        "CHANGELOG.md": r"^## \[([0-9.]+)\]",
        "Dockerfile": r"^LABEL .*io\.airbyte\.version=\"(.+)\"$",
    }
    found = {path: re.search(pattern, files[path], re.MULTILINE) for path, pattern in patterns.items()}
    assert all(found.values()), found
    return {path: match.group(1) for path, match in found.items() if match}


def _metadata() -> dict[str, Any]:
    metadata: dict[str, Any] = yaml.safe_load(_files()["metadata.yaml"])["data"]
    return metadata


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_no_message_advises_to_install_this_project_from_a_registry_that_does_not_have_it() -> None:
    sources = [path for name in ("bridge", "source_particle") for path in (ROOT / name).rglob("*.py")]
    assert [path for path in sources if "install 'source-particle" in path.read_text(encoding="utf-8")] == []


def test_what_make_mutants_names_is_there() -> None:
    [settings] = re.findall(r"(?ms)^\[tool\.mutmut\]$(.+?)^\[", (ROOT / "pyproject.toml").read_text("utf-8"))
    named = re.findall(r'"(\w[^"]*[/.][^"]*)"', settings)
    assert len(named) > 10
    assert [name for name in named if name[:3] != "no:" and not (ROOT / name).exists()] == []
