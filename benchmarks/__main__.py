"""`python -m benchmarks [KEY …]`: measures the figures, or all, and writes results.json, the table and the plot."""

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
    cases = {key: name for name, (_, keys) in CASES.items() for key in (name, *keys)}
    parser.add_argument("keys", nargs="*", metavar="KEY", help=f"a figure or a case: {', '.join(cases)}")
    parser.add_argument("--runs", type=int, default=5, help="measured runs of each reader (default: %(default)s)")
    given = parser.parse_args()
    if unknown := set(given.keys) - cases.keys():
        parser.error(f"no figure or case is called {', '.join(sorted(unknown))}; expected some of {', '.join(cases)}")
    results: dict[str, Any] = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    figures = results.get("figures", {})
    for name in dict.fromkeys(cases[key] for key in given.keys or CASES):
        print(f"{name} …", flush=True)
        for key, figure in CASES[name][0](given.runs).items():
            figures[key] = {**figure.as_json(), "measured": f"{datetime.now(timezone.utc):%Y-%m-%d}"}
            print(f"  {key}: {figure.value:.2f} {'' if figure.is_met else '(target missed)'}", flush=True)
        figures = {key: figures[key] for _, keys in CASES.values() for key in keys if key in figures}
        RESULTS.write_text(json.dumps({"machine": _machine(), "figures": figures}, indent=2) + "\n", encoding="utf-8")
    write_report()


def _machine() -> dict[str, Any]:
    packages = {name: version(name) for name in ("airbyte-cdk", "pyspark", "pyarrow", "requests")}
    return {"cores": os.cpu_count(), "python": platform.python_version(), **packages}


if __name__ == "__main__":
    main()
