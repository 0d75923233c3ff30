"""Where the project is, and which files belong to it."""

import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]


def project_files() -> list[str]:
    """Return the paths of the files that git has or would take, as they stand below the root."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [path for path in listed.stdout.splitlines() if (ROOT / path).is_file()]
