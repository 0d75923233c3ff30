"""What the manifest says about options: docs/options.md, and the table in README.md."""

from collections.abc import Iterable

from bridge.tables.catalog import JsonSchema, Option, connection_options, tables, ways_to_sign_in
from docs.markdown import NOTICE, code, grid

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


def options_page() -> str:
    return (
        f"{NOTICE}{OPTIONS_INTRO}\n## Connection\n\n{_ways()}\n{_option_table(connection(), with_required=False)}"
        + "".join(
            f"\n## {table.name}\n\n{_option_table(documented(table.options))}"
            for table in tables().values()
            if table.options
        )
        + f"\n{SPARK_INTRO}{_spark_option_table()}"
        + f"\n{ALLOW_LIST_INTRO}```text\n{','.join(passed_on())}\n```\n"
    )


def passed_on() -> list[str]:
    """Return the names of all options other than those of the connection."""
    every = tables().values()
    options = [option for table in every for option in documented((*table.options, *table.spark_options))]
    return list(dict.fromkeys([*FRAMEWORK_OPTIONS, *(option.name for option in options)]))


def _spark_option_table() -> str:
    options = {option.name: option for table in tables().values() for option in documented(table.spark_options)}
    rows = [
        (
            code(name),
            code(*(table.name for table in tables().values() if name in _names(table.spark_options))),
            option.schema["type"],
            default_of(option),
            _allowed(option.schema),
            option.description,
        )
        for name, option in options.items()
    ]
    return grid(("Option", "Tables", "Type", "Default", "Allowed values", "What it does"), rows)


def _names(options: Iterable[Option]) -> list[str]:
    return [option.name for option in options]


def _ways() -> str:
    ways = " or ".join(code(*names, glue=" and ") for names in ways_to_sign_in().values())
    return f"To sign in, set {ways}. All other options are optional.\n"


def connection() -> list[Option]:
    return documented(connection_options())


def connection_overview() -> str:
    rows = ((code(option.name), default_of(option), option.description) for option in connection())
    return grid(("Option", "Default", "What it does"), rows)


def documented(options: Iterable[Option]) -> list[Option]:
    return [option for option in options if option.is_documented]


def _option_table(options: Iterable[Option], *, with_required: bool = True) -> str:
    rows = []
    for option in options:
        default = default_of(option)
        if option.required:
            default += " (not in Spark)"
        kind = option.schema["type"] + (", secret" if option.is_secret else "")
        required = ("yes" if option.required else "",) if with_required else ()
        rows.append((code(option.name), *required, kind, default, _allowed(option.schema), option.description))
    heads = ("Option", *(("Required",) if with_required else ()), "Type", "Default", "Allowed values", "What it does")
    return grid(heads, rows)


def default_of(option: Option) -> str:
    if "default" not in option.schema:
        return ""
    default = option.schema["default"]
    return code(str(default).lower() if isinstance(default, bool) else str(default))


def _allowed(schema: JsonSchema) -> str:
    if schema["type"] == "boolean":
        return code("true", "false")
    if "enum" in schema:
        return code(*schema["enum"])
    if "pattern_descriptor" in schema:
        return f"like {code(schema['pattern_descriptor'])}"
    if "minimum" in schema:
        return f"{schema['minimum']} to {schema['maximum']}" if "maximum" in schema else f"{schema['minimum']} or more"
    return "not empty"
