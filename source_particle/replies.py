"""Bodies of replies: what an endpoint promises, and the API's words in an error."""

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Any

import orjson
import requests

from source_particle.errors import MalformedBodyError
from source_particle.masking import masked
from source_particle.paging import Page, Record
from source_particle.redaction import LONGEST_QUOTE, scrubbed, visible
from source_particle.values import value_at

_PAGE = "_particle_page"
# What the lists call the number of their records.
TOTALS = ("total_records", "total", "devices_found")
# Finds a number of 19 digits or more at a fraction of a parser's cost: all digits become 0, and all characters that may
# precede a number become a colon.
SHAPE = bytes.maketrans(b"123456789,[- \t\r\n", b"000000000:::::::")
LONG_INTEGER = b":" + b"0" * 19
# The API's own replies have at most ten levels.
DEEPEST = 400
TEXT = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)
NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
# Where an error says what is wrong, in the order of Particle's own command line tool.
ERROR_KEYS = ("error_description", "description", "error", "errors", "info", "message")
# All that the API was seen to write into a refusal; a gateway between it and this machine has other names.
REFUSAL_KEYS = frozenset({"ok", "error", "errors", "error_description", "description", "info", "code", "mfa_token"})
# What a gateway says, where the API says `Permission Denied` or what was not found.
REASON_PHRASES = frozenset(status.phrase.casefold() for status in HTTPStatus if status >= HTTPStatus.BAD_REQUEST)
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]00:?00)", re.ASCII)


@dataclass(frozen=True)
class BodyShape:
    """The form of a good reply's body.

    A list of records, bare or under `records_key`; with `single` one record; with `single_allowed` either. Each record
    holds at least one of `identified_by`, `lists` of objects or nothing under those names, and under each of `moments`
    a time of ISO 8601 in UTC. `bare_list_is` names the field that a bare list stands for.
    """

    records_key: str | None = None
    single: bool = False
    single_allowed: bool = False
    bare_list_is: str | None = None
    identified_by: tuple[str, ...] = ()
    lists: tuple[str, ...] = ()
    moments: tuple[str, ...] = ()
    records_key_alias: str | None = None
    absent_is_none: bool = False

    def page(self, content: bytes) -> Page:
        """Return the page in a body; raises MalformedBodyError, which says what is wrong, for any other body."""
        body = _parsed(content)
        if _is_error(body):
            raise MalformedBodyError("it is an error object")
        if self.records_key is not None and _is_error_beside_nothing(body, (self.records_key, self.records_key_alias)):
            raise MalformedBodyError(f"its {self.records_key!r} is empty, and it says that something went wrong")
        if self.bare_list_is and isinstance(body, list):
            body = {self.bare_list_is: body}
        records = self._records(body)
        for record in records:
            # Nearly always the first name is there.
            if not isinstance(record, dict) or (
                record.get(next(iter(self.identified_by), "")) is None
                and all(_at(record, name) is None for name in self.identified_by)
            ):
                raise MalformedBodyError(f"a record without {' or '.join(self.identified_by)}")
            for name in self.lists:
                if not _is_list_of_objects(record.get(name) or []):
                    raise MalformedBodyError(f"{name!r} is not a list of objects")
            for name in self.moments:
                if not _is_moment(record.get(name)):
                    raise MalformedBodyError(f"{name!r} is {_quoted(str(record.get(name)))!r}, not a time in UTC")
        meta = body.get("meta") if isinstance(body, dict) else None
        meta = meta if isinstance(meta, dict) else {}
        totals = (_count(meta, name) for name in TOTALS)
        return Page(
            records,
            _count(meta, "total_pages"),
            next((total for total in totals if total is not None), None),
            has_more=meta.get("has_more") is True,
        )

    def _records(self, body: Any) -> list[Record]:
        value, where = body, "the body"
        if self.records_key is not None:
            alias = self.records_key_alias
            key = alias if alias and isinstance(body, dict) and alias in body else self.records_key
            if not isinstance(body, dict) or key not in body:
                raise MalformedBodyError(f"no {key!r} in it")
            value, where = body[key], f"{key!r}"
        if isinstance(value, dict) and (self.single or self.single_allowed):
            return [value]
        if isinstance(value, list) and not self.single:
            return value
        raise MalformedBodyError(f"{where} is {_json_type(value)}, not {'an object' if self.single else 'a list'}")


def remember_page(response: requests.Response, shape: BodyShape) -> None:
    """Parse a reply's body once and keep the page with it; raises MalformedBodyError."""
    page = shape.page(response.content)
    setattr(response, _PAGE, page._replace(served_at=response.headers.get("Date")))


def page_of(response: requests.Response) -> Page:
    """Return the page that `remember_page` kept."""
    page: Page = getattr(response, _PAGE)
    return page


def api_message(response: requests.Response) -> str:
    """Return the API's own words about an error, cut and without secrets; empty if there are none.

    The API has at least seven shapes of error; the order of keys is that of Particle's own command line tool.
    """
    body = _error_body(response) or {}
    for key in ERROR_KEYS:
        if said := ", ".join(_texts(body.get(key))):
            return f"The API says: {_quoted(said)}"
    return ""


def error_code(response: requests.Response) -> str | None:
    """Return what the API calls an error, empty where it gives no name; None where the body is not the API's."""
    body = _error_body(response)
    if body is None or (body and not body.keys() & {*ERROR_KEYS, "ok"}):
        return None
    code = body.get("error")
    return code if isinstance(code, str) else ""


def is_refusal(response: requests.Response, shape: BodyShape | None = None) -> bool:
    """Return whether the API itself says no, in one of its own shapes, so that what was asked for may be left out."""
    body = _error_body(response)
    if not body:
        # A configuration that was never set is `404 {}`.
        return body == {} and shape is not None and shape.absent_is_none
    if body.keys() - REFUSAL_KEYS:
        return False
    if body.get("ok") is False:
        return True
    error = body.get("error")
    is_explained = any(isinstance(body.get(name), str) for name in ("error_description", "description", "info"))
    return (
        isinstance(error, str) and bool(error) and (is_explained or error.strip(" .").casefold() not in REASON_PHRASES)
    )


def _error_body(response: requests.Response) -> dict[str, Any] | None:
    try:
        body = _parsed(response.content)
    except MalformedBodyError:
        return None
    return body if isinstance(body, dict) else None


def _is_error(body: Any) -> bool:
    """Whether a body says that something went wrong, whatever records it holds beside that."""
    if not isinstance(body, dict):
        return False
    code = body.get("code")
    return (
        any(body.get(name) in (False, "false") for name in ("ok", "success"))
        or any(body.get(name) for name in ("error", "errors", "error_description"))
        or (isinstance(code, int) and code >= HTTPStatus.BAD_REQUEST)
    )


def _is_error_beside_nothing(body: Any, records_keys: Iterable[str | None]) -> bool:
    """Whether a body without records explains why, in words that a good reply could also have beside its records."""
    if not isinstance(body, dict) or any(body.get(str(key)) for key in records_keys):
        return False
    return any(isinstance(body.get(name), str) for name in ("description", "info", "message"))


def _quoted(said: str) -> str:
    """Return text of the API on one line, cut and without secrets."""
    return visible(scrubbed(masked(said)))[:LONGEST_QUOTE]


def _texts(value: Any) -> Iterator[str]:
    """Yield the texts in an error, which may be a string, a list of strings, pairs of text and code, or objects."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from _texts(item)
    elif value:
        yield str(value)


def _parsed(content: bytes) -> Any:
    """Return parsed JSON; if an object has a key twice, the last one counts."""
    _refuse_deep_nesting(content)
    if LONG_INTEGER in content.translate(SHAPE):
        return _parsed_exactly(content)
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError:
        return _parsed_exactly(content)


def _parsed_exactly(content: bytes) -> Any:
    """Return parsed JSON with what orjson rejects (half a surrogate pair) or rounds (an integer beyond 64 bits).

    A number that Python cannot hold, 1e400 or one of more than 4,300 digits, becomes its text.
    """
    try:
        return json.loads(
            content.decode("utf-8"), parse_constant=_refuse_constant, parse_float=_finite, parse_int=_integer
        )
    except (ValueError, RecursionError) as error:
        raise MalformedBodyError("it is empty" if not content.strip() else "it is not JSON") from error


def _refuse_constant(name: str) -> None:
    raise ValueError(name)


def _finite(text: str) -> float | str:
    number = float(text)
    return text if math.isinf(number) else number


def _integer(text: str) -> int | str:
    try:
        return int(text)
    except ValueError:
        return text


def _refuse_deep_nesting(content: bytes) -> None:
    """Raise MalformedBodyError for a body too deep to be written again: orjson writes 254 levels.

    Taking away innermost pairs of brackets, again and again, costs a fraction of parsing. Each round takes away one
    level, or two where lists and objects alternate.
    """
    brackets = content.translate(None, NO_BRACKETS)
    for _ in range(DEEPEST):
        if not brackets:
            return
        outer = brackets.replace(b"[]", b"").replace(b"{}", b"")
        if len(outer) == len(brackets):
            # Only text can contain an unmatched bracket.
            outer = TEXT.sub(b"", content).translate(None, NO_BRACKETS)
            if len(outer) == len(brackets):
                return
        brackets = outer
    raise MalformedBodyError(f"it is nested more than {DEEPEST} levels deep")


def _count(meta: dict[str, Any], key: str) -> int | None:
    value = meta.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _is_list_of_objects(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, dict) for item in value)


def _is_moment(value: Any) -> bool:
    """Return whether it is a time in UTC on an existing day; the CDK's cursors ignore any other offset."""
    if not isinstance(value, str) or not MOMENT.fullmatch(value):
        return False
    try:
        datetime.fromisoformat(value[:19])
    except ValueError:
        return False
    return True


def _json_type(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "a string", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number")


def _at(record: Mapping[str, Any], path: str) -> Any:
    # Nearly always a name of the record itself.
    return value_at(record, path.split(".")) if "." in path else record.get(path)
