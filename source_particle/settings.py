"""The configuration as frozen objects; the defaults are in manifest.yaml only."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from source_particle import specification

EVERYTHING = "*"
"""The value of an option that stands for everything the token can see."""


@dataclass(frozen=True)
class Plan:
    """Internal settings of one task of the bridge, or of `check`; the manifest describes each."""

    checking: bool
    counting: bool
    clock: bool
    bundled: bool
    access_token: str | None
    part: int
    parts: int
    only: Mapping[str, Any]
    start: str | None
    end: str | None
    served_after: str | None
    needed_from: str | None


@dataclass(frozen=True)
class Settings:
    """The settings of the connection."""

    base_url: str
    requests_per_5_minutes: int
    num_workers: int
    token_cache_file: str | None
    token_lifetime: int
    budget_seconds: float
    largest_reply_bytes: int
    longest_reply_seconds: float
    retry_wait_factor: float
    on_refused: str
    plan: Plan

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> "Settings":
        """Return the settings of a configuration; missing or empty ones get the specification's default."""
        options = _options()
        given = with_defaults(config, options)
        plan = with_defaults(given["plan"] or {}, options["plan"]["properties"])
        own = {name: given[name] for name in _names(cls) if name != "plan"}
        return cls(**own, plan=Plan(**{name: plan[name] for name in _names(Plan)}))


def with_defaults(given: Mapping[str, Any], options: Mapping[str, Mapping[str, Any]] | None = None) -> dict[str, Any]:
    """Return values with defaults for missing or empty options, or None if an option has no default."""
    described = _options() if options is None else options
    filled = {name: given.get(name) for name in described}
    defaults = {name: described[name].get("default") for name, value in filled.items() if value in (None, "")}
    return {**given, **filled, **defaults}


def table_options(config: Mapping[str, Any], table: str | None) -> Mapping[str, Any]:
    """Return the options of one table in a configuration."""
    options: Mapping[str, Any] = (config.get(table) if table else None) or {}
    return options


def serves_api_users(schema: Mapping[str, Any]) -> bool:
    """Return whether an API user's token can read a table: what is read by a user's path alone belongs to a user."""
    return any("/products" in endpoint or "/orgs" in endpoint for endpoint in schema["x-endpoint"])


def _options() -> Mapping[str, Mapping[str, Any]]:
    options: Mapping[str, Mapping[str, Any]] = specification()["properties"]
    return options


def _names(kind: type[Settings] | type[Plan]) -> list[str]:
    return [field.name for field in fields(kind)]
