"""Secrets that the API was never seen to send, and might: withheld by what their names say.

What the API is known to send (`mobile_secret`, secrets of clients) is removed by the manifest. This is for the rest: a
field that no schema knows keeps its name and loses its value when its name says that it is a secret, and so does what
an error quotes.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

REDACTED = "****"

SECRET_NAME = re.compile(
    r"secret|passw(?:or)?d|passphrase|token|credential|authorization|(?:api|access|private)[-_.]?key", re.IGNORECASE
)
# A secret in a text: after its name, after the scheme of a header, or 40 hex digits, as the API's tokens are.
_IN_TEXT = re.compile(
    rf"""(?P<name>(?:{SECRET_NAME.pattern})[\w.-]*["']?\s*[=:]\s*["']?(?:bearer\s|basic\s)?)[^\s"'&,;}}]+"""
    r"|(?P<scheme>\b(?:bearer|basic)\s+)[\w+/=.-]{16,}|\b[0-9a-f]{40,}\b",
    re.IGNORECASE,
)

Known = Mapping[str, Any]
"""The names that a schema knows, each with the names within it."""

_NOTHING: Known = {}


def known_names(schema: Mapping[str, Any]) -> Known:
    """Give the names that a table's JSON schema knows, at every depth."""
    items = schema.get("items", schema)
    return {name: known_names(inner) for name, inner in items.get("properties", {}).items()}


def redact(record: dict[str, Any], known: Known) -> None:
    """Replace the values of unknown fields with secret names in place, at every depth; null and booleans stay."""
    # Not recursive: a reply may be nested deeper than Python's stack.
    todo: list[tuple[Any, Known]] = [(record, known)]
    while todo:
        place, names = todo.pop()
        if type(place) is list:
            todo.extend((item, names) for item in place if type(item) is dict or type(item) is list)
            continue
        for name, value in place.items():
            if name not in names and _is_secret(name) and value is not None and type(value) is not bool:
                place[name] = REDACTED
            elif type(value) is dict or type(value) is list:
                todo.append((value, names.get(name, _NOTHING)))


def scrubbed(text: str) -> str:
    """Withhold what looks like a secret in a text that somebody else wrote."""
    return _IN_TEXT.sub(lambda found: f"{found['name'] or found['scheme'] or ''}{REDACTED}", text)


@lru_cache(maxsize=4096)
def _is_secret(name: str) -> bool:
    return SECRET_NAME.search(name) is not None
