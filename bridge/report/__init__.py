"""A fleet on one page: figures from the models, drawn as SVG, in one HTML file that needs no network."""

from bridge.report.page import write_report

__all__ = ["write_report"]
