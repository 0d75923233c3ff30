"""The image, built and run where there is no Docker: with buildah, on a base made of Debian's packages.

`python -m integration_tests.project.image` builds it, as root. The base stands in for the published one: Python, and
the user and folders that Airbyte's bases have.
"""

import ast
import json
import os
import shlex
import ssl
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from unit_tests.support.paths import ROOT

# All that buildah keeps; nothing is left outside.
STORE = ROOT / "build" / "image"
BASE = "localhost/source-particle-base"
IMAGE = "airbyte/source-particle:dev"
PACKAGES = "python3,python3-venv,python3-pip,ca-certificates"
AS_IN_AIRBYTES_BASES = (
    "useradd --uid 1000 --user-group --no-create-home airbyte"
    " && install --directory --owner airbyte --group airbyte /airbyte/integration_code /config /secrets"
)


def build() -> None:
    """Build the image from the Dockerfile, and its base unless there is one."""
    if BASE not in _buildah("images", "--format", "{{.Name}}").split():
        _build_base()
    with tempfile.TemporaryDirectory() as folder:
        mounts = [option for mount in _pip_mounts(Path(folder)) for option in ("--volume", f"{mount}:ro")]
        _buildah("bud", "--build-arg", f"BASE_IMAGE={BASE}", *mounts, "--tag", IMAGE, str(ROOT), shown=True)


@contextmanager
def container() -> Iterator[Path]:
    """Yield the file system of a new container of the image; it is removed at the end."""
    name = _buildah("from", IMAGE).strip()
    try:
        yield Path(_buildah("mount", name).strip())
    finally:
        _buildah("rm", name)


def words(root: Path, mounts: Mapping[Path, str], command: Iterable[str]) -> tuple[str, ...]:
    """Return the words that run a command in a container: as the image's user and in its environment.

    Nothing there can be written to but `mounts`, which names folders of this machine and where they are to be seen,
    with `:ro` those too. `buildah run` has no such file system to offer, so this is its chroot isolation by hand.
    """
    found = configuration()
    steps = [["mount", "--bind", str(root), str(root)]]
    for folder, seen_at in {Path("/dev"): "/dev", Path("/proc"): "/proc", **mounts}.items():
        path, _, read_only = seen_at.partition(":")
        steps.append(["mount", "-o", "bind,ro" if read_only else "bind", str(folder), f"{root}{path}"])
    steps.append(["mount", "-o", "remount,bind,ro", str(root)])
    steps.append(["exec", "chroot", f"--userspec={found['User']}", str(root), "env", "-i", *found["Env"], *command])
    return ("unshare", "--mount", "sh", "-ec", "\n".join(map(shlex.join, steps)) + ' "$@"', "sh")


def configuration() -> dict[str, Any]:
    """Return what the image says of itself: User, Env, Entrypoint, Labels."""
    inspected = json.loads(_buildah("inspect", "--type", "image", IMAGE))
    found: dict[str, Any] = inspected["OCIv1"]["config"]
    return found


def size() -> str:
    """Return the size of the image, base included, as "604 MB"."""
    return _buildah("images", "--format", "{{.Size}}", IMAGE).strip()


def _build_base() -> None:
    with tempfile.TemporaryDirectory() as folder:
        command = ["debootstrap", "--variant=minbase", f"--include={PACKAGES}", "bookworm", folder]
        subprocess.run(command, check=True)
        name = _buildah("from", "scratch").strip()
        _buildah("add", name, folder, "/")
    _buildah("run", name, "--", "sh", "-c", AS_IN_AIRBYTES_BASES)
    _buildah("commit", "--rm", name, BASE)


def _pip_mounts(folder: Path) -> list[str]:
    """Let the build's pip find packages as this machine's does: its settings, and the files and folders they name."""
    settings = _pip_settings()
    (folder / "pip.conf").write_text(
        "\n".join(["[global]", *(f"{name} = {value}" for name, value in settings.items())])
    )
    paths = []
    for name, value in settings.items():
        for path in (Path(word.removeprefix("file://")) for word in value.split()):
            # The pages of an index on disk name packages beside them.
            paths.append(path.parent if name.endswith("index-url") else path)
    named = {f"{path}:{path}" for path in paths if path.is_absolute() and path.exists()}
    return [f"{folder / 'pip.conf'}:/etc/pip.conf", *sorted(named)]


def _pip_settings() -> dict[str, str]:
    listed = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=True
    ).stdout
    lines = [line.partition("=") for line in listed.splitlines()]
    # What the environment says goes before what a file says.
    lines.sort(key=lambda line: line[0].startswith(":env:"))
    settings = {name.rpartition(".")[2]: str(ast.literal_eval(value)) for name, _, value in lines}
    authorities = ssl.get_default_verify_paths().cafile
    return {"cert": authorities, **settings} if authorities else settings


_BUILDAH = ("buildah", "--storage-driver", "vfs", "--root", str(STORE / "storage"), "--runroot", str(STORE / "run"))


def _buildah(command: str, *arguments: str, shown: bool = False) -> str:
    done = subprocess.run(
        [*_BUILDAH, command, *arguments],
        env={**os.environ, "BUILDAH_ISOLATION": "chroot"},
        stdout=None if shown else subprocess.PIPE,
        text=True,
        check=True,
    )
    return done.stdout or ""


if __name__ == "__main__":
    build()
