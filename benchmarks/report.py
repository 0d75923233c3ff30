"""results.json → the table in README.md and the plot in docs/performance.svg."""

import hashlib
import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
RESULTS = FOLDER / "results.json"
README = FOLDER / "README.md"
PLOT = FOLDER.parent / "docs" / "performance.svg"
BEGIN, END = "<!-- generated: results -->\n", "<!-- end of results -->\n"

# How requests, and with them minutes, grow with a fleet: devices of a page, and how many requests the API lets through
# at once and by the minute.
PER_PAGE, AT_ONCE, PER_MINUTE = 100, 10_000, 2_000


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


def digest(figures: dict[str, Any]) -> str:
    """Return what tells figures apart; the plot carries it."""
    return hashlib.sha256(json.dumps(figures, sort_keys=True).encode()).hexdigest()[:16]


def _plot(figures: dict[str, Any]) -> None:
    import matplotlib as mpl  # noqa: PLC0415  (only who measures has it)

    mpl.use("svg")
    from matplotlib import pyplot as plt  # noqa: PLC0415

    mpl.rcParams.update({"svg.hashsalt": "source-particle", "svg.fonttype": "none"})
    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(12, 3.4), layout="constrained")
    devices = [10, 1_000, 10_000, 30_000, 60_000, 100_000]
    for name, requests in (
        ("product_devices", [count / PER_PAGE for count in devices]),
        ("diagnostics", [count + count / PER_PAGE for count in devices]),
    ):
        # The first 10,000 are let through at once.
        left.plot(devices, [max(0, sent - AT_ONCE) / PER_MINUTE for sent in requests], marker="o", label=name)
    left.set(xlabel="devices", ylabel="minutes that the API's limit takes", title="How long a read waits")
    left.legend()
    peaks = figures["rss_growth_ratio"]["parts"]["MiB"]
    rows = [int(name.split()[0].replace(",", "")) for name in peaks]
    middle.semilogx(rows, list(peaks.values()), marker="o")
    middle.set(xlabel="rows", ylabel="MiB", title="Peak memory of a worker", ylim=(0, None))
    micros = figures["cpu_per_row_ratio"]["parts"]["µs per row"]
    right.bar(["plain reader", "this project"], [micros[name] for name in ("plain", "ours")])
    right.set(ylabel="µs of CPU", title="What a row of product_devices costs")
    figure.set_gid(f"figures-{digest(figures)}")
    figure.savefig(PLOT, metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
    plt.close(figure)
