"""Masks secrets that the API was never seen to send but might, by their names.

What the API is known to send (`mobile_secret`, secrets of clients) is removed by the manifest. This is for the rest: a
field that no schema knows keeps its name and loses its value when its name says that it is a secret, and so does what
an error quotes.
"""

import logging
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

REDACTED = "****"
LONGEST_QUOTE = 256
"""Characters of foreign text that a message may quote."""

SECRET_NAME = re.compile(
    r"secret|passw(?:or)?d|passphrase|token|credential|authorization|(?:api|access|private)[-_.]?key", re.IGNORECASE
)
# A secret in a text: after its name, after the scheme of a header, or 40 hex digits, as the API's tokens are. Each word
# is looked at from its beginning alone, or a long one would be looked at again from each of its characters.
_IN_TEXT = re.compile(
    rf"""(?P<name>(?<![\w.-])(?=[\w.-]*?(?:{SECRET_NAME.pattern}))[\w.-]+\\*["']?\s*(?:[=:]|%3[ad])\s*)"""
    r"""(?:(?P<mark>\\*["'])(?:(?!(?P=mark)).)*|(?P<before>(?:bearer\s|basic\s)?)[^\s"'&,;}\\]+)"""
    r"|(?P<scheme>\b(?:bearer|basic)\s+)[\w+/=.-]{16,}|\b[0-9a-f]{40,}\b",
    re.IGNORECASE | re.DOTALL,
)

# The map of a device's cloud variables holds the type of each, which is no secret whatever the variable is called.
_TYPES_OF_VARIABLES = frozenset({"int32", "double", "string", "bool"})
# Maps whose keys hardly repeat are checked one by one.
MOSTLY_ABSENT = 4

Known = Mapping[str, Any]
"""The names that a schema knows, each with the names within it."""


def known_names(schema: Mapping[str, Any]) -> Known:
    """Return the names that a table's JSON schema knows, at every depth."""
    items = schema.get("items", schema)
    return {name: known_names(inner) for name, inner in items.get("properties", {}).items()}


def redact(records: Sequence[dict[str, Any]], known: Known) -> None:
    """Mask the values of unknown fields with secret-like names in place, at every depth; null and booleans stay.

    Objects of one place are looked at together, name by name, which costs a fraction of looking at each by itself.
    """
    # Not recursive: a reply may be nested deeper than Python's stack.
    todo: list[tuple[Sequence[dict[str, Any]], Known]] = [(records, known)]
    while todo:
        objects, names = todo.pop()
        found = set().union(*objects)
        if len(found) * len(objects) > MOSTLY_ABSENT * sum(map(len, objects)):
            todo.extend(([one], names) for one in objects)
            continue
        for name in found:
            if name not in names and _is_secret(name):
                _withhold(objects, name)
            elif inner := _objects_in([one[name] for one in objects if name in one]):
                todo.append((inner, names.get(name, {})))


def _withhold(objects: Sequence[dict[str, Any]], name: str) -> None:
    for one in objects:
        if not _is_harmless(one.get(name)):
            one[name] = REDACTED


def _is_harmless(value: Any) -> bool:
    return value is None or type(value) is bool or (type(value) is str and value in _TYPES_OF_VARIABLES)


def _objects_in(values: list[Any]) -> list[dict[str, Any]]:
    """Return the objects among values and in lists, however deeply lists are nested."""
    objects: list[dict[str, Any]] = []
    while values:
        types = set(map(type, values))
        if dict in types:
            objects += [value for value in values if type(value) is dict]
        values = [item for value in values if type(value) is list for item in value] if list in types else []
    return objects


def scrubbed(text: str) -> str:
    """Return foreign text with everything that looks like a secret masked, in time proportional to its length."""
    return _IN_TEXT.sub(_without_value, text)


def _without_value(found: re.Match[str]) -> str:
    return "".join(found[part] or "" for part in ("name", "mark", "before", "scheme")) + REDACTED


def visible(text: str) -> str:
    r"""Return foreign text with unprintable characters, such as \n and \x1b, spelled out.

    A line break would forge a line of a log, and a terminal obeys what follows an escape character.
    """
    return text if text.isprintable() else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def withhold_from_log(record: logging.LogRecord) -> bool:
    """Mask requests and replies in the log, as a filter of a logger that quotes both completely."""
    for name in ("headers", "body", "request_body"):
        if vars(record).get(name) is not None:
            setattr(record, name, REDACTED)
    return True


@lru_cache(maxsize=4096)
def _is_secret(name: str) -> bool:
    return SECRET_NAME.search(name) is not None
