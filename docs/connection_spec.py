"""connector_spec.yaml, which the framework's command line and Databricks' form read."""

from typing import Any

import yaml

from bridge.tables.catalog import Option, ways_to_sign_in
from docs.option_pages import connection, passed_on
from source_particle import manifest

SPEC_NOTICE = """# What Databricks asks for when you create a connection, and the table options that it passes on.
# Generated from manifest.yaml by docs/generate.py; change it there, then run `make docs`.
"""


def connector_spec() -> str:
    """Return the connection spec that the framework's command line and Databricks' form read."""
    options = {option.name: option for option in connection()}
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
        "external_options_allowlist": ",".join(passed_on()),
    }
    return SPEC_NOTICE + yaml.safe_dump(document, sort_keys=False, width=2**20, allow_unicode=True)


def _parameter(option: Option, *, required: bool) -> dict[str, Any]:
    default = option.schema.get("default")
    description = option.description if default is None else f"{option.description} Default: {default}."
    # A connection holds text only.
    parameter = {"name": option.name, "type": "string", "required": required, "description": description}
    return {**parameter, "secret": True} if option.is_secret else parameter
