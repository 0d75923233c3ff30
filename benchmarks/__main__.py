"""`python -m benchmarks [CASE …]`: runs the cases, or all, and writes results.json, the table and the plot."""

import argparse
import json
import os
import platform
from datetime import datetime, timezone
from importlib.metadata import version
from typing import Any

from benchmarks.cases import CASES
from benchmarks.report import RESULTS, write_report


def main() -> None:
    """Run cases and keep the figures of those that were not run again."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("cases", nargs="*", choices=[*CASES, []], metavar="CASE", help=", ".join(CASES))
    parser.add_argument("--runs", type=int, default=5, help="measured runs of each reader (default: %(default)s)")
    given = parser.parse_args()
    results: dict[str, Any] = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    figures = results.get("figures", {})
    for name in given.cases or CASES:
        print(f"{name} …", flush=True)
        for key, figure in CASES[name](given.runs).items():
            figures[key] = {**figure.as_json(), "measured": f"{datetime.now(timezone.utc):%Y-%m-%d}"}
            print(f"  {key}: {figure.value:.2f} {'' if figure.is_met else '(target missed)'}", flush=True)
        RESULTS.write_text(json.dumps({"machine": _machine(), "figures": figures}, indent=2) + "\n", encoding="utf-8")
    write_report()


def _machine() -> dict[str, Any]:
    packages = {name: version(name) for name in ("airbyte-cdk", "pyspark", "pyarrow", "requests")}
    return {"cores": os.cpu_count(), "python": platform.python_version(), **packages}


if __name__ == "__main__":
    main()
