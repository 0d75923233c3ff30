"""Generates what follows from the manifest: connector_spec.yaml, docs/tables.md, docs/options.md and parts of others.

The tables of docs/matrix.md follow from the lists in `integration_tests.matrix`.

`python -m docs.generate` writes the files; with `--check` it only names those that are out of date, and exits with 1.
"""

import argparse
import sys
from pathlib import Path

from docs.airbyte_page import form_fields, streams, sync_modes
from docs.builder import builder_manifest
from docs.connection_spec import connector_spec
from docs.dashboard import dashboard
from docs.failures import matrix
from docs.markdown import with_parts
from docs.option_pages import connection_overview, options_page
from docs.table_pages import overview, requests_table, tables_page

ROOT = Path(__file__).parents[1]


def generated(root: Path = ROOT) -> dict[Path, str]:
    """Return the text of each generated file; some have hand-written parts, which are read from `root`."""
    parts = {
        root / "README.md": {"tables": overview(), "connection options": connection_overview()},
        root / "docs" / "matrix.md": {"matrix": matrix()},
        root / "docs" / "performance.md": {"requests": requests_table()},
        root / "docs" / "airbyte" / "particle.md": {
            "fields": form_fields(),
            "sync modes": sync_modes(),
            "streams": streams(),
        },
    }
    return {
        root / "docs" / "tables.md": tables_page(),
        root / "docs" / "options.md": options_page(),
        root / "connector_spec.yaml": connector_spec(),
        root / "docs" / "airbyte" / "builder-manifest.yaml": builder_manifest(),
        root / "examples" / "databricks" / "fleet.lvdash.json": dashboard(),
        **{path: with_parts(path, generated) for path, generated in parts.items()},
    }


def stale(root: Path = ROOT) -> list[Path]:
    """Return the generated files that are missing or out of date."""
    return [path for path, text in generated(root).items() if not path.exists() or path.read_text("utf-8") != text]


def main(arguments: list[str] | None = None) -> int:
    """Write the files, or name the stale ones with `--check`; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m docs.generate", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 if a file is out of date")
    if parser.parse_args(arguments).check:
        for path in (outdated := stale()):
            print(f"{path.relative_to(ROOT)} is out of date: run `make docs`.", file=sys.stderr)
        return int(bool(outdated))
    for path, text in generated().items():
        path.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
