"""Masks the secrets that this process knows, in every spelling that a log or an error could print.

A secret rarely shows as it was typed: JSON escapes characters in several ways, and may escape any, a URL encodes them
with percent signs, HTML as entities, Python as backslashes, and each of them may be quoted in another one. So a secret
becomes one regular expression, with all spellings of each of its characters. The backslashes before a character are
counted separately, which leaves one way to match a text, in time proportional to its length. `redaction` removes what
has the name of a secret.
"""

import base64
import re
from bisect import insort
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from functools import cache, lru_cache
from html.entities import html5
from typing import Any

from source_particle.redaction import REDACTED, SECRET_NAME

# How deep texts are quoted within each other: a value in JSON, within a string in JSON, within an error. Each quotation
# doubles the backslashes, and adds one before a quotation mark.
DEEPEST_QUOTE = 4
# Fewer characters of base64, or fewer hexadecimal digits, would match by chance.
SHORTEST_ENCODED = 8
# Options about secrets that are not secrets.
NO_SECRETS = ("username", "auth_type", "token_cache_file", "token_lifetime")

SECRETS: list[str] = []
"""Every known secret, longest first, so that none leaves part of another one visible."""

_QUOTED = 2**DEEPEST_QUOTE
_PERCENT = "%(?:25){0,3}"
_AMPERSAND = f"(?:&|u0026|{_PERCENT}26)(?:amp;)*"
_HASH, _SEMICOLON = f"(?:#|{_PERCENT}23)", f"(?:;|{_PERCENT}3[bB])"
_ENCODED_BACKSLASH = rf"\\(?:u00|x)5[cC]|{_PERCENT}5[cC]|&(?:amp;)*(?:#0*92|#[xX]0*5[cC]|bsol);"
_BACKSLASH = rf"(?:{_ENCODED_BACKSLASH}|\\)"
_ESCAPE = f"{_BACKSLASH}{{1,{_QUOTED - 1}}}"
_LETTERS = {"\0": "0", "\a": "a", "\b": "b", "\t": "t", "\n": "n", "\v": "v", "\f": "f", "\r": "r", "\x1b": "e"}
# Backslashes, and what follows them: a character, or quotation marks of one kind, which SQL and CSV double.
_PARTS = re.compile(r"""(\\*)('+|"+|[^\\]|\Z)""")


def keep_secret(secrets: Iterable[str]) -> None:
    """Mask these values from now on, wherever `masked` is applied."""
    for secret in set(filter(None, secrets)).difference(SECRETS):
        # Not sorted in place: another thread would see an empty list meanwhile.
        insort(SECRETS, secret, key=lambda known: -len(known))


def masked(text: str) -> str:
    """Return a text without any known secret."""
    for secret in SECRETS:
        text = spellings(secret).sub(REDACTED, text)
    return text


def secrets_in(config: Mapping[str, Any]) -> Iterator[str]:
    """Yield the secrets in a configuration, however malformed it is."""
    for name, value in config.items():
        if name == "plan" and isinstance(value, Mapping):
            yield from secrets_in(value)
        elif name == "credentials" or (SECRET_NAME.search(str(name)) and name not in NO_SECRETS):
            yield from _texts(value)


# Compiling takes longer than all else here, and a run that has nothing to say needs none.
@lru_cache(maxsize=1024)
def spellings(secret: str) -> re.Pattern[str]:
    """Return an expression for a secret as Python, JSON, URLs, HTML, SQL, hexadecimal digits and base64 write it."""
    raw = secret.encode("utf-8", "surrogatepass")
    encoded = [*_in_base64(raw)]
    if len(raw) * 2 >= SHORTEST_ENCODED:
        encoded.append("".join(_hex(byte, 2) for byte in raw))
    return re.compile("|".join([_in_text(secret), *encoded]))


def _in_text(secret: str) -> str:
    found = []
    # With a code of a backslash in it, there would be many ways to match a text that repeats it.
    backslash = r"\\" if re.search(_ENCODED_BACKSLASH, secret) else _BACKSLASH
    for count, text in ((len(part[1]), part[2]) for part in _PARTS.finditer(secret) if part[0]):
        most = count * _QUOTED + (_QUOTED - 1 if text else 0)
        found.append(f"{backslash}{{{count},{most}}}{_spelled(text[0]) if text else ''}")
        if text[:1] in ("'", '"'):
            found.append(f"(?:{_quoted(text[0], backslash)}){{{len(text) - 1},{2 * len(text) - 1}}}")
    return "".join(found)


def _quoted(character: str, backslash: str = _BACKSLASH) -> str:
    return f"{backslash}{{0,{_QUOTED - 1}}}{_spelled(character)}"


@cache
def _spelled(character: str) -> str:
    """Return an expression for a character, as itself and as it is escaped; without the backslashes before it."""
    code = ord(character)
    # Half a surrogate pair cannot be encoded otherwise.
    utf8, utf16 = (character.encode(name, "surrogatepass") for name in ("utf-8", "utf-16-be"))
    units = [int.from_bytes(utf16[at : at + 2], "big") for at in range(0, len(utf16), 2)]
    entity = "|".join([f"{_HASH}(?:0*{code}|[xX]0*{_hex(code)})", *_entities().get(character, ())])
    # No two match the same text, or there would be many ways to match a long one.
    ways = [
        _ESCAPE.join(f"u{_hex(unit, 4)}" for unit in units),
        _ESCAPE.join(f"x{_hex(byte, 2)}" for byte in utf8),
        f"U{_hex(code, 8)}|u\\{{0*{_hex(code)}\\}}",
        f"{_AMPERSAND}(?:{entity}){_SEMICOLON}",
    ]
    if code >= 128:
        # Latin-1 in Python and in a URL, and UTF-8 taken for Latin-1, as in headers.
        ways += [f"x{_hex(code, 2)}", f"{_PERCENT}{_hex(code, 2)}", re.escape(utf8.decode("latin-1"))]
    if character in _LETTERS:
        ways.append(_LETTERS[character])
    # At last the character itself: a longer spelling may begin with it, and would be masked in part.
    if character in " +":
        ways.append(f"{_PERCENT}2[0bB]|[ +]")
    else:
        ways += ["".join(f"{_PERCENT}{_hex(byte, 2)}" for byte in utf8), re.escape(character)]
    return f"(?:{'|'.join(ways)})"


@cache
def _entities() -> Mapping[str, list[str]]:
    """Return the names of each character in HTML."""
    names = defaultdict(list)
    for name, text in html5.items():
        if name.endswith(";"):
            names[text].append(name[:-1])
    return names


def _hex(number: int, digits: int = 0) -> str:
    return "".join(f"[{digit}{digit.upper()}]" if digit.isalpha() else digit for digit in f"{number:0{digits}x}")


def _in_base64(raw: bytes) -> Iterator[str]:
    """Yield the part of base64 text that belongs to the secret, for each position within three bytes."""
    for before in range(3):
        # The characters at both ends also contain bits of the surrounding text.
        own = slice(-(-before * 8 // 6), (before + len(raw)) * 8 // 6)
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            spelling = encode(b" " * before + raw).decode()[own]
            if len(spelling) >= SHORTEST_ENCODED:
                yield "".join(letter if letter.isalnum() else _quoted(letter) for letter in spelling)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for name, item in value.items():
            yield from () if name in NO_SECRETS and isinstance(item, str) else _texts(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _texts(item)
