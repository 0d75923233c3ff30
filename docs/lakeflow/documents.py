"""README.md and particle_api_doc.md of the source, after the framework's templates."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from bridge.rows.schema import RESCUED_DATA, RESCUED_DATA_COMMENT, kind_of, type_name
from bridge.tables.catalog import JsonSchema, Option, Table, connection_options, tables
from docs.lakeflow.simulator import UNKNOWN, corpora, endpoint_of, keys_of_parents
from docs.lakeflow.texts import ROOT, code, filled, grid

Rows = Iterator[tuple[str, ...]]


def readme() -> str:
    """Return the text of README.md."""
    spec = yaml.safe_load((ROOT / "connector_spec.yaml").read_text("utf-8"))
    return filled(
        "README.md",
        connection_options=grid(("Name", "Type", "Required", "Description", "Example"), _connection_rows(spec)),
        allow_list=spec["external_options_allowlist"],
        ways=_ways(spec),
        tables=grid(("Table", "What it holds", "Ingestion", "Primary key", "Cursor", "Scope"), map(_table_row, _all())),
        append=code(*(part.name for part in _all() if part.ingestion_type == "append")),
        scd_types=grid(("Ingestion", "Tables", "`scd_type`"), _scd_rows()),
        table_options=grid(("Table", "Option", "Type", "Required", "Default", "Description"), _option_rows()),
        of_users=code(*(part.name for part in _all() if not part.serves_api_users)),
    )


def api_doc() -> str:
    """Return the text of particle_api_doc.md."""
    return filled(
        "particle_api_doc.md",
        objects=grid(("Object", "Endpoints", "Scope", "Under"), map(_object_row, _all())),
        schemas="\n\n".join(map(_schema, _all())),
        keys=grid(("Object", "Primary key", "In the record", "From the path"), map(_key_row, _all())),
        ingestion=grid(("Object", "Type", "Cursor"), ((code(p.name), p.ingestion_type, _cursor(p)) for p in _all())),
        parameters=grid(("Object", "Paged", "Query parameters"), map(_parameter_row, _all())),
        examples="\n\n".join(map(_example, _all())),
        types=grid(("JSON", "Spark"), _type_rows()),
        quirks="\n".join(_quirks()),
    )


def _all() -> list[Table]:
    return list(tables().values())


def _cursor(part: Table) -> str:
    return code(part.cursor_field) if part.cursor_field else "none"


def _scope(part: Table) -> str:
    if not part.serves_api_users:
        return "none: only a user's own token can read it"
    return code(part.scope) if part.scope else "not documented"


# ---- README.md ----


def _connection_rows(spec: Mapping[str, Any]) -> Rows:
    ways = spec["connection"]["auth_methods"]
    needed = {entry["name"]: code(way["name"]) for way in ways for entry in way["parameters"]}
    for option in (option for option in connection_options() if option.is_documented):
        required = f"for {needed[option.name]}" if option.name in needed else "no"
        yield code(option.name), _type(option), required, option.description, _example_of(option)
    allowed = "Options of tables that the connection passes on; the value below is the whole list."
    yield code("externalOptionsAllowList"), "string", "yes", allowed, "see below"


def _ways(spec: Mapping[str, Any]) -> str:
    return "\n".join(f"- `{way['name']}`: {way['description']}" for way in spec["connection"]["auth_methods"])


def _table_row(part: Table) -> tuple[str, ...]:
    description = part.description.rstrip(".")
    return code(part.name), description, part.ingestion_type, code(*part.primary_key), _cursor(part), _scope(part)


def _scd_rows() -> Rows:
    meaning = {
        "snapshot": "`SCD_TYPE_1` (default) or `SCD_TYPE_2`; a row missing from a snapshot is deleted or closed",
        "append": "not supported: rows are only added",
    }
    for kind in dict.fromkeys(part.ingestion_type for part in _all()):
        yield kind, code(*(part.name for part in _all() if part.ingestion_type == kind)), meaning[kind]


def _option_rows() -> Rows:
    for part in _all():
        for option in (*part.options, *part.spark_options):
            if option.is_documented:
                default = option.schema.get("default")
                shown = "none" if default is None or option.required else code(json.dumps(default).strip('"'))
                needed = "yes" if option.required else "no"
                yield code(part.name), code(option.name), _type(option), needed, shown, option.description


def _type(option: Option) -> str:
    return str(option.schema["type"])


def _example_of(option: Option) -> str:
    examples = [*option.schema.get("examples", ()), *option.schema.get("enum", ())]
    if option.is_secret:
        return ""
    return code(str(examples[0] if examples else option.schema.get("default", "")).strip() or "/path/to/token")


# ---- particle_api_doc.md ----


def _object_row(part: Table) -> tuple[str, ...]:
    parents = dict.fromkeys(":" + piece.partition("/")[0] for path in part.endpoints for piece in path.split(":")[1:])
    scope = _scope(part).replace("not documented", "TBD: not documented")
    return code(part.name), code(*part.endpoints), scope, code(*parents) if parents else "nothing"


def _schema(part: Table) -> str:
    columns = [*_fields("", part.columns), (code(RESCUED_DATA), "string", RESCUED_DATA_COMMENT)]
    return f"### {part.name}\n\n{part.description}\n\n{grid(('Field', 'Type', 'What it holds'), columns)}"


def _fields(prefix: str, columns: Mapping[str, JsonSchema]) -> Rows:
    """Yield name, type and description of each field, and of the fields within it."""
    for name, schema in columns.items():
        inner = schema["items"] if kind_of(schema) == "array" else schema
        fields = inner.get("properties")
        kind = type_name(schema) if not fields else "struct" if inner is schema else "array<struct>"
        yield code(prefix + name), kind, schema.get("description", "")
        if fields:
            yield from _fields(f"{prefix}{name}{'' if inner is schema else '[]'}.", fields)


def _key_row(part: Table) -> tuple[str, ...]:
    record = _records(part)
    path = [name for name in part.primary_key if name in keys_of_parents(part.name) and name not in record]
    sent = [name for name in part.primary_key if name not in path]
    return code(part.name), code(*part.primary_key), code(*sent) or "none", code(*path) or "none"


def _records(part: Table) -> Mapping[str, Any]:
    body = corpora()[endpoint_of(part).corpus]
    record: Mapping[str, Any] = body[0] if isinstance(body, list) else body
    return record


def _parameter_row(part: Table) -> tuple[str, ...]:
    endpoint = endpoint_of(part)
    optional = [name for name, role in endpoint.parameters.items() if role["role"] not in ("page", "per_page")]
    pages = [name for name in endpoint.parameters if name not in optional]
    return code(part.name), code(*pages) if pages else "no", f"optional: {code(*optional)}" if optional else "none"


def _example(part: Table) -> str:
    endpoint = endpoint_of(part)
    record = _known(_records(part))
    body = json.dumps(record if endpoint.is_single else endpoint.body([record]), indent=2)
    address = f"https://api.particle.io{part.endpoints[0]}"
    request = f'```sh\ncurl -H "Authorization: Bearer $PARTICLE_TOKEN" {address}\n```'
    return f"#### {part.name}\n\n{request}\n\n```json\n{body}\n```"


def _known(value: Any) -> Any:
    """Return a reply without the fields that serve the tests of the simulator."""
    if isinstance(value, list):
        return [_known(item) for item in value]
    return {name: _known(item) for name, item in value.items() if name != UNKNOWN} if isinstance(value, dict) else value


def _type_rows() -> Rows:
    yield "integer", "bigint"
    yield "number", "double"
    yield "boolean", "boolean"
    yield "string; times, which become RFC 3339 in UTC", "string"
    yield "object with known fields", "struct"
    yield "object with free fields", "map"
    yield "array", "array"


def _quirks() -> Iterator[str]:
    """Yield each behaviour of docs/api-behaviours.md with what it says before the reasons."""
    page = (ROOT / "docs" / "api-behaviours.md").read_text("utf-8")
    for behaviour in page.split("\n### ")[1:]:
        title, _, text = behaviour.partition("\n")
        first, _, reasons = text.partition("- **Why it matters:**")
        why = reasons.partition("\n- **")[0]
        said = " ".join(first.split())
        yield f"- **{title.strip()}.** {said}{' ' if said else ''}Why it matters: {' '.join(why.split())}"
