"""The files of the published image for manifest-only connectors, laid out as its build does.

That build copies what its list allows of the connector that `make submission` lays out beside the base's `main.py`, and
the manifest and components.py into `source_declarative_manifest`.
"""

import fnmatch
import shutil
from importlib.resources import as_file, files
from pathlib import Path
from tempfile import TemporaryDirectory

from docs.submission import lay_out
from docs.submission_rules import CONNECTOR

# What the build lets in of a connector's folder.
ALLOWED = ("manifest.yaml", "components.py", "metadata.yaml", "pyproject.toml", "README.md", "source_*")


def laid_out(folder: Path) -> Path:
    """Put the files into a folder that stands for the image's; return it."""
    with TemporaryDirectory() as submission:
        lay_out(Path(submission))
        for path in Path(submission, CONNECTOR).iterdir():
            if any(fnmatch.fnmatch(path.name, pattern) for pattern in ALLOWED):
                (shutil.copytree if path.is_dir() else shutil.copy)(path, folder / path.name)
    package = folder / "source_declarative_manifest"
    package.mkdir()
    (package / "__init__.py").touch()
    with as_file(files("airbyte_cdk.cli.source_declarative_manifest")) as cdk:
        shutil.copy(cdk / "_run.py", package / "run.py")
        shutil.copy(cdk / "spec.json", package)
    for name in ("manifest.yaml", "components.py"):
        shutil.copy(folder / name, package)
    return folder
