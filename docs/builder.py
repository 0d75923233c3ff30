"""manifest.yaml → a manifest of standard components only, for Airbyte's Connector Builder.

Streams, addresses, schemas, keys, cursor and error texts come from the manifest. What needs a custom component is left
out; `LIMITS` lists it.
"""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import yaml
from airbyte_cdk.sources.declarative.parsers.manifest_reference_resolver import ManifestReferenceResolver

from bridge.tables.catalog import table
from source_particle import manifest

Component = dict[str, Any]

LIMITS = """# Particle.io for Airbyte's Connector Builder, which cannot run custom code: standard components only.
# Generated from manifest.yaml by docs/builder.py; change it there, then run `make docs`.
#
# Use the connector itself wherever it can be installed. This variant has limits:
# - It signs in with an access token only, and does not check what the token may read before a stream fails.
# - It lacks the streams that need code: those of organizations (ledgers, service agreements, Logic), histories other
#   than vitals, locations, integrations and configurations; and those that the connector reads on request only, because
#   they hold personal data: customers and teams.
# - It reads everything it finds: no option narrows a stream. Products come from /v1/products only. The vitals of a
#   device and the usage of a SIM come once for each list that it is in, a product's or the user's: merge by key. An
#   API user's token does not serve these two streams, because the user's own list is refused.
# - Times and numbers stay as the API sends them.
# - It does not notice when devices are added or removed while pages are read, so some may be missed or duplicated. A
#   list ends at its first empty page.
# - A product, device or SIM that is refused with 403 or 404 is skipped without being counted at the end. A list that is
#   refused on a later page ends there.
# - A device that joins later starts at the newest cursor of all others: its earlier vitals are not read.
# - It checks the outline of a reply, not each record, and rounds integers beyond 64 bits. SIM usage as sent before
#   2017, a bare list, is an error.
# - It keeps the limit of 10,000 requests in 5 minutes on average only; bursts may exceed it and have to wait.

"""
BEARER = {"type": "BearerAuthenticator", "api_token": "{{ config['access_token'] }}"}
# What the custom components put into an address, and the standard partition's value for it.
PLACES = {
    "{{ owner_path }}": "",
    "{{ product_prefix }}": (
        "{{ 'products/' ~ stream_slice.extra_fields['product_id_or_slug'] ~ '/' "
        "if stream_slice.extra_fields.get('product_id_or_slug') else '' }}"
    ),
    "{{ product_path }}": "{{ stream_partition['product_id_or_slug'] }}",
    "{{ device_id_path }}": "{{ stream_partition['device_id'] }}",
    "{{ iccid_path }}": "{{ stream_partition['iccid'] }}",
}
# Error texts for where there is no option to change.
WITHOUT_OPTIONS = {
    404: "Not found (404). It may have been removed, or the product does not have this feature.",
    429: (
        "The API's limit of 10,000 requests in 5 minutes per IP address is used up (429). Other programs use this "
        "address, too: start the sync again later."
    ),
}
# What the API keeps, by the machine's clock; a component of the connector takes the API's own.
KEPT = (
    "{{{{ max(stream_slice['start_time'], format_datetime(now_utc() - duration('P{days}DT23H45M'), "
    "'%Y-%m-%dT%H:%M:%S.000Z')) }}}}"
)
SINCE_EVER = "1970-01-01T00:00:00.000Z"
# The components without which a stream can be read.
RETRIEVERS = tuple(f"source_particle.components.{name}" for name in ("ParticleRetriever", "ProductsRetriever"))
ROUTER = "source_particle.components.FleetRouter"
PLAIN = {"extractor": {"type": "DpathExtractor"}}


def builder_manifest() -> str:
    """Return the file's text."""
    document = {
        "version": manifest()["version"],
        "type": "DeclarativeSource",
        "description": manifest()["description"],
        "check": {"type": "CheckStream", "stream_names": ["products"]},
        "concurrency_level": manifest()["concurrency_level"],
        "api_budget": _api_budget(),
        "definitions": {"streams": {stream["name"]: _stream(stream) for stream in _streams()}},
        "streams": [_reference(stream["name"]) for stream in _streams()],
        "schemas": {stream["name"]: manifest()["schemas"][stream["name"]] for stream in _streams()},
        "spec": _spec(),
    }
    return LIMITS + yaml.dump(document, Dumper=_Dumper, sort_keys=False, width=120, allow_unicode=True)


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        """Return True: the Builder has no anchors."""
        return True


@cache
def _streams() -> list[Component]:
    resolved = ManifestReferenceResolver().preprocess_manifest(dict(manifest()))
    # Conditional streams serve the connector's own check and clock.
    return [stream for stream in resolved["streams"] if stream["type"] == "DeclarativeStream" and _is_plain(stream)]


def _is_plain(stream: Component) -> bool:
    """Return whether the Builder gets a stream: it selects all of them, and standard components have to suffice."""
    retriever = stream["retriever"]
    router = retriever.get("partition_router", {"class_name": ROUTER})
    return (
        not table(stream["name"]).on_request
        and retriever["class_name"] in RETRIEVERS
        and router["class_name"] == ROUTER
        and ("entity" in router) == ("own_entities" in router)
        and retriever.get("record_selector", PLAIN)["extractor"]["type"] == PLAIN["extractor"]["type"]
        # Secrets within an address cannot be removed.
        and not any(step.get("without_query") for step in stream.get("transformations", ()))
    )


def _reference(name: str) -> Component:
    return {"$ref": f"#/definitions/streams/{name}"}


def _stream(stream: Component) -> Component:
    retriever = stream["retriever"]
    # Products are listed at several addresses; without code only the first is left.
    own = retriever.get("products", retriever)
    parents = _parents(retriever.get("partition_router"))
    found: Component = {
        "type": "DeclarativeStream",
        "name": stream["name"],
        "primary_key": stream["primary_key"],
        "retriever": {
            "type": "SimpleRetriever",
            "requester": _requester(own, is_fan_out=bool(parents)),
            "record_selector": own["record_selector"],
        },
        "schema_loader": {"type": "InlineSchemaLoader", "schema": {"$ref": f"#/schemas/{stream['name']}"}},
    }
    if "paginator" in own:
        found["retriever"]["paginator"] = _paginator(own["paginator"])
    if parents:
        found["retriever"]["partition_router"] = {"type": "SubstreamPartitionRouter", "parent_stream_configs": parents}
    if "incremental_sync" in stream:
        start = {**stream["incremental_sync"]["start_datetime"], "datetime": SINCE_EVER}
        found["incremental_sync"] = {**stream["incremental_sync"], "start_datetime": start}
    if transformations := list(_transformations(stream, parents)):
        found["transformations"] = transformations
    return found


def _requester(retriever: Component, *, is_fan_out: bool) -> Component:
    own, url = retriever["requester"], retriever["requester"]["url"]
    for name, place in PLACES.items():
        url = url.replace(name, place)
    parameters = _page_parameters(retriever["paginator"]) if "paginator" in retriever else {}
    if "start_date" in own.get("request_parameters", {}):
        parameters["start_date"] = KEPT.format(days=own["kept_days"] - 1)
    kept = ("http_method", "connect_timeout_in_seconds", "read_timeout_in_seconds")
    return {
        "type": "HttpRequester",
        **{name: own[name] for name in kept},
        "url": url,
        **({"request_parameters": parameters} if parameters else {}),
        "use_cache": False,
        "authenticator": BEARER,
        "error_handler": _error_handler(retriever, is_fan_out=is_fan_out),
    }


def _error_handler(retriever: Component, *, is_fan_out: bool) -> Component:
    stated = retriever["requester"]["error_handler"]["response_filters"]
    filters = [_filter(one, is_fan_out=is_fan_out) for one in stated]
    return {
        "type": "DefaultErrorHandler",
        "max_retries": 5,
        "backoff_strategies": [
            {"type": "WaitTimeFromHeader", "header": "Retry-After"},
            {"type": "ExponentialBackoffStrategy", "factor": 5},
        ],
        "response_filters": [
            *filters,
            {
                "type": "HttpResponseFilter",
                "action": "RETRY",
                "predicate": f"{{{{ {_is_malformed(retriever)} }}}}",
                "error_message": "{{ request_url }}: the reply is not what this address promises.",
            },
        ],
    }


def _filter(filter_of_code: Component, *, is_fan_out: bool) -> Component:
    [*_, code] = filter_of_code.get("http_codes", [None])
    own = {**filter_of_code, "error_message": WITHOUT_OPTIONS.get(code, filter_of_code["error_message"])}
    if own["action"] == "REFRESH_TOKEN_THEN_RETRY":
        return {**own, "action": "FAIL", "failure_type": "config_error"}
    if own["action"] == "IGNORE" and not is_fan_out:
        return {**own, "action": "FAIL"}
    return own


def _is_malformed(retriever: Mapping[str, Any]) -> str:
    """Return a Jinja condition for a malformed reply; anything but JSON looks like an empty object there."""
    if retriever.get("single"):
        absent = " and ".join(f"response.get('{name}') is none" for name in retriever["identified_by"])
        return f"response is not mapping or ({absent})"
    path = retriever["record_selector"]["extractor"]["field_path"]
    if not path:
        return "response is not sequence or response is mapping or response is string"
    value = f"response.get('{path[0]}')"
    unwanted = "" if retriever.get("single_allowed") else f" or {value} is mapping"
    return f"response is not mapping or {value} is not sequence or {value} is string{unwanted}"


def _paginator(own: Component) -> Component:
    # Without a page size it reads on to the first empty page: a server that caps its pages makes each of them short.
    return {
        "type": own["type"],
        "page_token_option": own["page_token_option"],
        "pagination_strategy": {"type": "PageIncrement", "start_from_page": 1, "inject_on_first_request": True},
    }


def _page_parameters(paginator: Component) -> Component:
    strategy = paginator["pagination_strategy"]
    names = (paginator["page_size_option"]["field_name"], strategy["page_size_alias"])
    # An order that the API does not document may be refused, and these streams cannot do without it.
    documented = strategy.get("sorting", {}) if strategy.get("is_order_documented", True) else {}
    return {**documented, **dict.fromkeys(names, str(strategy["page_size"]))}


def _parents(router: Component | None) -> list[Component]:
    """Return the parents of a stream: products, or the devices or SIMs of all products and the user's own."""
    if router is None:
        return []
    if "entity" not in router:
        return [_parent(router["products"], "product_id_or_slug")]
    of_products = {**_parent(router["product_entities"], router["entity"]), "extra_fields": [["product_id_or_slug"]]}
    return [of_products, _parent(router["own_entities"], router["entity"])]


def _parent(source: Component, field: str) -> Component:
    parent = next(stream for stream in _streams() if _url(stream["retriever"]) == _url(source))
    keys = parent["primary_key"]
    return {
        "type": "ParentStreamConfig",
        "stream": _reference(parent["name"]),
        "parent_key": keys if isinstance(keys, str) else keys[-1],
        "partition_field": field,
    }


def _url(retriever: Component) -> str:
    return str(retriever.get("products", retriever)["requester"]["url"])


def _transformations(stream: Component, parents: list[Component]) -> Iterator[Component]:
    columns = stream["schema_loader"]["schema"]["properties"]
    partition = {parent["partition_field"] for parent in parents}
    extra = {path[0] for parent in parents for path in parent.get("extra_fields", ())}
    for own in stream.get("transformations", ()):
        for name, other in own.get("aliases", {}).items():
            missing = f"record.get('{name}') is none and record.get('{other}') is not none"
            yield _added(name, columns[name], f"record['{other}']", missing)
        for name in own.get("from_slice", ()):
            if name in partition:
                yield _added(name, columns[name], f"stream_partition['{name}']", f"record.get('{name}') is none")
            elif name in extra:
                found = f"stream_slice.extra_fields.get('{name}')"
                yield _added(name, columns[name], f"stream_slice.extra_fields['{name}']", found)
        if removed := own.get("removed"):
            yield {"type": "RemoveFields", "field_pointers": [[name] for name in removed]}


def _added(name: str, column: Component, value: str, condition: str) -> Component:
    added = {"type": "AddedFieldDefinition", "path": [name], "value": f"{{{{ {value} }}}}"}
    if "string" in column["type"]:
        # Without a type, an id of digits alone would become a number.
        added["value_type"] = "string"
    return {"type": "AddFields", "fields": [added], "condition": f"{{{{ {condition} }}}}"}


def _api_budget() -> Component:
    rate = {"type": "Rate", "limit": 10_000, "interval": "PT5M"}
    return {
        "type": "HTTPAPIBudget",
        "policies": [{"type": "MovingWindowCallRatePolicy", "rates": [rate], "matchers": []}],
        "status_codes_for_ratelimit_hit": [429],
    }


def _spec() -> Component:
    spec = manifest()["spec"]
    whole = spec["connection_specification"]
    options = whole["properties"]
    token = options["credentials"]["oneOf"][0]["properties"]["access_token"]
    shown = {"access_token": token, "num_workers": options["num_workers"], "base_url": options["base_url"]}
    defaults = [_default(name, option) for name, option in shown.items() if "default" in option]
    normalizing = [one for one in spec["config_normalization_rules"]["transformations"] if "class_name" not in one]
    return {
        "type": "Spec",
        "config_normalization_rules": {
            "type": "ConfigNormalizationRules",
            "transformations": [*defaults, *normalizing],
        },
        "connection_specification": {
            "$schema": whole["$schema"],
            "title": whole["title"],
            "type": "object",
            "additionalProperties": True,
            "required": ["access_token"],
            "properties": {name: {**option, "order": order} for order, (name, option) in enumerate(shown.items())},
        },
    }


def _default(name: str, option: Component) -> Component:
    """Fill in an option that is unset or empty, as a component of the connector does for all of them."""
    added = {"type": "AddedFieldDefinition", "path": [name], "value": str(option["default"])}
    return {
        "type": "ConfigAddFields",
        "fields": [{**added, "value_type": option["type"]}],
        "condition": f"{{{{ not config.get('{name}') }}}}",
    }
