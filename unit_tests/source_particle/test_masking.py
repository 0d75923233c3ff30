"""Known secrets: masked in every spelling, and even if one contains another."""

import base64
import html
import importlib
import json
import sys
from collections.abc import Callable
from urllib.parse import quote, quote_plus, urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from source_particle import masking
from source_particle.login import mask_secrets
from source_particle.masking import keep_secret, masked, secrets_in
from source_particle.redaction import REDACTED

# No way of spelling changes these characters, so they tell whether a part of a secret is left.
CORE = "Kx7Qz9WvB3"
AROUND = st.text(st.sampled_from("aä'\"\\/%+&<> \n\r\t\x1b\u200b\u2019😀*\u2028"), max_size=5)
SECRETS = st.builds(lambda before, after: f"{before}{CORE}{after}", AROUND, AROUND)

QUOTES: list[Callable[[str], str]] = [
    repr,
    ascii,
    lambda text: repr({"a": [text]}),
    lambda text: repr(text.encode()),
    json.dumps,
    lambda text: json.dumps({"a": text}, ensure_ascii=False),
]


def _in_json(draw: DrawFn, character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass")
    escaped = "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))
    short = json.dumps(character, ensure_ascii=False)[1:-1]
    upper = "".join(f"\\u{unit.upper()}" for unit in escaped.split("\\u")[1:])
    ways = [escaped, upper, "\\/" if character == "/" else short]
    return draw(st.sampled_from(ways))


def _in_url(draw: DrawFn, character: str) -> str:
    encoded = "".join(f"%{byte:02x}" for byte in character.encode())
    return draw(st.sampled_from([encoded, encoded.upper(), quote_plus(character)]))


def _in_html(draw: DrawFn, character: str) -> str:
    code = ord(character)
    return draw(st.sampled_from([html.escape(character), f"&#{code};", f"&#x{code:x};", f"&#x{code:04X};"]))


@st.composite
def spelled(draw: DrawFn, secret: str) -> str:
    """A secret, each of whose characters is escaped in a way of its own."""
    spell = draw(st.sampled_from([_in_json, _in_url, _in_html]))
    return "".join(spell(draw, character) for character in secret)


ENCODINGS: list[Callable[[str], str]] = [
    str,
    repr,
    json.dumps,
    quote,
    quote_plus,
    lambda text: quote(text, safe=""),
    lambda text: quote(quote(text)),
    lambda text: quote_plus(quote_plus(text)),
    lambda text: quote(json.dumps(text)),
    lambda text: urlencode({"a": text}),
]


@settings(max_examples=40)
@given(SECRETS, AROUND, st.sampled_from(ENCODINGS), st.lists(st.sampled_from(QUOTES), max_size=2))
def test_a_secret_is_masked_however_it_is_encoded_and_quoted(
    secret: str, around: str, encode: Callable[[str], str], quotes: list[Callable[[str], str]]
) -> None:
    masking.SECRETS.clear()
    text = encode(f"{around}{secret}{around}")
    for quoted in quotes:
        text = quoted(text)
    assert CORE in masked(text)
    keep_secret([secret])
    assert CORE not in masked(text)
    assert REDACTED in masked(text)


@settings(max_examples=100)
@given(st.data(), SECRETS, AROUND, st.lists(st.sampled_from(QUOTES), max_size=2))
def test_a_secret_is_masked_however_each_character_is_escaped(
    data: st.DataObject, secret: str, around: str, quotes: list[Callable[[str], str]]
) -> None:
    masking.SECRETS.clear()
    text = f"<{around}|{data.draw(spelled(secret))}|{around}>"
    for quoted in quotes:
        text = quoted(text)
    keep_secret([secret])
    before, *shown, after = masked(text).split("|")
    assert shown == [REDACTED]
    assert [before, after] == [text.split("|")[0], text.split("|")[-1]]


@pytest.mark.parametrize(
    ("secret", "text"),
    [
        ("hun'ter2", "password = 'hun''ter2'"),
        ('hun"ter2', '"hun""ter2"'),
        ("hunter2", b"hunter2".hex()),
        ("hunter2\\", r'"hunter2\\\\"'),
        ("a\\''b", r"a\\\'\'b"),
        ("nKx7", r"\nKx7"),
        ("päter2", "p%e4ter2"),
        ("päter2", "päter2".encode().decode("latin-1")),
        ("x\n", "x\n"),
    ],
)
def test_a_secret_is_masked_as_databases_and_nested_quotes_write_it(secret: str, text: str) -> None:
    keep_secret([secret])
    assert REDACTED in masked(text)
    assert "ter2" not in masked(text)


@settings(max_examples=40)
@given(SECRETS, AROUND, AROUND, st.sampled_from([base64.b64encode, base64.urlsafe_b64encode]))
def test_a_secret_is_masked_in_base64_wherever_it_stands(
    secret: str, before: str, after: str, encode: Callable[[bytes], bytes]
) -> None:
    masking.SECRETS.clear()
    keep_secret([secret])
    shown = masked(f"Basic {encode(f'{before}{secret}{after}'.encode()).decode()}")
    assert REDACTED in shown
    for start in range(3):
        assert base64.b64encode(b" " * start + CORE.encode()).decode()[4:-4] not in shown


@given(st.permutations([CORE[:4], CORE, f"x{CORE}", CORE[2:6]]))
def test_a_short_secret_leaves_nothing_of_a_longer_one(secrets: list[str]) -> None:
    masking.SECRETS.clear()
    keep_secret(secrets)
    assert masked(f"x{CORE}, {CORE}, {CORE[:4]}") == f"{REDACTED}, {REDACTED}, {REDACTED}"


def test_the_cdk_masks_every_spelling_too_wherever_it_masks() -> None:
    for name in ("utils.airbyte_secrets_utils", "utils.traced_exception", "logger", "sources.streams.http.http_client"):
        importlib.import_module(f"airbyte_cdk.{name}")
    mask_secrets({"credentials": {"access_token": "a/secret"}})
    masking_modules = [
        (name, module.filter_secrets)
        for name, module in sys.modules.items()
        if name.startswith("airbyte_cdk") and hasattr(module, "filter_secrets")
    ]
    assert len(masking_modules) > 5
    assert {name: mask(r"a\/secret") for name, mask in masking_modules} == {
        name: REDACTED for name, _ in masking_modules
    }


def test_a_secret_that_is_known_is_not_kept_again() -> None:
    keep_secret(["hunter2", ""])
    known = masking.SECRETS[:]
    keep_secret(["hunter2"])
    assert known == masking.SECRETS
    assert len(known) == 1


@pytest.mark.parametrize("part", ["\\", "%5c", "%25", "&amp;", "\\u005c", CORE[:-1], "'", "\\'", "x78"])
def test_a_long_text_that_is_almost_a_secret_takes_no_longer_than_another(part: str) -> None:
    keep_secret([f"%&'{part * 3}x{CORE}"])
    text = f"%&'{part * (50_000 // len(part))}y"
    assert masked(text).endswith("y")


@pytest.mark.parametrize(
    "spelling", ["\\x{:02x}", "\\u{:04X}", "%{:02x}", "%25{:02X}", "&#{};", "&#x{:x};", "&amp;#{};"]
)
@pytest.mark.parametrize("secret", ["a1 +" * 15, "".join(chr(33 + number) for number in range(90))])
def test_a_secret_that_differs_at_its_end_is_compared_in_one_way(secret: str, spelling: str) -> None:
    text = "".join(spelling.format(ord(character)) for character in secret)
    keep_secret([secret])
    assert masked(text) == REDACTED
    assert masked(text[:-3]) == text[:-3]


@pytest.mark.parametrize(
    ("config", "secrets"),
    [
        ({"credentials": {"auth_type": "access_token", "access_token": "s1"}}, {"s1"}),
        ({"credentials": {"auth_type": "password", "username": "me", "password": "s1"}}, {"s1"}),
        ({"credentials": {"username": ["s1"], "client_secret": "s2", "deep": [{"x": "s3"}]}}, {"s1", "s2", "s3"}),
        ({"credentials": "s1"}, {"s1"}),
        ({"credentials": ["s1", ["s2"], 5, None]}, {"s1", "s2"}),
        ({"access_token": "s1", "api_key": {"x": "s2"}, "base_url": "https://host"}, {"s1", "s2"}),
        ({"plan": {"access_token": "s1", "start": "2026"}, "token_cache_file": "f", "token_lifetime": 5}, {"s1"}),
        ({"credentials": None, "plan": None, "devices": {}}, set()),
    ],
)
def test_a_configuration_holds_secrets_whatever_its_shape(config: dict[str, object], secrets: set[str]) -> None:
    assert set(secrets_in(config)) == secrets
