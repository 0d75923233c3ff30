"""Bodies of replies: only what an endpoint promises passes, and errors are quoted safely."""

import json
from collections.abc import Hashable, Iterator
from typing import Any

import pytest
from airbyte_cdk.sources.declarative.parsers.manifest_reference_resolver import ManifestReferenceResolver

from source_particle.errors import MalformedBodyError
from source_particle.masking import keep_secret
from source_particle.redaction import LONGEST_QUOTE
from source_particle.replies import BodyShape, api_message
from unit_tests.support.built import MANIFEST, reply


def shapes_in(node: Any) -> Iterator[BodyShape]:
    """Every shape that the manifest promises, wherever it says so."""
    # A kind of retriever that several streams complete does not promise anything itself.
    if isinstance(node, dict) and {"identified_by", "record_selector"} <= node.keys():
        promised: dict[str, Any] = {name: node[name] for name in vars(BodyShape()) if name in node}
        path = node["record_selector"]["extractor"]["field_path"]
        whole: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in promised.items()
        }
        yield BodyShape(records_key=path[0] if path else None, **whole)
    for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from shapes_in(child)


SHAPES = list(dict.fromkeys(shapes_in(ManifestReferenceResolver().preprocess_manifest(MANIFEST))))
[VITALS] = [shape for shape in SHAPES if shape.moments and shape.records_key == "diagnostics"]


def kind_of(shape: BodyShape) -> Hashable:
    """What decides how a body is read: all but the names of the fields."""
    return tuple(bool(value) for value in vars(shape).values()), len(shape.identified_by)


FIRST_OF_EACH_KIND = {kind_of(shape): shape for shape in reversed(SHAPES)}
each_shape = pytest.mark.parametrize(
    "shape",
    [
        pytest.param(
            shape,
            id=f"{shape.records_key}-{shape.identified_by[0]}",
            marks=() if FIRST_OF_EACH_KIND[kind_of(shape)] is shape else pytest.mark.slow,
        )
        for shape in SHAPES
    ],
)

# What no endpoint ever promises.
GARBAGE = {
    "nothing": b"",
    "white space": b" \n",
    "null": b"null",
    "a boolean": b"true",
    "a number": b"12",
    "a string": b'"devices"',
    "an empty object": b"{}",
    "a refusal": b'{"ok":false}',
    "a refusal with a reason": b'{"ok":false,"errors":["Timed out."]}',
    "HTML": b"<!DOCTYPE html><html><body>Sign in to this network</body></html>",
    "half a body": b'{"devices":[{"id":"1"},{"id":',
    "two bodies": b"{}{}",
    "not UTF-8": b'{"devices":[{"id":"\xff\xfe"}]}',
    "NaN": b"NaN",
    "Infinity": b"[Infinity]",
    "nested too deep, beside a bracket in a text": b'["]",' * 1_000 + b"1" + b"]" * 1_000,
    "nested without an end": b'{"devices":' + b"[" * 100_000,
    "objects nested too deep": b'{"a":' * 1_000 + b"1" + b"}" * 1_000,
}


@pytest.mark.parametrize("value", ["1e400", "-1e400", "9" * 4_301])
def test_a_number_that_python_cannot_hold_is_kept_as_its_text(value: str) -> None:
    [record] = BodyShape(identified_by=("id",)).page(f'[{{"id":"1","size":{value}}}]'.encode()).records
    assert record == {"id": "1", "size": value}


@pytest.mark.parametrize("opening", ["[", '{"a":', '["]",', '{"}{":'])
def test_what_is_nested_deep_is_read_and_can_be_written_again(opening: str) -> None:
    deep = opening * 390 + "1" + "".join({"[": "]", "{": "}"}[part] for part in [opening[0]] * 390)
    [record] = BodyShape(identified_by=("id",)).page(f'[{{"id":"1","deep":{deep}}}]'.encode()).records
    assert json.loads(json.dumps(record))["deep"] == json.loads(deep)


def body_with(shape: BodyShape, record: Any) -> bytes:
    """A body of a shape that holds one record."""
    value = record if shape.single else [record]
    return json.dumps(value if shape.records_key is None else {shape.records_key: value}).encode()


def record_with(shape: BodyShape, name: str) -> dict[str, Any]:
    """A record that only this field identifies."""
    if name in shape.moments:
        return {name: "2026-01-31T12:00:00.000Z"}
    value: Any = [{"date": "x"}] if name in shape.lists else "x"
    for part in reversed(name.split(".")):
        value = {part: value}
    return dict(value)


def good_record(shape: BodyShape) -> dict[str, Any]:
    return record_with(shape, shape.identified_by[0])


def test_the_manifest_promises_a_shape_for_every_endpoint() -> None:
    assert len(SHAPES) == 28


@each_shape
@pytest.mark.parametrize("garbage", GARBAGE.values(), ids=GARBAGE)
def test_garbage_is_never_taken_for_no_records(shape: BodyShape, garbage: bytes) -> None:
    with pytest.raises(MalformedBodyError):
        shape.page(garbage)


def test_what_is_nested_too_deep_is_malformed() -> None:
    with pytest.raises(MalformedBodyError):
        SHAPES[0].page(b"[" * 100_000 + b"]" * 100_000)


BESIDE_NOTHING = [
    {"ok": False},
    {"ok": 0},
    {"ok": "false"},
    {"success": False},
    {"error": "Timed out."},
    {"errors": ["x"]},
    {"code": 500},
    {"code": 503, "message": "Timed out"},
    {"info": "upstream failure"},
    {"message": "x"},
    {"description": "x"},
]


@each_shape
@pytest.mark.parametrize("error", BESIDE_NOTHING, ids=repr)
def test_an_error_beside_an_empty_list_is_no_empty_list(shape: BodyShape, error: dict[str, Any]) -> None:
    if shape.records_key is None or shape.single:
        return
    with pytest.raises(MalformedBodyError, match=r"error object|went wrong"):
        shape.page(json.dumps({shape.records_key: [], **error}).encode())


@each_shape
@pytest.mark.parametrize("value", [None, "", "x", 0, 1.5, True, {}, {"ok": False}], ids=repr)
def test_anything_but_records_in_their_place_is_malformed(shape: BodyShape, value: Any) -> None:
    body = value if shape.records_key is None else {shape.records_key: value}
    with pytest.raises(MalformedBodyError):
        shape.page(json.dumps(body).encode())


@each_shape
def test_a_list_passes_only_where_a_list_is_promised(shape: BodyShape) -> None:
    body = b"[]" if shape.records_key is None else json.dumps({shape.records_key: []}).encode()
    if not shape.single:
        assert shape.page(body).records == []
    elif shape.bare_list_is:
        assert shape.page(body).records == [{shape.bare_list_is: []}]
    else:
        with pytest.raises(MalformedBodyError, match="is a list, not an object"):
            shape.page(body)


@each_shape
def test_a_bare_list_does_not_stand_for_a_keyed_one(shape: BodyShape) -> None:
    if shape.records_key is not None:
        with pytest.raises(MalformedBodyError, match=f"no '{shape.records_key}' in it"):
            shape.page(json.dumps([good_record(shape)]).encode())


@each_shape
@pytest.mark.parametrize("how", ["without", "null"])
def test_a_record_that_nothing_identifies_is_malformed(shape: BodyShape, how: str) -> None:
    record = {"color": "blue"} if how == "without" else dict.fromkeys(shape.identified_by)
    with pytest.raises(MalformedBodyError, match=f"a record without {shape.identified_by[0]}"):
        shape.page(body_with(shape, record))


@each_shape
@pytest.mark.parametrize("record", [None, "x", 7, True, ["x"]], ids=repr)
def test_a_record_that_is_no_object_is_malformed(shape: BodyShape, record: Any) -> None:
    if not shape.single:
        with pytest.raises(MalformedBodyError):
            shape.page(body_with(shape, record))


@each_shape
@pytest.mark.parametrize("constant", [b"NaN", b"Infinity", b"-Infinity"])
def test_a_number_that_json_does_not_know_is_malformed(shape: BodyShape, constant: bytes) -> None:
    body = body_with(shape, {**good_record(shape), "strength": 7}).replace(b"7", constant)
    with pytest.raises(MalformedBodyError, match="it is not JSON"):
        shape.page(body)


@each_shape
def test_one_bad_record_among_good_ones_spoils_the_page(shape: BodyShape) -> None:
    if not shape.single:
        records = [good_record(shape), {"color": "blue"}, good_record(shape)]
        body = records if shape.records_key is None else {shape.records_key: records}
        with pytest.raises(MalformedBodyError):
            shape.page(json.dumps(body).encode())


@each_shape
def test_each_of_the_identifying_fields_is_enough(shape: BodyShape) -> None:
    for name in shape.identified_by:
        record = record_with(shape, name)
        assert shape.page(body_with(shape, record)).records == [record]


@each_shape
def test_half_of_a_surrogate_pair_is_text_like_any_other(shape: BodyShape) -> None:
    record = {**good_record(shape), "name": "\ud83d"}
    assert shape.page(body_with(shape, record)).records == [record]


@each_shape
@pytest.mark.parametrize("value", ["x", 7, True, {"date": "x"}, ["x"], [None], [[]]], ids=repr)
def test_what_ought_to_be_a_list_of_objects_may_be_nothing_else(shape: BodyShape, value: Any) -> None:
    for name in shape.lists:
        with pytest.raises(MalformedBodyError, match=f"'{name}' is not a list of objects"):
            shape.page(body_with(shape, {**dict.fromkeys(shape.identified_by, 1), name: value}))


@pytest.mark.parametrize(
    ("meta", "total_pages", "total_records"),
    [
        ({"total_pages": 3, "total_records": 250}, 3, 250),
        ({"total_pages": 3}, 3, None),
        ({"total_records": 0}, None, 0),
        ({}, None, None),
        (None, None, None),
        ([], None, None),
        ({"total_pages": "3", "total_records": None}, None, None),
        ({"total_pages": True, "total_records": 2.5}, None, None),
    ],
)
def test_totals_are_taken_only_where_they_are_whole_numbers(
    meta: Any, total_pages: int | None, total_records: int | None
) -> None:
    page = BodyShape(records_key="devices", identified_by=("id",)).page(
        json.dumps({"devices": [], "meta": meta}).encode()
    )
    assert (page.total_pages, page.total_records) == (total_pages, total_records)


# ---- what the API says of an error ----

ERRORS: list[tuple[Any, str]] = [
    (
        {"error": "invalid_request", "error_description": "The access token was not found"},
        "The access token was not found",
    ),
    ({"error": "Permission Denied", "info": "I didn't recognize that device name or ID"}, "Permission Denied"),
    ({"ok": False, "error": "Product not found."}, "Product not found."),
    ({"error": "invalid_scope", "error_description": "scope is missing"}, "scope is missing"),
    ({"ok": False, "errors": ["Bad password"]}, "Bad password"),
    ({"ok": False, "errors": [["Core isn't online", 404]]}, "Core isn't online, 404"),
    ({"ok": False, "code": 500, "errors": [{"error": "Timed out."}]}, "Timed out."),
    ({"error": "bad_request", "description": "start_date must be ISO8601"}, "start_date must be ISO8601"),
    (
        {"message": "Invalid Schema", "description": "data should NOT have more", "violations": [{"keyword": "x"}]},
        "data should NOT have more",
    ),
    ({"ok": False, "info": "Only this"}, "Only this"),
    ({"message": "Only that"}, "Only that"),
]
SILENT = [b"", b"null", b"{}", b"[]", b'{"ok":false}', b'{"error":""}', b'{"error":null}', b"<html>Bad gateway</html>"]


@pytest.mark.parametrize(("body", "said"), ERRORS)
def test_every_known_shape_of_error_is_quoted(body: Any, said: str) -> None:
    assert api_message(reply(400, json.dumps(body))) == f"The API says: {said}"


@pytest.mark.parametrize("body", SILENT, ids=repr)
def test_an_error_without_words_is_not_quoted(body: bytes) -> None:
    assert api_message(reply(500, body)) == ""


def test_a_quotation_is_cut() -> None:
    message = api_message(reply(400, json.dumps({"error": "x" * 10_000})))
    assert message == f"The API says: {'x' * LONGEST_QUOTE}"
    assert LONGEST_QUOTE == 256


@pytest.mark.parametrize("words_before", [0, 250])
def test_a_quotation_holds_no_secret_not_even_the_start_of_one(words_before: int) -> None:
    keep_secret(["hush-hush"])
    said = "-" * words_before + "hush-hush is not allowed here"
    message = api_message(reply(400, json.dumps({"error": said, "errors": [said]})))
    assert "hus" not in message
    assert "**" in message


def test_a_secret_that_json_would_escape_is_scrubbed() -> None:
    secret = 'pä"ss'
    keep_secret([secret])

    said = api_message(reply(400, json.dumps({"errors": [f"{secret} is wrong"]})))

    assert said == "The API says: **** is wrong"


def test_a_quotation_forges_no_line_and_rules_no_terminal() -> None:
    said = api_message(reply(400, json.dumps({"error": "no\nERROR all is lost\x1b[2J"})))

    assert said == r"The API says: no\nERROR all is lost\x1b[2J"


@pytest.mark.parametrize("digits", ["9" * 19, "18446744073709551616", "-9223372036854775809", "1" * 60])
@pytest.mark.parametrize("before", ["", " ", "\n\t"])
def test_an_integer_of_any_length_keeps_its_digits(digits: str, before: str) -> None:
    body = f'[{{"id":{before}{digits},"more":[1,{before}{digits}]}}]'.encode()

    assert BodyShape(identified_by=("id",)).page(body).records == [{"id": int(digits), "more": [1, int(digits)]}]


def test_the_last_of_duplicate_keys_counts() -> None:
    for number in ("1", "1" * 30):
        body = f'[{{"id":"first","number":{number},"id":"last"}}]'.encode()

        assert BodyShape(identified_by=("id",)).page(body).records == [{"id": "last", "number": int(number)}]


GOOD_MOMENTS = [
    "2026-01-31T12:00:00.123Z",
    "2026-01-31T12:00:00Z",
    "2026-01-31T12:00:00.123456+00:00",
    "2026-01-31T12:00:00+0000",
]
BAD_MOMENTS = [
    "yesterday",
    "",
    "2026-01-31",
    "2026-01-31T12:00:00",
    "2026-01-31 12:00:00Z",
    "2026-01-31T12:00:00.123-06:00",
    "2026-01-31T12:00:00+0530",
    "2026-02-30T12:00:00Z",
    "2026-01-31T25:00:00Z",
    "2026-01-31T12:00:00.1234567Z",
    1769817600,
    True,
    {},
]


@pytest.mark.parametrize("moment", [*GOOD_MOMENTS, *BAD_MOMENTS])
def test_vitals_say_when_they_are_from(moment: Any) -> None:
    shape = VITALS
    body = body_with(shape, {"updated_at": moment})
    if moment in GOOD_MOMENTS:
        assert shape.page(body).records == [{"updated_at": moment}]
    else:
        with pytest.raises(MalformedBodyError, match="not a time in UTC"):
            shape.page(body)


def test_an_unreadable_time_is_quoted_cut_and_without_secrets() -> None:
    shape = VITALS
    with pytest.raises(MalformedBodyError) as caught:
        shape.page(body_with(shape, {"updated_at": f"access_token=hidden {'x' * 10_000}"}))
    assert "hidden" not in str(caught.value)
    assert len(str(caught.value)) < 400
