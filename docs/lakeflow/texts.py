"""The templates, which are plain text, and the Markdown that is put into them."""

from collections.abc import Iterable
from pathlib import Path
from string import Template

ROOT = Path(__file__).parents[2]
TEMPLATES = Path(__file__).parent / "templates"


def filled(name: str, **values: str) -> str:
    """Return the text of a template; raises KeyError where it names a value that is not given."""
    return Template((TEMPLATES / f"{name}.txt").read_text("utf-8")).substitute(values)


def grid(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """Return a table in Markdown, without the line break at its end."""
    lines = [heads, ("---",) * len(heads), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


def code(*names: str) -> str:
    """Return names as code in Markdown, separated by commas."""
    return ", ".join(f"`{name}`" for name in names)
