"""The published figures are the measured ones."""

import json

import pytest

from benchmarks.report import PLOT, README, RESULTS, digest, with_table

MEASURED = json.loads(RESULTS.read_text("utf-8"))


def test_the_table_shows_the_results() -> None:
    text = README.read_text("utf-8")
    assert with_table(text, MEASURED) == text
    [key, *_] = MEASURED["figures"]
    other = {**MEASURED, "figures": {**MEASURED["figures"], key: {**MEASURED["figures"][key], "value": 99}}}
    assert with_table(text, other) != text


def test_the_plot_shows_the_results() -> None:
    assert f"figures-{digest(MEASURED['figures'])}" in PLOT.read_text("utf-8")
    assert digest(MEASURED["figures"]) != digest({})


@pytest.mark.parametrize("key", MEASURED["figures"])
def test_a_missed_target_is_marked(key: str) -> None:
    figure = MEASURED["figures"][key]
    assert figure["work"]
    assert figure["parts"] if key != "rejected_429" else figure["value"] == 0
    assert figure["met"] == (
        figure["value"] >= figure.get("at_least", -1e9) and figure["value"] <= figure.get("at_most", 1e9)
    )
