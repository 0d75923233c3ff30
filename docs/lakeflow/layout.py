"""Lay out the source `particle` for the Lakeflow framework's repository: `make submission-lakeflow DIR=<folder>`.

The files go on top of a checkout of databrickslabs/lakeflow-community-connectors. The source is a thin class over the
wheel of this project; its documents, its specification and what its simulator answers are made of manifest.yaml.
"""

import json
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from bridge.rows.schema import kind_of, type_name
from bridge.tables.catalog import JsonSchema, Table, connection_options, tables

ROOT = Path(__file__).parents[1]
PACKAGE = Path("src", "databricks", "labs", "community_connector")
SOURCE = PACKAGE / "sources" / "particle"
SIMULATOR = PACKAGE / "source_simulator" / "specs" / "particle"
TESTS = Path("tests", "unit", "sources", "particle")
MODULE = "databricks.labs.community_connector"

BY_A_PERSON = (
    "Publish the wheel source-particle, or put it beside the source's wheel in the pipeline's dependencies.",
    "Ask for the exception to the rule on imports: the wheel brings airbyte-cdk, which the rule does not list.",
    "Run the tests with an account (CONNECTOR_TEST_MODE=live) and attach the cassette: nothing here has read one.",
    "Ask a maintainer for the labels safe-to-test and ready-for-review.",
)

INIT = f'''"""Particle.io source connector."""

from {MODULE}.sources.particle.particle import ParticleLakeflowConnect
from {MODULE}.sparkpds import LakeflowSource


class ParticleDataSource(LakeflowSource):
    """The tables of a Particle.io fleet as a Spark data source."""

    _lakeflow_connect_cls = ParticleLakeflowConnect


__all__ = ["ParticleDataSource", "ParticleLakeflowConnect"]
'''

CONNECTOR = f'''"""Particle.io source connector: the package source-particle, as a class of this framework."""

from bridge import ParticleLakeflowConnect as ParticleTables
from {MODULE}.interface import LakeflowConnect, SupportsPartitionedStream


class ParticleLakeflowConnect(ParticleTables, LakeflowConnect, SupportsPartitionedStream):
    """The tables of a Particle.io fleet: devices, products, SIMs, vitals and data usage."""
'''

PYPROJECT = f"""[build-system]
requires = ["setuptools>=61.0", "wheel"]
build-backend = "setuptools.build_meta"

[project]
name = "lakeflow-community-connectors-particle"
version = "{{version}}"
description = "Particle.io connector for Lakeflow Community Connectors"
requires-python = ">=3.10"
dependencies = [
    "lakeflow-community-connectors>=0.1.0",
    "source-particle=={{version}}",
]

[tool.setuptools]
packages = ["{MODULE}.sources.particle"]

[tool.setuptools.package-dir]
"{MODULE}.sources.particle" = "."

[tool.setuptools.package-data]
"*" = ["*.json", "*.md", "*.yaml"]
"""

TEST = f'''"""The framework's checks of the connector, against a simulated API."""

from {MODULE}.sources.particle.particle import ParticleLakeflowConnect
from tests.unit.sources.test_partition_suite import SupportsPartitionedStreamTests
from tests.unit.sources.test_suite import LakeflowConnectTests


class TestParticleConnector(LakeflowConnectTests, SupportsPartitionedStreamTests):
    """Every table, read from the simulator."""

    connector_class = ParticleLakeflowConnect
    simulator_source = "particle"
    replay_config = {{"access_token": "simulated"}}
    table_configs = TABLE_CONFIGS
'''

HANDLER = f'''"""Answers of a simulated Particle API; its replies tell the time, which streams are read by."""

import copy
import json
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from urllib.parse import parse_qs, urlsplit

from {MODULE}.source_simulator.cassette import ResponseRecord
from {MODULE}.source_simulator.interceptor import response_from_record


def answer(prep, spec, corpus):
    """Answer with the body in the corpus; vitals are those of yesterday."""
    body = copy.deepcopy(corpus.get(spec.corpus))
    now = datetime.now(timezone.utc)
    query = parse_qs(urlsplit(prep.url).query)
    if "start_date" in query:
        yesterday = now.replace(hour=0, minute=0, second=0) - timedelta(days=1)
        for number, record in enumerate(body["diagnostics"]):
            moment = yesterday + timedelta(hours=number)
            record["updated_at"] = moment.strftime("%Y-%m-%dT%H:%M:%S.000Z")
        first, last = query["start_date"][0], query.get("end_date", ["9"])[0]
        body["diagnostics"] = [
            row for row in body["diagnostics"] if first <= row["updated_at"] < last
        ]
    headers = {{
        "Content-Type": "application/json",
        "Date": format_datetime(now, usegmt=True),
    }}
    record = ResponseRecord(
        status_code=200,
        headers=headers,
        body_text=json.dumps(body),
        body_b64=None,
        encoding="utf-8",
        url=prep.url,
    )
    return response_from_record(record, prep)
'''


def main(arguments: list[str]) -> int:
    """Write the files into a new folder, or into a checkout of the framework; return 2 where none is named."""
    if len(arguments) != 1 or not arguments[0]:
        print("Name a folder: make submission-lakeflow DIR=<folder>", file=sys.stderr)
        return 2
    folder = Path(arguments[0]).expanduser()
    for path, text in files().items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")
    print(f"The source particle is in {folder}. What is left to a person:", *BY_A_PERSON, sep="\n- ")
    return 0


def files() -> Mapping[Path, str]:
    """Return the text of each file by its path in the framework's repository."""
    version = re.search(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text("utf-8"), re.MULTILINE)
    assert version is not None
    of_products = {"product_id_or_slug": "*"}
    configs = {
        name: dict.fromkeys(part.required_options, "*")
        | (of_products if "product_id_or_slug" in (option.name for option in part.options) else {})
        for name, part in tables().items()
    }
    return {
        SOURCE / "__init__.py": INIT,
        SOURCE / "particle.py": CONNECTOR,
        SOURCE / "pyproject.toml": PYPROJECT.format(version=version[1]),
        SOURCE / "README.md": _readme(),
        SOURCE / "particle_api_doc.md": _api_doc(),
        SOURCE / "connector_spec.yaml": (ROOT / "connector_spec.yaml").read_text("utf-8"),
        TESTS / "__init__.py": "",
        TESTS / "test_particle_lakeflow_connect.py": TEST.replace("TABLE_CONFIGS", _literal(configs)),
        SIMULATOR / "__init__.py": "",
        SIMULATOR / "handlers" / "__init__.py": "",
        SIMULATOR / "handlers" / "api.py": HANDLER,
        SIMULATOR / "endpoints.yaml": _endpoints(),
        **{SIMULATOR / "corpus" / f"{name}.json": json.dumps(body, indent=2) for name, body in _bodies().items()},
    }


def _literal(configs: Mapping[str, Mapping[str, str]]) -> str:
    rows = "".join(f"        {json.dumps(name)}: {json.dumps(options)},\n" for name, options in configs.items())
    return "{\n" + rows + "    }"


# ---- what the simulator answers ----

PATHS: Mapping[str, str] = {
    "token": "/v1/access_tokens/current",
    "devices": "/v1/devices",
    "products": "/v1/products",
    "sims": "/v1/sims",
    "user": "/v1/user",
    "oauth_clients": "/v1/clients",
    "product_devices": "/v1/products/{product}/devices",
    "product_sims": "/v1/products/{product}/sims",
    "diagnostics": "/v1/products/{product}/diagnostics/{device}",
    "own_diagnostics": "/v1/diagnostics/{device}",
    "sim_data_usage": "/v1/products/{product}/sims/{iccid}/data_usage",
    "own_sim_data_usage": "/v1/sims/{iccid}/data_usage",
    "fleet_data_usage": "/v1/products/{product}/sims/data_usage",
}


def _endpoints() -> str:
    handler = f"{MODULE}.source_simulator.specs.particle.handlers.api:answer"
    # The framework takes the first path that fits, and a placeholder fits any name.
    ordered = sorted(PATHS.items(), key=lambda entry: entry[1].count("{"))
    return "endpoints:\n" + "".join(
        f"  - path: {path}\n    method: GET\n    corpus: {name}\n    handler: {handler}\n" for name, path in ordered
    )


def _bodies() -> Mapping[str, Any]:
    """Return a reply for each path, every column of its table filled."""
    record = {name: _record(part.schema) for name, part in tables().items()}
    own = {"id": "0123456789abcdef01234567"}
    vitals = {"diagnostics": [{**record["diagnostics"], "deviceID": own["id"]} for _ in range(2)]}
    totals = {"meta": {"total_pages": 1, "total_records": 1}}
    return {
        "token": {"client": "particle", "expires_at": None, "scopes": []},
        "devices": [{**record["devices"], **own}],
        "products": {"products": [record["products"]]},
        "sims": {"sims": [record["sims"]]},
        "user": record["user"],
        "oauth_clients": {"ok": True, "clients": [record["oauth_clients"]]},
        "product_devices": {"devices": [{**record["product_devices"], **own}], **totals},
        "product_sims": {"sims": [record["product_sims"]], **totals},
        "diagnostics": vitals,
        "own_diagnostics": vitals,
        "sim_data_usage": record["sim_data_usage"],
        "own_sim_data_usage": record["sim_data_usage"],
        "fleet_data_usage": record["fleet_data_usage"],
    }


def _record(schema: JsonSchema) -> dict[str, Any]:
    named_by_the_source = ("product_id_or_slug", "device_id")
    known = {name: _value(part) for name, part in schema["properties"].items() if name not in named_by_the_source}
    # A field that no schema knows, so that the column of rescued data is filled, too.
    return {**known, "not_in_the_schema": 1}


def _value(schema: JsonSchema) -> Any:
    match kind_of(schema):
        case "struct":
            return {name: _value(part) for name, part in schema["properties"].items()}
        case "map":
            return {"a": _value(schema["additionalProperties"])}
        case "array":
            return [_value(schema["items"])]
        case "string":
            return "2026-01-31T12:00:00.000Z" if schema.get("format") == "date-time" else "a"
        case scalar:
            return {"integer": 1, "number": 1.5, "boolean": True}[scalar]


# ---- documents ----


def _readme() -> str:
    return "\n".join(_readme_parts()) + "\n"


def _readme_parts() -> Iterator[str]:
    allowed = next(
        line.partition(": ")[2]
        for line in (ROOT / "connector_spec.yaml").read_text("utf-8").splitlines()
        if line.startswith("external_options_allowlist")
    )
    yield "# Lakeflow Particle Community Connector\n"
    yield "This connector reads a Particle.io fleet into Databricks: devices, products, SIMs, vitals and data usage.\n"
    yield "## Prerequisites\n"
    yield "- An access token of a Particle account or API user, or a user name and password without a second factor."
    yield "- The wheel `source-particle` and this source's wheel among the dependencies of the pipeline.\n"
    yield "## Setup\n\n### Required Connection Parameters\n"
    yield "Give `access_token`, or `username` and `password`.\n"
    yield "| Name | Type | Required | Description |\n| --- | --- | --- | --- |"
    for option in (option for option in connection_options() if option.is_documented):
        yield f"| `{option.name}` | {option.schema['type']} | no | {option.description} |"
    yield f"| `externalOptionsAllowList` | string | yes | `{allowed}` |\n"
    yield "### Obtain the parameters\n"
    yield "Create an access token under Settings > Access Tokens in the Particle Console, or an API user with the"
    yield "scopes that its tables need.\n"
    yield "### Create a Unity Catalog Connection\n"
    yield "Follow the Lakeflow Community Connector flow of the Add Data page, or use the Unity Catalog API.\n"
    yield "## Supported Objects\n"
    yield "| Table | One row is | Ingestion | Primary key | Cursor | Required options |"
    yield "| --- | --- | --- | --- | --- | --- |"
    yield from map(_object_row, tables().values())
    yield "\n## Table Configurations\n"
    yield "### Source & Destination\n"
    yield "`source_table` is required; `destination_catalog`, `destination_schema` and `destination_table` are not.\n"
    yield "### Common `table_configuration` options\n"
    yield "`scd_type`, `primary_keys`, `sequence_by` and `cluster_by`, as for every source.\n"
    yield "### Options of the tables\n"
    yield "| Table | Option | Required | Description |\n| --- | --- | --- | --- |"
    for part in tables().values():
        for option in (*part.options, *part.spark_options):
            yield f"| `{part.name}` | `{option.name}` | {_yes(option.required)} | {option.description} |"
    yield "\n## Data Type Mapping\n"
    yield "| Particle | Spark |\n| --- | --- |\n| integer | bigint |\n| number | double |\n| boolean | boolean |"
    yield "| string, times in RFC 3339 | string |\n| object with known fields | struct |"
    yield "| object with free fields | map |\n| array | array |\n"
    yield "What does not fit its column, or is not known to the schema, is kept as JSON in `_rescued_data`.\n"
    yield "## How to Run\n\n### Step 1: Clone/Copy the Source Connector Code\n"
    yield "Follow the Lakeflow Community Connector UI.\n\n### Step 2: Configure Your Pipeline\n"
    yield "```json"
    yield json.dumps(
        {
            "connection_name": "particle_connection",
            "objects": [
                {"table": {"source_table": "devices"}},
                {
                    "table": {
                        "source_table": "product_devices",
                        "table_configuration": {"product_id_or_slug": "my-product"},
                    }
                },
            ],
        },
        indent=2,
    )
    yield "```\n\n### Step 3: Run and Schedule the Pipeline\n\n#### Best Practices\n"
    yield "- Start with `devices` and `products`.\n- Particle keeps vitals for 30 days: run more often than that."
    yield "- Pipelines behind one address share 10,000 requests in 5 minutes: set `requests_per_5_minutes` for each.\n"
    yield "#### Troubleshooting\n"
    yield "- 401: the token is mistyped, expired or revoked.\n- 403: the token lacks a scope, or the id does not exist."
    yield "- 404: check the product, device or SIM.\n- 429: another program on this address uses the limit up.\n"
    yield "## References\n\n- [Particle Device Cloud API](https://docs.particle.io/reference/cloud-apis/api/)"


def _object_row(part: Table) -> str:
    key, required = ", ".join(part.primary_key), ", ".join(part.required_options)
    cells = (f"`{part.name}`", part.description, part.ingestion_type, key, part.cursor_field or "", required)
    return f"| {' | '.join(cells)} |"


def _yes(required: bool) -> str:
    return "yes" if required else "no"


def _api_doc() -> str:
    lines = [
        "# Particle API Documentation\n",
        "## Authorization\n",
        "`Authorization: Bearer <access token>`. A token comes from the Particle Console, or from `POST /oauth/token`",
        "with `grant_type=password`. Ten failed logins in a row block an IP address for 30 minutes.\n",
        "## Object List\n",
        "The list of objects is static:\n",
        "| Object | Endpoints | Scope |\n| --- | --- | --- |",
        *(f"| `{part.name}` | {', '.join(part.endpoints)} | {part.scope or ''} |" for part in tables().values()),
        "\n## Object Schema\n",
        "The API has no endpoint for schemas; they are static.\n",
    ]
    for part in tables().values():
        lines.append(f"### {part.name}\n\n| Field | Type | Description |\n| --- | --- | --- |")
        lines += [f"| `{name}` | {type_name(s)} | {s['description']} |" for name, s in part.columns.items()]
        lines.append("")
    lines += [
        "## Get Object Primary Keys\n",
        *(f"- `{part.name}`: {', '.join(part.primary_key)}" for part in tables().values()),
        "\n## Object's ingestion type\n",
        *(f"- `{part.name}`: {part.ingestion_type}" for part in tables().values()),
        "\n## Read API for Data Retrieval\n",
        "Lists of a product are paged by `page` and `per_page` (at most 100); the other lists come whole. Vitals are",
        "read one device at a time by `start_date` (inclusive, at most 30 days ago) and `end_date` (exclusive). The",
        "limit is 10,000 requests in 5 minutes for an IP address. The API does not report deletions.\n",
        "## Field Type Mapping\n",
        "integer: bigint; number: double; boolean and string: the same; object: struct or map; array: array.\n",
        "## Sources and References\n",
        "- https://docs.particle.io/reference/cloud-apis/api/",
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
