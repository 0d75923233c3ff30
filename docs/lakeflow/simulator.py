"""What the framework's simulator answers: endpoints and records of every table, and of signing in.

Addresses, envelopes and parameters come from the manifest's retrievers, records from the tables' schemas.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import yaml
from airbyte_cdk.sources.declarative.parsers.manifest_reference_resolver import ManifestReferenceResolver

from bridge.rows.schema import kind_of
from bridge.tables.catalog import JsonSchema, Table, tables
from source_particle import manifest

Component = Mapping[str, Any]

HANDLER = "databricks.labs.community_connector.source_simulator.specs.particle.handlers.api:answer"
NOTICE = """# What the simulated Particle API answers; source-particle makes this file from its manifest.yaml.
#
# The handler filters, pages and wraps as told here. It adds the header `Date`, because streams are
# read by the API's clock, and dates the records of a table with a cursor to yesterday, because the
# API keeps them for some weeks only. Paths with fewer placeholders come first.
"""
# What the API answers to a product, device or SIM that `*` has found and that is refused, or gone.
REFUSALS = [403, 404]
# More than the framework's tests read batches, so that a reader without a limit would not end.
FUTURE_RECORDS = 30
# Replies of no table: to signing in, and what a token says about itself.
SIGNING_IN: Mapping[str, Component] = {
    "oauth_token": {"access_token": "simulated", "token_type": "bearer", "expires_in": 86400},
    "access_token": {"client": "particle", "expires_at": None, "scopes": [], "orgs": []},
}
# What a parameter that limits the cursor is made of: a planned window, or a slice of time.
BOUNDS = {"start": "gte", "end": "lt"}
REMOVED = "removed by the connector"
# A field that no schema knows, so that the column of rescued data is filled, too.
UNKNOWN = "not_in_the_schema"
MOMENT = "2026-01-31T12:00:00.000Z"


@dataclass(frozen=True)
class Endpoint:
    """A path of the API, with what it answers to every request."""

    path: str
    corpus: str
    records_key: str | None = None
    is_single: bool = False
    is_paged: bool = False
    cursor: str | None = None
    parameters: Mapping[str, Component] = field(default_factory=dict)
    method: str = "GET"

    def body(self, records: Any) -> Any:
        """Return the body of a reply that holds all of them."""
        extras = {"meta": {"total_pages": 1}} if self.is_paged else {}
        return {self.records_key: records, **extras} if self.records_key else records

    def entry(self) -> Component:
        """Return its entry in endpoints.yaml."""
        response: dict[str, Any] = {"single_entity": True} if self.is_single else {}
        if self.records_key and not self.is_single:
            # A comparison with a real account need not tell what else is around the records.
            response = {"wrapper": {"records_key": self.records_key, "ignore_extra_keys": True}}
        if "{" in self.path:
            response["expected_status_codes"] = REFUSALS
        entry: dict[str, Any] = {"path": self.path, "method": self.method, "corpus": self.corpus, "handler": HANDLER}
        entry |= {"response": response} if response else {}
        entry |= {"params": dict(self.parameters)} if self.parameters else {}
        if self.cursor and not self.is_single:
            entry["synthesize_future_records"] = {"cursor_field": self.cursor, "count": FUTURE_RECORDS}
        return entry


def endpoints_yaml() -> str:
    """Return the text of endpoints.yaml."""
    # The framework takes the first path that fits.
    ordered = sorted(endpoints().values(), key=lambda endpoint: endpoint.path.count("{"))
    document = {"endpoints": [endpoint.entry() for endpoint in ordered]}
    return NOTICE + yaml.dump(document, Dumper=_Dumper, sort_keys=False, width=100)


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        """Return True: whoever reads the file wants to see each endpoint whole."""
        return True


@cache
def endpoints() -> Mapping[str, Endpoint]:
    """Return each endpoint by its path, whose placeholders are `{}`; tables that share a path share an endpoint."""
    signing_in = Endpoint("/oauth/token", "oauth_token", is_single=True, method="POST")
    found = {signing_in.path: signing_in}
    for other in (endpoint for name, retriever in _retrievers() for endpoint in _endpoints(name, retriever)):
        path = re.sub(r"\{.*?\}", "{}", other.path)
        first = found.get(path, other)
        both = {**other.parameters, **first.parameters}
        found[path] = replace(first, cursor=first.cursor or other.cursor, parameters=both)
    return found


def endpoint_of(part: Table) -> Endpoint:
    """Return the endpoint of a table's first path."""
    return next(endpoint for endpoint in endpoints().values() if endpoint.path == _path(part.endpoints[0]))


def keys_of_parents(name: str) -> set[str]:
    """Return the columns of a table that come from the path of a request."""
    changes = _streams()[name].get("transformations", ())
    return {column for change in changes for column in change.get("from_slice", ())}


@cache
def corpora() -> Mapping[str, Any]:
    """Return what each file of the corpus holds, every column of its table filled."""
    found: dict[str, Any] = dict(SIGNING_IN)
    for name, retriever in ((name, retriever) for name, retriever in _retrievers() if name not in SIGNING_IN):
        record = _record(name, retriever)
        for endpoint in _endpoints(name, retriever):
            shared = endpoints()[re.sub(r"\{.*?\}", "{}", endpoint.path)]
            known = found.get(shared.corpus)
            whole = _merged(_first(known, shared), record) if known else record
            found[shared.corpus] = shared.body(whole) if shared.is_single else [whole] * (2 if shared.cursor else 1)
    return found


def _first(body: Any, endpoint: Endpoint) -> Component:
    record: Component = (
        body[0] if isinstance(body, list) else body[endpoint.records_key] if endpoint.records_key else body
    )
    return record


def _merged(first: Any, other: Any) -> Any:
    """Return a record with the fields of both; what both have is the first's."""
    if isinstance(first, dict) and isinstance(other, dict):
        return {**other, **{name: _merged(value, other.get(name)) for name, value in first.items()}}
    if isinstance(first, list) and isinstance(other, list):
        return [_merged(*items) for items in zip(first, other, strict=True)]
    return first


# ---- from the manifest ----


@cache
def _streams() -> Mapping[str, Component]:
    resolved = ManifestReferenceResolver().preprocess_manifest(dict(manifest()))
    # Conditional streams read what the token says about itself.
    flat = (inner for stream in resolved["streams"] for inner in stream.get("streams", [stream]))
    return {stream["name"]: stream for stream in flat}


def _retrievers() -> Iterator[tuple[str, Component]]:
    """Yield every retriever with the name of what it reads; a stream can have several."""
    for name, stream in _streams().items():
        retriever = stream["retriever"]
        if "requester" in retriever:
            yield name, retriever
            continue
        for part in (value for value in retriever.values() if isinstance(value, dict) and "requester" in value):
            yield part["$parameters"]["name"], part


def _endpoints(name: str, retriever: Component) -> Iterator[Endpoint]:
    keys = retriever["record_selector"]["extractor"]["field_path"]
    cursor = _streams().get(name, {}).get("incremental_sync", {}).get("cursor_field")
    for path in _paths(name, retriever["requester"]["url"]):
        yield Endpoint(
            path,
            name,
            records_key=".".join(keys) or None,
            is_single=retriever.get("single", False),
            is_paged="paginator" in retriever,
            cursor=cursor,
            parameters=dict(_parameters(retriever, cursor)),
        )


def _paths(name: str, url: str) -> list[str]:
    # The address in the manifest has variables; the table says what they can be.
    address = url.partition("}}")[2]
    if "{{" not in address or name not in tables():
        return [re.sub(r"\{\{ (\w+) \}\}", r"{\1}", address)]
    return [_path(endpoint) for endpoint in tables()[name].endpoints]


def _path(endpoint: str) -> str:
    return re.sub(r":(\w+)", r"{\1}", endpoint)


def _parameters(retriever: Component, cursor: str | None) -> Iterator[tuple[str, Component]]:
    """Yield the parameters of its requests: those that limit the cursor filter, the others are ignored."""
    for name, template in retriever["requester"].get("request_parameters", {}).items():
        bounds = [operator for word, operator in BOUNDS.items() if f"'{word}" in template]
        if cursor and len(bounds) == 1:
            yield name, {"role": "filter", "field": cursor, "op": bounds[0]}
        else:
            yield name, {"role": "ignore"}
    if pages := retriever.get("paginator"):
        size, strategy = pages["page_size_option"]["field_name"], pages["pagination_strategy"]
        yield pages["page_token_option"]["field_name"], {"role": "page"}
        yield size, {"role": "per_page", "default": 25, "max": strategy["page_size"]}
        for name in (strategy["page_size_alias"], *strategy.get("sorting", {})):
            yield name, {"role": "ignore"}


# ---- from the schemas ----


def _record(name: str, retriever: Component) -> Component:
    if name not in tables():
        return dict.fromkeys(retriever["identified_by"], "text")
    changes = _streams()[name].get("transformations", ())
    # What identifies a record is in it, although the parent's key may be the same.
    added = keys_of_parents(name) - set(retriever["identified_by"])
    known = {column: _value(schema) for column, schema in tables()[name].columns.items() if column not in added}
    removed = {secret: REMOVED for change in changes for secret in change.get("removed", ())}
    return _sent({**known, **removed, UNKNOWN: 1}, retriever["record_selector"]["extractor"])


def _sent(row: Component, extractor: Component) -> Component:
    """Return the record of a reply that an extractor makes this row of."""
    if "items_in" in extractor:
        return {extractor["items_in"]: [row]}
    if extractor.get("class_name", "").endswith(".PointsExtractor"):
        return {**row, "geometry": {"type": "Point", "coordinates": [row["longitude"], row["latitude"]]}}
    return row


def _value(schema: JsonSchema) -> Any:
    match kind_of(schema):
        case "struct":
            return {name: _value(part) for name, part in schema["properties"].items()}
        case "map":
            return {"key": _value(schema["additionalProperties"])}
        case "array":
            return [_value(schema["items"])]
        case "string":
            return MOMENT if schema.get("format") == "date-time" else "text"
        case scalar:
            return {"integer": 1, "number": 1.5, "boolean": True}[scalar]
