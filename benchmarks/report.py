"""results.json → the table in README.md and the plot in docs/performance.svg."""

import json
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("svg")
from matplotlib import pyplot as plt

FOLDER = Path(__file__).parent
RESULTS = FOLDER / "results.json"
README = FOLDER / "README.md"
PLOT = FOLDER.parent / "docs" / "performance.svg"
BEGIN, END = "<!-- generated: results -->\n", "<!-- end of results -->\n"

# How requests, and with them minutes, grow with a fleet: devices of a page, requests the API lets through a minute.
PER_PAGE, PER_MINUTE = 100, 2_000


def write_report() -> None:
    """Write the table and the plot."""
    results = json.loads(RESULTS.read_text(encoding="utf-8"))
    text = README.read_text(encoding="utf-8")
    README.write_text(with_table(text, results), encoding="utf-8")
    _plot(results["figures"])


def with_table(text: str, results: dict[str, Any]) -> str:
    """Return a page with the table between its two markers."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{_table(results)}\n{END}{after}"


def _table(results: dict[str, Any]) -> str:
    lines = ["| Key | Work | Measured | Target |", "| --- | --- | --- | --- |"]
    for key, figure in results["figures"].items():
        lines.append(f"| `{key}` | {figure['work']} | {figure['value']:.2f} | {_target(figure)} |")
    machine = ", ".join(f"{name} {value}" for name, value in results["machine"].items())
    return "\n".join([*lines, "", f"Machine: {machine}.", ""])


def _target(figure: dict[str, Any]) -> str:
    limits = [f"{sign} {figure[name]:g}" for name, sign in (("at_least", "≥"), ("at_most", "≤")) if name in figure]
    return f"{limits[0]}{'' if figure['met'] else ', missed'}" if limits else ""


def _plot(figures: dict[str, Any]) -> None:
    mpl.rcParams.update({"svg.hashsalt": "source-particle", "svg.fonttype": "none"})
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
    devices = [10, 100, 1_000, 10_000, 100_000]
    left.loglog(devices, [-(-count // PER_PAGE) / PER_MINUTE for count in devices], marker="o", label="product_devices")
    left.loglog(
        devices, [(count + count / PER_PAGE) / PER_MINUTE for count in devices], marker="s", label="diagnostics"
    )
    left.set(xlabel="devices", ylabel="minutes at the API's limit", title="How long a read takes")
    left.legend()
    micros = figures["cpu_per_row_ratio"]["parts"]["µs per row"]
    right.bar(["plain reader", "this project", "floor"], [micros[name] for name in ("plain", "ours", "floor")])
    right.set(ylabel="µs of CPU", title="What a row of product_devices costs")
    figure.savefig(PLOT, metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
    plt.close(figure)
