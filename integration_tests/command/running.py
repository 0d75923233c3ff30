"""The command, run in a process of its own."""

import os
import subprocess
import sys

from unit_tests.support.paths import ROOT


def run(*arguments: str, code: str = "", **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the command with no variables of its own but these, and in an interpreter that ran `code` before."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PARTICLE_")}
    return subprocess.run(
        [sys.executable, "-c", f"{code or 'pass'}; from bridge.cli import main; main()", *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env={**clean, "COLUMNS": "200", "SPARK_LOCAL_IP": "127.0.0.1", **variables},
    )
