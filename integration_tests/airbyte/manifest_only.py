"""The files of the published image for manifest-only connectors, laid out as its build does.

That build copies what its list allows beside the base's `main.py`, and the manifest into `source_declarative_manifest`.
"""

import fnmatch
import shutil
import subprocess
from importlib.resources import as_file, files
from pathlib import Path

from unit_tests.support.paths import ROOT

# What the build lets in of a connector's folder.
ALLOWED = ("manifest.yaml", "components.py", "metadata.yaml", "pyproject.toml", "README.md", "source_*")


def laid_out(folder: Path) -> Path:
    """Put the files into a folder that stands for the image's; return it."""
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in tracked.splitlines():
        if any(fnmatch.fnmatch(name.split("/")[0], pattern) for pattern in ALLOWED):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    package = folder / "source_declarative_manifest"
    package.mkdir()
    (package / "__init__.py").touch()
    with as_file(files("airbyte_cdk.cli.source_declarative_manifest")) as cdk:
        shutil.copy(cdk / "_run.py", package / "run.py")
        shutil.copy(cdk / "spec.json", package)
    shutil.copy(folder / "manifest.yaml", package)
    return folder
