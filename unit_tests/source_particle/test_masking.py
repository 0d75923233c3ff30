"""Known secrets: masked in every spelling, and even if one contains another."""

import base64
import json
from collections.abc import Callable
from urllib.parse import quote, quote_plus, urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from source_particle import masking
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
ENCODINGS: list[Callable[[str], str]] = [
    str,
    repr,
    json.dumps,
    quote,
    quote_plus,
    lambda text: quote(text, safe=""),
    lambda text: quote(quote(text)),
    lambda text: quote(json.dumps(text)),
    lambda text: urlencode({"a": text}),
]


@settings(max_examples=40)
@given(SECRETS, AROUND, st.sampled_from(ENCODINGS), st.lists(st.sampled_from(QUOTES), max_size=2))
def test_a_secret_is_masked_however_it_is_encoded_and_quoted(
    secret: str, around: str, encode: Callable[[str], str], quotes: list[Callable[[str], str]]
) -> None:
    masking.SPELLINGS.clear()
    text = encode(f"{around}{secret}{around}")
    for quoted in quotes:
        text = quoted(text)
    assert CORE in masked(text)
    keep_secret([secret])
    assert CORE not in masked(text)
    assert REDACTED in masked(text)


@settings(max_examples=40)
@given(SECRETS, AROUND, AROUND, st.sampled_from([base64.b64encode, base64.urlsafe_b64encode]))
def test_a_secret_is_masked_in_base64_wherever_it_stands(
    secret: str, before: str, after: str, encode: Callable[[bytes], bytes]
) -> None:
    masking.SPELLINGS.clear()
    keep_secret([secret])
    shown = masked(f"Basic {encode(f'{before}{secret}{after}'.encode()).decode()}")
    assert REDACTED in shown
    for start in range(3):
        assert base64.b64encode(b" " * start + CORE.encode()).decode()[4:-4] not in shown


@given(st.permutations([CORE[:4], CORE, f"x{CORE}", CORE[2:6]]))
def test_a_short_secret_leaves_nothing_of_a_longer_one(secrets: list[str]) -> None:
    masking.SPELLINGS.clear()
    keep_secret(secrets)
    assert masked(f"x{CORE}, {CORE}, {CORE[:4]}") == f"{REDACTED}, {REDACTED}, {REDACTED}"


def test_the_cdk_masks_by_the_same_list_what_becomes_known_later() -> None:
    from airbyte_cdk.utils import airbyte_secrets_utils as cdk  # noqa: PLC0415

    cdk.update_secrets(masking.SPELLINGS)
    try:
        keep_secret(["a\nsecret"])
        assert cdk.filter_secrets("got 'a\\nsecret'") == "got '****'"
    finally:
        cdk.update_secrets([])


def test_a_secret_that_is_known_is_not_kept_again() -> None:
    keep_secret(["hunter2", ""])
    known = masking.SPELLINGS[:]
    keep_secret(["hunter2"])
    assert known == masking.SPELLINGS
    assert "" not in known


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
