"""Masks the secrets that this process knows, in every spelling that a log or an error could print.

A secret rarely shows as it was typed: an exception quotes it with backslashes, a URL with percent signs, a header in
base64. So each secret is kept together with all of its spellings, and masked as any of them.
"""

import base64
import html
import json
from bisect import insort
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import quote, quote_plus

from source_particle.redaction import REDACTED, SECRET_NAME

# How deep texts are quoted within each other: a value in JSON, within a string in JSON, within an error.
DEEPEST_QUOTE = 3
# Fewer characters of base64 would match by chance.
SHORTEST_BASE64 = 8
# Options about secrets that are not secrets.
NO_SECRETS = ("username", "auth_type", "token_cache_file", "token_lifetime")

SPELLINGS: list[str] = []
"""Every spelling of every known secret, longest first, so that none leaves part of another one visible.

One list for the life of the process: whoever masks by it, as the CDK does, also masks what becomes known later.
"""


def keep_secret(secrets: Iterable[str]) -> None:
    """Mask these values from now on, wherever `masked` is applied."""
    known = set(SPELLINGS)
    for secret in set(filter(None, secrets)) - known:
        for spelling in spellings(secret) - known:
            # Not sorted in place: another thread would see an empty list meanwhile.
            insort(SPELLINGS, spelling, key=lambda other: -len(other))


def masked(text: str) -> str:
    """Return a text without any known secret."""
    for spelling in SPELLINGS:
        text = text.replace(spelling, REDACTED)
    return text


def secrets_in(config: Mapping[str, Any]) -> Iterator[str]:
    """Yield the secrets in a configuration, however malformed it is."""
    for name, value in config.items():
        if name == "plan" and isinstance(value, Mapping):
            yield from secrets_in(value)
        elif name == "credentials" or (SECRET_NAME.search(str(name)) and name not in NO_SECRETS):
            yield from _texts(value)


def spellings(secret: str) -> set[str]:
    """Return a secret as Python, JSON, URLs, HTML, bytes and base64 write it, and nested in each other."""
    once = {secret, *(escape(secret) for escape in ESCAPES)}
    in_urls = {spelling for text in once for spelling in _in_urls(text)}
    # An address within an address, such as a redirect after signing in, is encoded twice.
    in_urls |= {spelling for text in _in_urls(secret) for spelling in _in_urls(text)}
    found = once | in_urls | {html.escape(secret), html.escape(secret, quote=False)}
    latest = found
    for _ in range(DEEPEST_QUOTE):
        latest = {escape(text) for text in latest for escape in ESCAPES} - found
        found |= latest
    return found | set(_in_base64(secret))


def _each(spell: Callable[[str], str], quoting: str = "") -> Callable[[str], str]:
    """Return spellings of a text character by character, with a backslash before one of the quotation marks."""
    marks = str.maketrans({quoting: f"\\{quoting}"} if quoting else {})
    return lambda text: "".join(map(spell, text)).translate(marks)


def _python(character: str) -> str:
    return repr(character)[1:-1]


def _python_ascii(character: str) -> str:
    return ascii(character)[1:-1]


def _python_bytes(character: str) -> str:
    # Half a surrogate pair cannot be encoded.
    return "".join(repr(bytes([byte]))[2:-1] for byte in character.encode("utf-8", "surrogatepass"))


ESCAPES: tuple[Callable[[str], str], ...] = (
    *(_each(spell, mark) for spell in (_python, _python_ascii, _python_bytes) for mark in ("", "'", '"')),
    lambda text: json.dumps(text)[1:-1],
    lambda text: json.dumps(text, ensure_ascii=False)[1:-1],
)


def _in_urls(secret: str) -> Iterator[str]:
    raw = secret.encode("utf-8", "surrogatepass")
    # `requests` leaves more characters unencoded than the standard library.
    for spelling in (quote(raw, safe=""), quote(raw), quote_plus(raw), quote(raw, safe="!#$%&'()*+,/:;=?@[]~")):
        yield spelling
        yield _lower_hex(spelling)


def _lower_hex(spelling: str) -> str:
    first, *rest = spelling.split("%")
    return "%".join([first, *(part[:2].lower() + part[2:] for part in rest)])


def _in_base64(secret: str) -> Iterator[str]:
    """Yield the part of base64 text that belongs to the secret, for each position within three bytes."""
    raw = secret.encode("utf-8", "surrogatepass")
    for before in range(3):
        # The characters at both ends also contain bits of the surrounding text.
        own = slice(-(-before * 8 // 6), (before + len(raw)) * 8 // 6)
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            spelling = encode(b" " * before + raw).decode()[own]
            if len(spelling) >= SHORTEST_BASE64:
                yield spelling


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for name, item in value.items():
            yield from () if name in NO_SECRETS and isinstance(item, str) else _texts(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _texts(item)
