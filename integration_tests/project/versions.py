"""`make test-versions`: the wheel with every Python, and with the oldest and the newest CDK that it may meet.

Each gets an environment of its own, in which `spec`, `discover` and a `read` of all tables run against a Device Cloud.
"""

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from bridge.tables.catalog import tables
from integration_tests.airbyte.command import TABLES, Command, catalog_file, differing
from integration_tests.airbyte.syncs import with_token
from integration_tests.device_cloud import DeviceCloud
from unit_tests.support.paths import ROOT

PYTHONS = ("3.10", "3.11", "3.12", "3.13")


def main() -> None:
    """Try each combination and print a table; ends with 1 when one of them fails, or none was there."""
    results: list[tuple[str, str, str]] = []
    with tempfile.TemporaryDirectory() as name, DeviceCloud() as cloud:
        folder = Path(name)
        wheel = _wheel(folder)
        for version in PYTHONS:
            python = _interpreter(version)
            if python is None:
                results.append((version, "-", "skipped: no such Python here"))
                continue
            seen: set[str] = set()
            for wanted in ("oldest", "newest"):
                installed, result = _try(python, wheel, folder / f"{version}-{wanted}", wanted, cloud)
                results.append((version, f"{wanted}: {installed}", "the same" if installed in seen else result))
                seen.add(installed)
                print(" ".join(results[-1]), flush=True)
    for row in results:
        print("{:<8}{:<20}{}".format(*row))
    ended = [result for *_, result in results]
    sys.exit("passed" not in ended or any("fail" in result for result in ended))


def _wheel(folder: Path) -> Path:
    build = [sys.executable, "-m", "build", "--wheel", "--outdir", str(folder), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True)
    return next(folder.glob("*.whl"))


def _interpreter(version: str) -> str | None:
    """Find a Python that really runs: a version manager's stand-in may be on the path without one."""
    for candidate in _candidates(version):
        asked = [candidate, "-c", "import sys, venv; print('%d.%d' % sys.version_info[:2])"]
        try:
            said = subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip()
        except OSError:
            continue
        if said == version:
            return candidate
    return None


def _candidates(version: str) -> Iterator[str]:
    if found := shutil.which(f"python{version}"):
        yield found
    if shutil.which("pyenv"):
        root = subprocess.run(["pyenv", "root"], capture_output=True, text=True, check=True).stdout.strip()
        yield from map(str, Path(root).glob(f"versions/{version}.*/bin/python"))


def _oldest_cdk() -> str:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    found = re.search(r'"airbyte-cdk>=([\d.]+)', text)
    assert found
    return found[1]


def _try(python: str, wheel: Path, folder: Path, wanted: str, cloud: DeviceCloud) -> tuple[str, str]:
    """Return the CDK that was installed, and whether all went well."""
    subprocess.run([python, "-m", "venv", str(folder)], check=True, capture_output=True)
    own = str(folder / "bin" / "python")
    install = [own, "-m", "pip", "install", "-q", "--disable-pip-version-check", str(wheel)]
    installed = subprocess.run(
        [*install, *([f"airbyte-cdk=={_oldest_cdk()}"] if wanted == "oldest" else [])],
        capture_output=True,
        text=True,
        check=False,
    )
    if installed.returncode:
        return "?", f"failed to install: {installed.stderr[-300:]}"
    asked = [own, "-c", "import importlib.metadata as m; print(m.version('airbyte-cdk'))"]
    cdk = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()
    return cdk, _smoke(Command((str(folder / "bin" / "source-particle"),), folder), cloud)


def _smoke(source: Command, cloud: DeviceCloud) -> str:
    config = with_token(cloud)
    spec, discovered = source.run("spec"), source.run("discover", config=config)
    done = source.run("read", config=config, catalog=catalog_file(*TABLES))
    if spec.code or discovered.code or done.code:
        return f"failed: {(spec.stderr + discovered.errors + done.errors)[-300:]}"
    if [stream.name for stream in discovered.parts("catalog")[0].streams] != list(TABLES):
        return "failed: discover lists other tables"
    incremental = [stream.name for stream in discovered.parts("catalog")[0].streams if stream.default_cursor_field]
    if incremental != [name for name, part in tables().items() if part.cursor_field]:
        return f"failed: discover lists {incremental} as incremental"
    wrong = differing(cloud, done.records, TABLES)
    return f"failed: {', '.join(wrong)} differ from the ledger" if wrong else "passed"


if __name__ == "__main__":
    main()
