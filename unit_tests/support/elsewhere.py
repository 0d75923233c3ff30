"""A process that has what is installed, but not this project, which is installed by a link to it."""

import os
import subprocess
import sys
import sysconfig
from pathlib import Path


def run_elsewhere(code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run code in a folder, as a command that is installed: it does not import from the folder by itself."""
    # Without `site`, links in the folder of what is installed are not followed.
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "PYTHON"))},
        "PYTHONPATH": sysconfig.get_path("purelib"),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    command = [sys.executable, "-S", "-c", f"import sys; sys.path.remove(''); {code}"]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
