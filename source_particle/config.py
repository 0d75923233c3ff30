"""Cleans and checks the configuration that users write; errors name the field.

Pure: the manifest alone says which values are allowed. Spark and Lakeflow check their options by the same rules.
"""

import re
import unicodedata
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from source_particle import specification
from source_particle.masking import masked
from source_particle.redaction import LONGEST_QUOTE, REDACTED, scrubbed, visible

UNSET: tuple[Any, ...] = (None, "", {})
"""What Airbyte's forms send for a cleared field."""
# Control characters and halves of surrogate pairs cannot be typed, and some protocols cannot carry them.
UNTYPEABLE = ("Cc", "Cs")
TRIMMED = {"access_token", "username"}
# In an address, the parts before @ and after ? or # may contain a password or a token, even if these are encoded.
_ADDRESS_SECRETS = re.compile(r".*(?:@|%(?:25)*40)|(?<=[?#]).+|(?<=%3[Ff]|%23).+", re.DOTALL)
# An address, or one with a typo, that has neither user and password nor a query.
_PLAIN_ADDRESS = re.compile(r"(?:[a-z]*:)?/*[\w.-]+(?::[0-9]{1,5})?(?:/[\w./-]*)?", re.ASCII | re.IGNORECASE)
_DATE = re.compile(r"(\d{4}-\d\d-\d\d)(?:T(\d\d:\d\d)(?::(\d\d)(?:\.\d{1,6})?)?(?:Z|[+-](\d\d):(\d\d))?)?", re.ASCII)


def cleaned(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a configuration without unset fields, with 8 for 8.0, and with trimmed credentials."""
    credentials = config.get("credentials")
    if isinstance(credentials, Mapping):
        config = {**config, "credentials": {name: trimmed(name, value) for name, value in credentials.items()}}
    return _without_unset(config)


def _without_unset(config: Mapping[str, Any]) -> dict[str, Any]:
    inner = {
        name: _without_unset(value)
        if isinstance(value, Mapping)
        else int(value)
        if isinstance(value, float) and value.is_integer()
        else value
        for name, value in config.items()
    }
    return {name: value for name, value in inner.items() if value not in UNSET}


def trimmed(name: str, value: Any) -> Any:
    """Return a token or user name without surrounding spaces, line breaks and invisible characters from copying.

    A password is left unchanged: it may begin or end with a space.
    """
    if name not in TRIMMED or not isinstance(value, str):
        return value
    own = [place for place, character in enumerate(value) if unicodedata.category(character)[0] not in "CZ"]
    return value[own[0] : own[-1] + 1] if own else ""


def problems(config: Mapping[str, Any]) -> Iterator[str]:
    """Yield the problems of a cleaned configuration; values under `credentials` are never quoted."""
    properties = specification()["properties"]
    yield from _credential_problems(config.get("credentials"), properties["credentials"]["oneOf"])
    for name, schema in properties.items():
        if name in config and name != "credentials":
            yield from _problems(name, config[name], schema)


def _credential_problems(credentials: Any, branches: list[Mapping[str, Any]]) -> Iterator[str]:
    ways = {branch["properties"]["auth_type"]["const"]: branch["properties"] for branch in branches}
    if not isinstance(credentials, Mapping):
        needed = ", or ".join(f"auth_type {way} with {_names(properties)}" for way, properties in ways.items())
        found = "missing" if credentials is None else "malformed"
        yield f"credentials: {found}; expected an object that holds {needed}."
        return
    # The value may have any type, and a list cannot be looked up in a dictionary.
    way = next((way for way in ways if way == credentials.get("auth_type")), None)
    if way is None:
        yield f"credentials.auth_type: expected {' or '.join(ways)}."
        return
    for name, schema in ways[way].items():
        if name != "auth_type" and name not in credentials:
            yield f"credentials.{name}: missing; auth_type {way} needs {_names(ways[way])}."
        elif name != "auth_type" and not isinstance(credentials[name], str):
            yield f"credentials.{name}: expected a text. {schema['description']}"
        elif name != "auth_type" and (problem := unsendable(name, credentials[name])):
            yield f"credentials.{name}: {problem}"


def _names(properties: Mapping[str, Any]) -> str:
    return " and ".join(name for name in properties if name != "auth_type")


def _problems(path: str, value: Any, schema: Mapping[str, Any]) -> Iterator[str]:
    if schema["type"] != "object":
        if not fits(value, schema):
            received = "a malformed value" if schema.get("airbyte_secret") else shown(value, path)
            yield f"{path}: received {received}, expected {expected(schema)}"
    elif not isinstance(value, Mapping):
        yield f"{path}: received {shown(value)}, expected an object with options."
    else:
        for name, inner in schema.get("properties", {}).items():
            if name in value:
                yield from _problems(f"{path}.{name}", value[name], inner)


def fits(value: Any, schema: Mapping[str, Any]) -> bool:
    """Return whether an option may have this value: valid by its schema, printable, and if a date, an existing one."""
    # Imported here because it takes a tenth of a second.
    from jsonschema import Draft7Validator  # noqa: PLC0415

    if not Draft7Validator(schema).is_valid(value):
        return False
    if not isinstance(value, str):
        return True
    return _is_typeable(value) and ("format" not in schema or is_date(value))


def unsendable(name: str, secret: str) -> str | None:
    """Return why a token, user name or password cannot be sent, without quoting it; None if it can."""
    if name != "access_token":
        return None if _is_typeable(secret) else f"the {name} contains a line break or another control character."
    wrong = next((place for place, character in enumerate(secret) if not "!" <= character <= "~"), None)
    if wrong is None:
        return None
    return (
        f"the access token contains an invalid character, U+{ord(secret[wrong]):04X} at position {wrong + 1} of "
        f"{len(secret)}. Copy it again."
    )


def is_date(text: str) -> bool:
    """Return whether a text is an ISO 8601 date or time that exists, at least a day from the limits of datetime."""
    found = _DATE.fullmatch(text)
    if found is None:
        return False
    day, clock, seconds, hours, minutes = found.groups()
    try:
        moment = datetime.fromisoformat(f"{day}T{clock or '00:00'}:{seconds or '00'}")
        offset = timedelta(hours=int(hours or 0), minutes=int(minutes or 0))
        _ = moment + timedelta(days=2), moment - timedelta(days=2)
    except (ValueError, OverflowError):
        return False
    return offset < timedelta(days=1) and int(minutes or 0) < 60


def expected(schema: Mapping[str, Any]) -> str:
    """Return which values an option takes, as the end of a sentence."""
    if "enum" in schema:
        return f"one of {', '.join(schema['enum'])}."
    if schema["type"] == "boolean":
        return "true or false."
    if schema["type"] == "string":
        example = schema["examples"][0] if "format" in schema else schema.get("pattern_descriptor")
        form = f"a value like {example}" if example else "a non-empty text"
        return f"{form}. {schema.get('description', '')}".strip()
    kind = "an integer" if schema["type"] == "integer" else "a number"
    low, high = schema.get("minimum"), schema.get("maximum")
    if high is not None:
        return f"{kind} from {low} to {high}."
    return f"{kind} of at least {low}." if low is not None else f"{kind} above {schema['exclusiveMinimum']}."


def shown(value: Any, option: str = "") -> str:
    """Return a user's value in quotes, without possible secrets: people paste addresses with passwords."""
    if option == "base_url" and not (isinstance(value, str) and _PLAIN_ADDRESS.fullmatch(value)):
        return "a value that is not quoted because it may contain a password"
    text = _ADDRESS_SECRETS.sub(_hidden, value) if isinstance(value, str) else value
    return visible(scrubbed(masked(repr(text))))[:LONGEST_QUOTE]


def _hidden(found: re.Match[str]) -> str:
    return f"{REDACTED}@" if found[0].endswith(("@", "40")) else REDACTED


def _is_typeable(text: str) -> bool:
    return not any(unicodedata.category(character) in UNTYPEABLE for character in text)
