"""Generates what follows from the manifest: connector_spec.yaml, docs/tables.md, docs/options.md and parts of others.

The tables of docs/matrix.md follow from the lists in `integration_tests.matrix`.

`python -m docs.generate` writes the files; with `--check` it only names those that are out of date, and exits with 1.
"""

import argparse
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from bridge.rows.schema import RESCUED_DATA, RESCUED_DATA_COMMENT, kind_of, type_name
from bridge.tables.catalog import JsonSchema, Option, Table, connection_options, tables, ways_to_sign_in
from docs.builder import builder_manifest
from docs.costs import DEVICES, costs
from docs.dashboard import dashboard
from integration_tests.matrix.cells import READERS, RULE, Outcome, cells_of
from integration_tests.matrix.places import is_tried, places
from integration_tests.matrix.trouble import Meaning
from integration_tests.matrix.troubles import TROUBLES
from source_particle import manifest

ROOT = Path(__file__).parents[1]
NOTICE = "<!-- Generated from manifest.yaml by docs/generate.py; change it there, then run `make docs`. -->\n\n"

SPEC_NOTICE = """# What Databricks asks for when you create a connection, and the table options that it passes on.
# Generated from manifest.yaml by docs/generate.py; change it there, then run `make docs`.
"""

TABLES_INTRO = """# Tables

One section per table: where its rows come from, their key, and the columns.

- **Snapshot** tables are read completely each time; **append** tables only grow, and their cursor shows what is new.
- An API user's token needs the **scope**; a user's own token needs none.
- A column without a value is null. Times are strings in one form (RFC 3339, UTC; see [values](values.md)).
- A dotted name is a field of a struct; `[]` stands for each element of an array.
- *Personal* marks data that can identify a person or a SIM; decide who may see it before you load it.
"""

ON_REQUEST = """## Tables on request

These hold personal data as such, or cost a request for each device, SIM or ledger instance:

{}
Where no table is named, the others are read: by `particle-bridge sync` and `plan`, and by the pipelines among the
examples. To read these, too, name them, or give `sync` and `plan` the switch `--all-tables`; in the pipelines, name
every table that you want. Spark and Lakeflow read what you load. Airbyte offers them, as it offers every stream, and
does not suggest them: select only those that you need.
"""

OPTIONS_INTRO = """# Options

In Spark, set an option with `.option(name, value)`. On the command line, use `--option name=value` for the connection
and `--option table.name=value` for a table. In Airbyte, the options of the connection are fields of the source's
configuration, and the options of a table are fields of an object with the table's name.

In Spark, required options must be set. In Airbyte and in `particle-bridge sync` they default to `*`, everything the
token can see. A value that is not allowed is an error that says what is expected.
"""

SPARK_INTRO = """## In Spark and Lakeflow only

These control how a read is split into tasks and how a stream proceeds. Set them like the options of a table.

"""

ALLOW_LIST_INTRO = """## externalOptionsAllowList

A Unity Catalog connection passes on only the options listed under this name. This is the full list, which begins with
the framework's own options:

"""
FRAMEWORK_OPTIONS = ("tableName", "tableNameList", "tableConfigs", "isDeleteFlow")


def generated(root: Path = ROOT) -> dict[Path, str]:
    """Return the text of each generated file; some have hand-written parts, which are read from `root`."""
    parts = {
        root / "README.md": {"tables": _overview(), "connection options": _connection_overview()},
        root / "docs" / "matrix.md": {"matrix": _matrix()},
        root / "docs" / "performance.md": {"requests": _requests()},
        root / "docs" / "airbyte" / "particle.md": {
            "fields": _form_fields(),
            "sync modes": _sync_modes(),
            "streams": _streams(),
        },
    }
    return {
        root / "docs" / "tables.md": _tables_page(),
        root / "docs" / "options.md": _options_page(),
        root / "connector_spec.yaml": _connector_spec(),
        root / "docs" / "airbyte" / "builder-manifest.yaml": builder_manifest(),
        root / "examples" / "databricks" / "fleet.lvdash.json": dashboard(),
        **{path: _with_parts(path, generated) for path, generated in parts.items()},
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


# ---- tables ----


def _tables_page() -> str:
    sections = "".join(f"\n{_table_section(table)}" for table in tables().values())
    return f"{NOTICE}{TABLES_INTRO}\n{_tables_on_request()}{sections}"


def _tables_on_request() -> str:
    parts = [part for part in tables().values() if part.on_request]
    rows = ((f"[`{part.name}`](#{part.name})", _sentence(str(part.on_request))) for part in parts)
    return ON_REQUEST.format(_grid(("Table", "Why"), rows))


def _table_section(table: Table) -> str:
    others = [option.name for option in _documented(table.options) if not option.required]
    facts = {
        "Endpoint" if len(table.endpoints) == 1 else "Endpoints": _code(*table.endpoints),
        "Key": _code(*table.primary_key),
        "Ingestion": table.ingestion_type,
        "Read": f"on request ({table.on_request})" if table.on_request else "by default",
        "Cursor": _code(table.cursor_field) if table.cursor_field else "none",
        "Scope": _scope(table),
        "Required options": _code(*table.required_options) or "none",
        "Other options": _code(*others) or "none",
    }
    columns = [*_columns("", table.columns), (RESCUED_DATA, "string", RESCUED_DATA_COMMENT)]
    rows = [(_code(name), _code(kind), description) for name, kind, description in columns]
    lines = "".join(f"- {name}: {value}\n" for name, value in facts.items())
    return f"## {table.name}\n\n{table.description}\n\n{lines}\n{_grid(('Column', 'Type', 'What it holds'), rows)}"


def _scope(table: Table) -> str:
    if not table.serves_api_users:
        return "none; only a user's own token can read it"
    return _code(table.scope) if table.scope else "not documented"


def _columns(prefix: str, columns: Mapping[str, JsonSchema]) -> Iterator[tuple[str, str, str]]:
    """Yield name, type and description of each column and of each field inside it."""
    for name, schema in columns.items():
        path = prefix + name
        inner = schema["items"] if kind_of(schema) == "array" else schema
        fields = inner.get("properties")
        kind = type_name(schema) if not fields else "struct" if inner is schema else "array<struct>"
        personal = " *Personal.*" if schema.get("x-sensitive") else ""
        yield path, kind, schema.get("description", "") + personal
        if fields:
            yield from _columns(f"{path}{'' if inner is schema else '[]'}.", fields)


def _overview() -> str:
    rows = [
        (
            f"[`{table.name}`](docs/tables.md#{table.name})",
            table.description.rstrip("."),
            _code(*table.primary_key),
            table.ingestion_type,
            _code(*table.required_options),
            "on request" if table.on_request else "",
        )
        for table in tables().values()
    ]
    return _grid(("Table", "What it holds", "Key", "Ingestion", "Required options", "Read"), rows)


def _requests() -> str:
    heads = ("Table", "Requests", *(f"{count:,} devices" for count in DEVICES))
    rows = ((_code(cost.table), cost.words, *_counts(cost.counts)) for cost in costs())
    return _grid(heads, rows)


def _counts(counts: tuple[int, ...]) -> tuple[str, ...]:
    return tuple(f"{count:,}" for count in counts) or ("",) * len(DEVICES)


# ---- options ----


def _options_page() -> str:
    return (
        f"{NOTICE}{OPTIONS_INTRO}\n## Connection\n\n{_ways()}\n{_option_table(_connection(), with_required=False)}"
        + "".join(
            f"\n## {table.name}\n\n{_option_table(_documented(table.options))}"
            for table in tables().values()
            if table.options
        )
        + f"\n{SPARK_INTRO}{_spark_option_table()}"
        + f"\n{ALLOW_LIST_INTRO}```text\n{','.join(_passed_on())}\n```\n"
    )


def _passed_on() -> list[str]:
    """Return the names of all options other than those of the connection."""
    every = tables().values()
    options = [option for table in every for option in _documented((*table.options, *table.spark_options))]
    return list(dict.fromkeys([*FRAMEWORK_OPTIONS, *(option.name for option in options)]))


def _spark_option_table() -> str:
    options = {option.name: option for table in tables().values() for option in _documented(table.spark_options)}
    rows = [
        (
            _code(name),
            _code(*(table.name for table in tables().values() if name in _names(table.spark_options))),
            option.schema["type"],
            _default(option),
            _allowed(option.schema),
            option.description,
        )
        for name, option in options.items()
    ]
    return _grid(("Option", "Tables", "Type", "Default", "Allowed values", "What it does"), rows)


def _names(options: Iterable[Option]) -> list[str]:
    return [option.name for option in options]


def _ways() -> str:
    ways = " or ".join(_code(*names, glue=" and ") for names in ways_to_sign_in().values())
    return f"To sign in, set {ways}. All other options are optional.\n"


def _connection() -> list[Option]:
    return _documented(connection_options())


def _connection_overview() -> str:
    return _grid(("Option", "What it does"), ((_code(option.name), option.description) for option in _connection()))


def _documented(options: Iterable[Option]) -> list[Option]:
    return [option for option in options if option.is_documented]


def _option_table(options: Iterable[Option], *, with_required: bool = True) -> str:
    rows = []
    for option in options:
        default = _default(option)
        if option.required:
            default += " (not in Spark)"
        kind = option.schema["type"] + (", secret" if option.is_secret else "")
        required = ("yes" if option.required else "",) if with_required else ()
        rows.append((_code(option.name), *required, kind, default, _allowed(option.schema), option.description))
    heads = ("Option", *(("Required",) if with_required else ()), "Type", "Default", "Allowed values", "What it does")
    return _grid(heads, rows)


def _default(option: Option) -> str:
    if "default" not in option.schema:
        return ""
    default = option.schema["default"]
    return _code(str(default).lower() if isinstance(default, bool) else str(default))


def _allowed(schema: JsonSchema) -> str:
    if schema["type"] == "boolean":
        return _code("true", "false")
    if "enum" in schema:
        return _code(*schema["enum"])
    if "pattern_descriptor" in schema:
        return f"like {_code(schema['pattern_descriptor'])}"
    if "minimum" in schema:
        return f"{schema['minimum']} to {schema['maximum']}" if "maximum" in schema else f"{schema['minimum']} or more"
    return "not empty"


# ---- Airbyte's page about the source, which names fields as the form does ----


def _form_fields() -> str:
    specification = manifest()["spec"]["connection_specification"]
    rows = [
        (title, "yes" if required else "", _default(Option("", schema)), schema["description"])
        for title, schema, required in _fields("", specification)
    ]
    return _grid(("Field", "Required", "Default", "What it does"), rows)


def _fields(place: str, schema: JsonSchema) -> Iterator[tuple[str, JsonSchema, bool]]:
    """Yield title, schema and whether it is required for each field of the form, in its order."""
    properties = schema["properties"].items()
    for name, field in sorted(properties, key=lambda item: item[1].get("order", len(properties))):
        if field.get("airbyte_hidden") or "const" in field:
            continue
        title = f"{place}**{field['title']}**"
        # A field with fields of its own is a group, or a choice between several groups.
        for group in field.get("oneOf", [field] if "properties" in field else ()):
            yield from _fields(f"{field['title']}: ", {"required": [], **group})
        if field["type"] != "object":
            yield title, field, name in schema["required"]


def _sync_modes() -> str:
    incremental = [_code(table.name) for table in tables().values() if table.cursor_field]
    rows = [("Full refresh", "Yes"), ("Incremental", f"Yes, {', '.join(incremental)}"), ("Namespaces", "No")]
    return _grid(("Feature", "Supported?"), rows)


def _streams() -> str:
    rows = [
        (
            _code(table.name),
            table.description.rstrip(".") + (f" (on request: {table.on_request})" if table.on_request else ""),
            _code(*table.primary_key),
            f"full refresh, incremental by {_code(table.cursor_field)}" if table.cursor_field else "full refresh",
            _scope(table),
        )
        for table in tables().values()
    ]
    return _grid(("Stream", "What it holds", "Primary key", "Sync modes", "Scope an API user needs"), rows)


# ---- connector_spec.yaml ----


def _connector_spec() -> str:
    """Return the connection spec that the framework's command line and Databricks' form read."""
    options = {option.name: option for option in _connection()}
    ways = ways_to_sign_in()
    branches = manifest()["spec"]["connection_specification"]["properties"]["credentials"]["oneOf"]
    when = {branch["properties"]["auth_type"]["const"]: branch["description"] for branch in branches}
    signing_in = {name for names in ways.values() for name in names}
    document = {
        # The framework's command line refuses a dot.
        "display_name": "Particle",
        "connection": {
            "auth_methods": [
                {
                    "name": way,
                    "description": f"Sign in with {' and '.join(names)}. {when[way]}",
                    "parameters": [_parameter(options[name], required=True) for name in names],
                }
                for way, names in ways.items()
            ],
            "parameters": [
                _parameter(option, required=False) for name, option in options.items() if name not in signing_in
            ],
        },
        "external_options_allowlist": ",".join(_passed_on()),
    }
    return SPEC_NOTICE + yaml.safe_dump(document, sort_keys=False, width=2**20, allow_unicode=True)


def _parameter(option: Option, *, required: bool) -> dict[str, Any]:
    default = option.schema.get("default")
    description = option.description if default is None else f"{option.description} Default: {default}."
    # A connection holds text only.
    parameter = {"name": option.name, "type": "string", "required": required, "description": description}
    return {**parameter, "secret": True} if option.is_secret else parameter


# ---- the matrix of failures ----


def _matrix() -> str:
    return "\n".join((_troubles(), _places(), _rule(), _cells()))


def _troubles() -> str:
    found: dict[tuple[str, Meaning], list[str]] = {}
    for trouble in TROUBLES:
        found.setdefault((trouble.kind, trouble.meaning), []).append(trouble.name)
    rows = ((_sentence(kind), meaning.value, "; ".join(names)) for (kind, meaning), names in found.items())
    return _grid(("Kind", "What it is", "Failures"), rows)


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:]


def _places() -> str:
    rows = ((_code(table), "; ".join(place.name for place in places(table))) for table in tables() if is_tried(table))
    return _grid(("Table", "Places"), rows)


def _rule() -> str:
    return _grid(("What it is", "How a read ends"), ((_sentence(meaning.value), end) for meaning, end in RULE.items()))


def _cells() -> str:
    rows = []
    for reader in READERS:
        whole = cells_of(reader, whole=True)
        ends = [sum(cell.expected is outcome for cell in whole) for outcome in Outcome]
        rows.append((reader, *(str(count) for count in (len(cells_of(reader, whole=False)), len(whole), *ends))))
    return _grid(("Reader", "Cells in `make test`", "Cells in `make test-all`", *(end.value for end in Outcome)), rows)


# ---- Markdown ----


def _code(*names: str, glue: str = ", ") -> str:
    return glue.join(f"`{name}`" for name in names)


def _grid(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [heads, ("---",) * len(heads), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)


def _with_parts(path: Path, parts: Mapping[str, str]) -> str:
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


if __name__ == "__main__":
    sys.exit(main())
