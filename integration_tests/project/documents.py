"""The fenced blocks of a document, and how they are run as a reader would run them."""

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from integration_tests.device_cloud import DeviceCloud
from unit_tests.support.paths import ROOT

# What of the environment of the tests is about the machine, not about the project.
KEPT = ("HOME", "JAVA_HOME", "LANG", "SPARK_SUBMIT_OPTS", "TMPDIR")


class Block(NamedTuple):
    """A fenced block and its kind."""

    kind: str
    text: str


def blocks(path: Path) -> list[Block]:
    """Return the fenced blocks of a document, in order."""
    return [Block(*found) for found in re.findall(r"^```(\w*)\n(.*?)^```$", path.read_text("utf-8"), re.M | re.S)]


def substitutions(cloud: DeviceCloud) -> dict[str, str]:
    """Return what stands for the reader's own account; the address is Particle's wherever none is given."""
    [product, *_] = cloud.fleet.product_ids
    record = cloud.fleet.product(str(product))
    assert record is not None
    return {
        "my-product": record["slug"],
        "https://api.particle.io": cloud.url,
        '{"credentials":': f'{{"base_url": "{cloud.url}", "credentials":',
        "connection = {": f'connection = {{"base_url": "{cloud.url}", ',
    }


def substituted(text: str, substitutions: Mapping[str, str]) -> str:
    """Return a text in which what stands for the reader's account is a Device Cloud's."""
    for written, meant in substitutions.items():
        text = text.replace(written, meant)
    return text


def _as_run(command: str) -> str:
    """Keep tests from running themselves and from changing the environment they run in."""
    command = re.sub(r"^make ", f"make -n -C '{ROOT}' ", command, flags=re.M)
    return re.sub(
        r"^pip (install .*)$",
        rf"(cd '{ROOT}' && python -m pip \1 -q --dry-run --no-deps --no-build-isolation)",
        command,
        flags=re.M,
    )


def environment_for(cloud: DeviceCloud) -> dict[str, str]:
    """Return the environment of a reader who has installed the project and has an access token."""
    kept = {name: value for name, value in os.environ.items() if name in KEPT}
    return {
        **kept,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYSPARK_PYTHON": sys.executable,
        "SPARK_LOCAL_IP": "127.0.0.1",
        "PARTICLE_ACCESS_TOKEN": cloud.token,
        "PARTICLE_BASE_URL": cloud.url,
    }


def _run(script: str, folder: Path, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", _as_run(script)],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


def run_commands(script: str, folder: Path, environment: Mapping[str, str]) -> None:
    """Run commands, all of which must succeed."""
    done = _run(script, folder, environment)
    assert done.returncode == 0, f"{script}\n{done.stdout[-3000:]}"
    # The commands of an Airbyte source also end with 0 when a connection does not work.
    assert '"status":"FAILED"' not in done.stdout, done.stdout[-3000:]


def check_session(text: str, folder: Path, environment: Mapping[str, str]) -> None:
    """Run the commands of a session, which must print what it shows."""
    for command, expected in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*(?:\n|\Z))*)", text, re.M):
        printed = _run(command, folder, environment).stdout
        lines = expected.strip("\n").splitlines()
        pattern = "".join(r"(?:.*\n)*" if line == "…" else re.escape(f"{line}\n") for line in lines)
        assert re.fullmatch(pattern, printed), f"$ {command}\n{printed}\nis not\n{expected}"
