"""Writes Markdown: code, tables, and the generated parts of a file."""

from collections.abc import Iterable, Mapping
from pathlib import Path

NOTICE = "<!-- Generated from manifest.yaml by docs/generate.py; change it there, then run `make docs`. -->\n\n"


def code(*names: str, glue: str = ", ") -> str:
    return glue.join(f"`{name}`" for name in names)


def grid(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [heads, ("---",) * len(heads), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)


def with_parts(path: Path, parts: Mapping[str, str]) -> str:
    """Return a file's text with each part between its two markers; raise ValueError if a marker is missing."""
    text = path.read_text(encoding="utf-8")
    for name, part in parts.items():
        begin, end = f"<!-- generated: {name} -->\n", f"<!-- end of {name} -->\n"
        before, _, rest = text.partition(begin)
        _, found, after = rest.partition(end)
        if not found:
            raise ValueError(f"{path.name} has no markers {begin.strip()} and {end.strip()}")
        text = f"{before}{begin}\n{part}\n{end}{after}"
    return text


def sentence(text: str) -> str:
    return text[0].upper() + text[1:]
