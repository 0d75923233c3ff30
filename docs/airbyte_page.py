"""The tables of Airbyte's page about the source, which names fields as the form does."""

from collections.abc import Iterator

from bridge.tables.catalog import JsonSchema, Option, tables
from docs.markdown import code, grid
from docs.option_pages import default_of
from docs.table_pages import scope_of
from source_particle import manifest


def form_fields() -> str:
    specification = manifest()["spec"]["connection_specification"]
    rows = [
        (title, "yes" if required else "", default_of(Option("", schema)), schema["description"])
        for title, schema, required in _fields("", specification)
    ]
    return grid(("Field", "Required", "Default", "What it does"), rows)


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


def sync_modes() -> str:
    incremental = [code(table.name) for table in tables().values() if table.cursor_field]
    rows = [("Full refresh", "Yes"), ("Incremental", f"Yes, {', '.join(incremental)}"), ("Namespaces", "No")]
    return grid(("Feature", "Supported?"), rows)


def streams() -> str:
    rows = [
        (
            code(table.name),
            table.description.rstrip(".") + (f" (on request: {table.on_request})" if table.on_request else ""),
            code(*table.primary_key),
            f"full refresh, incremental by {code(table.cursor_field)}" if table.cursor_field else "full refresh",
            scope_of(table),
        )
        for table in tables().values()
    ]
    return grid(("Stream", "What it holds", "Primary key", "Sync modes", "Scope an API user needs"), rows)
