"""The command, run as a user would."""

import io
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from bridge.cli import main
from source_particle.budget import forget_budgets
from source_particle.login import forget_accounts
from unit_tests.support.paths import ROOT

# For the size of a terminal and the network; all other variables come from a test.
ALWAYS = {"COLUMNS": "200", "SPARK_LOCAL_IP": "127.0.0.1"}

FULL = Path("/dev/full")
needs_full = pytest.mark.skipif(not FULL.exists(), reason=f"this system has no {FULL}")


def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the command with no variables of its own but these, in this process, which has imported it before."""
    printed, complaints = io.StringIO(), io.StringIO()
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    forget_accounts()
    forget_budgets()
    with pytest.MonkeyPatch.context() as patched, redirect_stdout(printed), redirect_stderr(complaints):
        for name in os.environ.keys() - _clean().keys():
            patched.delenv(name)
        for name, value in {**ALWAYS, **variables}.items():
            patched.setenv(name, value)
        patched.setattr(sys, "argv", ["particle-bridge", *arguments])
        patched.chdir(ROOT)
        try:
            main()
            code: int | str | None = 0
        except SystemExit as end:
            code = end.code
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)
    return subprocess.CompletedProcess(arguments, int(code or 0), printed.getvalue(), complaints.getvalue())


def run_after(code: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own that has run Python code before."""
    return subprocess.run(
        [sys.executable, "-c", f"{code}; from bridge.cli import main; main()", *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env={**_clean(), **ALWAYS, **variables},
    )


def _clean() -> Mapping[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("PARTICLE_")}
