"""Random options, files and offsets: a value, or a named error."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st
from jsonschema import Draft7Validator

from bridge.cli.given import Given
from bridge.errors import ParticleError
from bridge.reading.streams import stream_of
from bridge.reading.tasks import descriptors
from bridge.tables.catalog import Table, connection_options, table, tables
from bridge.tables.options import Options, doubtful_options
from source_particle import specification
from unit_tests.support.strategies import examples

SPECIFICATION = Draft7Validator(specification())
LIKELY = ["*", "a,b", "1", "0", "-1", "1e3", "nan", "inf", "true", "FALSE", "2026-01-31", "2026-02-30", "0000-01-01"]
LIKELY += ["https://api.particle.io", "http://127.0.0.1:1/", "asc", "deviceId", "9" * 400, "0001-01-01T00:00:00+14:00"]
VALUES = st.sampled_from(LIKELY) | st.text(max_size=12)


def _given(name: str) -> st.SearchStrategy[dict[str, str]]:
    """Return options of a table, most of which are set and many of which are valid."""
    part = table(name)
    names = [option.name for option in (*connection_options(), *part.options, *part.spark_options)]
    spelt = st.sampled_from([*names, *map(str.upper, names)]) | st.text(max_size=6)
    plausible = {"access_token": st.just("t"), **dict.fromkeys(part.required_options, st.just("*"))}
    return st.builds(
        lambda likely, others: {**likely, **others},
        st.fixed_dictionaries({}, optional=plausible),
        st.dictionaries(spelt, VALUES, max_size=3),
    )


@pytest.mark.parametrize("name", tables())
@settings(max_examples=examples(60), suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_any_options_make_a_plan_or_a_named_error(name: str, data: st.DataObject) -> None:
    _plan_or_named_error(name, data)


def _plan_or_named_error(name: str, data: st.DataObject) -> None:
    given_options = data.draw(_given(name))
    assert isinstance(doubtful_options(given_options, table(name)), list)
    try:
        options = Options.parse(given_options, table(name))
        assert stream_of(options, 4).initial()
    except ParticleError:
        return
    assert descriptors(options, 4)
    assert not list(SPECIFICATION.iter_errors(options.config()))
    assert json.loads(json.dumps(options.config())) == options.config()


def test_a_parser_that_breaks_or_accepts_invalid_values_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    parse = Options.parse

    def breaks(given: dict[str, str], part: Table) -> Options:
        return parse({name: value for name, value in given.items() if int(value or 0) >= 0}, part)

    def lets_pass(_given: dict[str, str], part: Table) -> Options:
        return replace(parse({"access_token": "t"}, part), connection={"num_workers": 1})

    # Without a search for the smallest options that it fails for, which takes seconds.
    @settings(max_examples=examples(60), phases=[Phase.generate])
    @given(data=st.data())
    def try_devices(data: st.DataObject) -> None:
        _plan_or_named_error("devices", data)

    for seeded, error in ((breaks, ValueError), (lets_pass, AssertionError)):
        monkeypatch.setattr(Options, "parse", seeded)
        with pytest.raises(error):
            try_devices()


@pytest.mark.parametrize("name", tables())
@settings(max_examples=examples(20))
@given(offset=st.dictionaries(st.sampled_from(["until", "snapshot", "x"]), st.none() | st.integers() | VALUES))
def test_any_offset_is_a_start_or_a_named_error(name: str, offset: dict[str, Any]) -> None:
    part = table(name)
    options = Options.parse({"access_token": "t", **dict.fromkeys(part.required_options, "*")}, part)
    stream = stream_of(options, 4)
    try:
        tasks = stream.descriptors(offset, offset)
    except ParticleError:
        return
    assert tasks == []


YAML = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6) | st.dates() | st.binary(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["tables", "num_workers", "devices"]) | st.text(max_size=3), inner, max_size=3
        )
        | st.sets(st.integers(), max_size=2)
    ),
    max_leaves=8,
)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("config") / "config.yaml"


@settings(max_examples=examples(200), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(max_size=30) | YAML.map(yaml.safe_dump) | YAML.map(lambda value: json.dumps(value, default=str)))
@example(text="start_date: 2026-13-45")
@example(text="[" * 500)
@example(text="a: !!binary aGVsbG8=")
@example(text="a: !!set {b, c}")
@example(text="a: " + "9" * 5_000)
@example(text="? [a]\n: b")
@example(text="tables: {devices: {a: 2026-01-31T00:00:00Z}}")
def test_any_config_file_yields_texts_or_a_named_error(text: str, path: Path) -> None:
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        read = Given.read(path, ())
    except ParticleError:
        return
    for values in (read.connection, *read.tables.values()):
        assert all(isinstance(name, str) and isinstance(value, str) for name, value in values.items())


@given(text=st.text())
def test_any_option_of_the_command_line_is_a_name_and_a_value_or_a_named_error(text: str) -> None:
    try:
        typed = Given.read(None, [text])
    except ParticleError:
        return
    [(name, value)] = typed.connection.items() or [
        (f"{part}.{own}", value) for part, of in typed.tables.items() for own, value in of.items()
    ]
    assert f"{name}={value}" == text


def test_a_date_of_a_config_file_is_written_as_the_api_writes_it(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("a: 2026-01-31\nb: 2026-01-31T12:00:00\nc:\ntables:\n  devices:\n")
    read = Given.read(path, ())
    assert read.connection == {"a": "2026-01-31", "b": "2026-01-31T12:00:00"}
    assert read.tables == {"devices": {}}
