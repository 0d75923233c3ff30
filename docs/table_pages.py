"""What the manifest says about tables: docs/tables.md, and the tables in README.md and docs/performance.md."""

from collections.abc import Iterator, Mapping

from bridge.rows.schema import RESCUED_DATA, RESCUED_DATA_COMMENT, kind_of, type_name
from bridge.tables.catalog import JsonSchema, Table, tables
from docs.costs import DEVICES, costs
from docs.markdown import NOTICE, code, grid, sentence
from docs.option_pages import documented

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


def tables_page() -> str:
    sections = "".join(f"\n{_table_section(table)}" for table in tables().values())
    return f"{NOTICE}{TABLES_INTRO}\n{_tables_on_request()}{sections}"


def _tables_on_request() -> str:
    parts = [part for part in tables().values() if part.on_request]
    rows = ((f"[`{part.name}`](#{part.name})", sentence(str(part.on_request))) for part in parts)
    return ON_REQUEST.format(grid(("Table", "Why"), rows))


def _table_section(table: Table) -> str:
    others = [option.name for option in documented(table.options) if not option.required]
    facts = {
        "Endpoint" if len(table.endpoints) == 1 else "Endpoints": code(*table.endpoints),
        "Key": code(*table.primary_key),
        "Ingestion": table.ingestion_type,
        "Read": f"on request ({table.on_request})" if table.on_request else "by default",
        "Cursor": code(table.cursor_field) if table.cursor_field else "none",
        "Scope": scope_of(table),
        "Required options": code(*table.required_options) or "none",
        "Other options": code(*others) or "none",
    }
    columns = [*_columns("", table.columns), (RESCUED_DATA, "string", RESCUED_DATA_COMMENT)]
    rows = [(code(name), code(kind), description) for name, kind, description in columns]
    lines = "".join(f"- {name}: {value}\n" for name, value in facts.items())
    return f"## {table.name}\n\n{table.description}\n\n{lines}\n{grid(('Column', 'Type', 'What it holds'), rows)}"


def scope_of(table: Table) -> str:
    if not table.serves_api_users:
        return "none; only a user's own token can read it"
    return code(table.scope) if table.scope else "not documented"


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


def overview() -> str:
    rows = [
        (
            f"[`{table.name}`](docs/tables.md#{table.name})",
            table.description.rstrip("."),
            code(*table.primary_key),
            table.ingestion_type,
            code(*table.required_options),
            "on request" if table.on_request else "",
        )
        for table in tables().values()
    ]
    return grid(("Table", "What it holds", "Key", "Ingestion", "Required options", "Read"), rows)


def requests_table() -> str:
    heads = ("Table", "Requests", *(f"{count:,} devices" for count in DEVICES))
    rows = ((code(cost.table), cost.words, *_counts(cost.counts)) for cost in costs())
    return grid(heads, rows)


def _counts(counts: tuple[int, ...]) -> tuple[str, ...]:
    return tuple(f"{count:,}" for count in counts) or ("",) * len(DEVICES)
