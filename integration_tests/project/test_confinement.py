"""Option values reach the endpoint of their table and no other, and a token reaches no other host."""

import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from jsonschema import Draft7Validator

import bridge
from bridge.errors import OptionError, ParticleError
from bridge.export.sync import sync as sync_to_files
from bridge.spark.datasource import ParticleDataSource
from bridge.tables.catalog import Option, Table, tables
from integration_tests.airbyte import syncs
from integration_tests.device_cloud import DeviceCloud
from source_particle import specification
from source_particle.run import run
from unit_tests.support.kinds import kind_of, one_of_each_kind

SPECIFICATION = specification()

# No name of anything, and refused as such before a request is made.
REFUSED = [
    *(
        "../user",
        "a/../b",
        "product-1/sims?x=",
        "a?b=c",
        "a#b",
        "a/b",
        "/user",
        "//evil.example",
        "http://evil.example",
    ),
    *("%2e%2e", "%2e%2e%2fuser", "a%2fb", "a%0d%0aX: 1", "..\\user", "a\\b", "a\nb", "a\n", "a\r\nX: 1", "a\tb", "a b"),
    *("", " ", ",", "a,", "*,a", "a,*", "\u2028a", "a\u00a0b"),
]
# Pass for a name until it would climb to another endpoint, or break a line.
CLIMBING = ["..", ".", "...", "a\x00", "\x1b[2J", "\u202eresu"]
# Strange, but one segment of a path as long as they are encoded.
STRANGE = [
    "a;b",
    "a&x=y",
    "a=b",
    "@evil.example",
    ":80",
    "\uff0e\uff0e",
    "‥",
    "a..",
    "~",
    "|",
    "<a>",
    '"',
    "é",
    "🛰",
    "a" * 2000,
]


def _is_name(option: Option) -> bool:
    return "pattern" in option.schema and "date" not in option.name


def _names() -> Iterator[Any]:
    """Yield each option of a table that names something; those that another table of the kind has are slow."""
    seen = set()
    for part in tables().values():
        for option in filter(_is_name, part.options):
            kind = (kind_of(part.name), option.name)
            yield pytest.param(part.name, option.name, marks=[pytest.mark.slow] if kind in seen else [])
            seen.add(kind)


NAMES = list(_names())
FILTERS = {
    part.name: [
        option.name
        for option in part.options
        if option.schema["type"] == "string" and "enum" not in option.schema and "pattern" not in option.schema
    ]
    for part in one_of_each_kind()
}


# ---- three readers, in this process ----


def _read_by_airbyte(cloud: DeviceCloud, part: Table, options: Mapping[str, str]) -> str:
    # What the platform and the CDK check before they read.
    config = syncs.with_token(cloud, **{part.name: dict(options)})
    problems = [error.message for error in Draft7Validator(SPECIFICATION).iter_errors(config)]
    return "\n".join(problems) or syncs.sync(config, part.name).errors


def _read_by_spark(cloud: DeviceCloud, part: Table, options: Mapping[str, str]) -> str:
    try:
        source = ParticleDataSource({**_all_options(cloud, part, options), "path": part.name})
        reader = source.reader(source.schema())
        for task in reader.partitions():
            list(reader.read(task))
    except ParticleError as error:
        return str(error)
    return ""


def _read_by_lakeflow(cloud: DeviceCloud, part: Table, options: Mapping[str, str]) -> str:
    connector = bridge.ParticleLakeflowConnect(_all_options(cloud, part, options))
    try:
        for task in connector.get_partitions(part.name, {}):
            list(connector.read_partition(part.name, task, {}))
    except ParticleError as error:
        return str(error)
    return ""


def _all_options(cloud: DeviceCloud, part: Table, options: Mapping[str, str]) -> dict[str, str]:
    connection = {"access_token": cloud.token, "base_url": cloud.url, "retry_wait_factor": "0", "numPartitions": "1"}
    return {**connection, **dict.fromkeys(part.required_options, "*"), **options}


READERS: dict[str, Callable[[DeviceCloud, Table, Mapping[str, str]], str]] = {
    "airbyte": _read_by_airbyte,
    "spark": _read_by_spark,
    "lakeflow": _read_by_lakeflow,
}


# The lists in which others are found.
PARENTS = ("product_devices", "product_sims", "ledgers", "ledger_instances", "service_agreements", "logic_functions")
LISTS = [endpoint for name in PARENTS for endpoint in tables()[name].endpoints]


def _strayed(cloud: DeviceCloud, part: Table, given: list[str]) -> list[str]:
    """Return the paths that are not the table's, or that have anything but a given name in the place of a name."""
    strayed = []
    for entry in cloud.ledger.requests():
        matches = [re.fullmatch(re.sub(r":\w+", "([^/]+)", path), entry.path) for path in (*part.endpoints, *LISTS)]
        names = [[unquote(segment) for segment in match.groups()] for match in matches if match]
        if not any(set(segments) <= set(given) for segments in names):
            strayed.append(entry.path)
    return strayed


PLAIN = "plain-name"


def _options_of(part: Table, option: str, value: str) -> dict[str, str]:
    """Name one thing by each required option, and the value in question by its own."""
    kind = {"owner_type": "organization"} if option == "owner" else {}
    return {**dict.fromkeys(part.required_options, PLAIN), **kind, option: value}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize(("table", "option"), NAMES)
def test_what_is_no_name_is_refused_before_anything_is_asked(
    reader: str, table: str, option: str, cloud: DeviceCloud
) -> None:
    part = tables()[table]
    for value in REFUSED:
        # An empty field of a form is a field that was left out; only a required one must not be.
        if value or option in part.required_options:
            assert READERS[reader](cloud, part, _options_of(part, option, value)), value
    assert cloud.ledger.count() == 0


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize(("table", "option"), NAMES)
def test_a_name_stays_one_segment_of_the_path_of_its_table(
    reader: str, table: str, option: str, cloud: DeviceCloud
) -> None:
    part = tables()[table]
    # None of them is there. Airbyte asks for all before it fails, the others fail at the first.
    said = READERS[reader](cloud, part, _options_of(part, option, ",".join(STRANGE)))
    assert "(404)" in said or "(403)" in said
    assert _strayed(cloud, part, [*STRANGE, PLAIN]) == []
    asked = {unquote(segment) for entry in cloud.ledger.requests() for segment in entry.path.split("/")}
    assert set(STRANGE) & asked
    assert reader != "airbyte" or set(STRANGE) <= asked


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("value", CLIMBING)
def test_a_name_that_would_climb_is_refused(reader: str, value: str, cloud: DeviceCloud) -> None:
    part = tables()["diagnostics"]
    for option in ("device_id", "product_id_or_slug"):
        said = READERS[reader](cloud, part, _options_of(part, option, value))
        assert re.search(
            r"cannot be the id or name of a product, device or SIM|expected a value like one,another", said
        )
        assert "\x1b" not in said
    assert cloud.ledger.count() == 0


@pytest.mark.parametrize("table", [name for name, filters in FILTERS.items() if filters])
def test_a_filter_stays_one_parameter(table: str, cloud: DeviceCloud) -> None:
    part = tables()[table]
    # A first reply tells the API's time, which the range of a history is counted from.
    _read_by_lakeflow(cloud, part, {"product_id_or_slug": PLAIN})
    for value in ("a&per_page=1", "../user", "a#b", "%2e%2e", "=?;"):
        cloud.reset()
        _read_by_lakeflow(cloud, part, {**dict.fromkeys(FILTERS[table], value), "product_id_or_slug": PLAIN})
        request = cloud.ledger.requests()[-1]
        assert _strayed(cloud, part, [PLAIN]) == []
        assert list(request.query.values()).count(value) == len(FILTERS[table])
        assert request.query.get("per_page", "100") == "100"
    cloud.reset()
    assert "\\r" in _read_by_lakeflow(
        cloud, part, {**dict.fromkeys(FILTERS[table], "a\r\nX: 1"), "product_id_or_slug": PLAIN}
    )
    assert cloud.ledger.count() == 0


def test_a_request_that_strays_would_be_seen(cloud: DeviceCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("source_particle.router.path_segment", lambda name: name)
    _read_by_lakeflow(cloud, tables()["product_devices"], {"product_id_or_slug": ".."})
    assert _strayed(cloud, tables()["product_devices"], [".."]) != []


# ---- the address ----

OPEN = [
    *("http://api.particle.io", "http://127.0.0.1@evil.example", "http://localhost.evil.example", "http://localhost@evil"),
    *("http://127.0.0.1.evil.example", "http://127.0.0.1:80@evil.example", "http://evil.example#127.0.0.1", "http://127.1"),
    *("http://[::2]", "http://[::1].evil.example", "http://[::ffff:1.2.3.4]", "http://0.0.0.0", "http://2130706433"),
    *("HTTP://api.particle.io", "ftp://127.0.0.1", "file:///etc/passwd", "//api.particle.io", "api.particle.io"),
    *("https://user:hunter2@api.particle.io", "http://user:hunter2/x@127.0.0.1", "https://user:hun ter2@b@c"),
    *("https://api.particle.io/v1?x=", "https://api.particle.io#", "https://api.particle.io\n", "https://a\\@evil"),
    *("https://", "https:///x", "javascript:alert(1)", "http://localhost:80:80", "http:/localhost"),
]  # fmt: skip
SAFE = [
    *("https://api.particle.io", "https://api.particle.io/", "https://API.particle.io:8443", "https://[2001:db8::1]:1"),
    *("http://localhost", "http://localhost:8080/", "http://127.0.0.1:1", "http://[::1]", "http://[::1]:8080"),
]


@pytest.mark.parametrize("url", OPEN)
def test_an_address_that_is_neither_https_nor_this_machine_is_refused_with_the_reason(
    url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # The command is made for a process of its own, and sets this.
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    connection = {"access_token": "a-token", "base_url": url}
    said = []
    for read in (
        lambda: ParticleDataSource({**connection, "path": "devices"}).schema(),
        lambda: bridge.ParticleLakeflowConnect(connection).latest_offset("devices", {}),
        lambda: sync_to_files(tmp_path / "out", connection, ["devices"]),
    ):
        with pytest.raises(OptionError) as refusal:
            read()
        said.append(str(refusal.value))
    config = {"credentials": {"auth_type": "access_token", "access_token": "a-token"}, "base_url": url}
    (tmp_path / "config.json").write_text(json.dumps(config))
    run(["check", "--config", str(tmp_path / "config.json")])
    answer = json.loads(capsys.readouterr().out)["connectionStatus"]
    assert answer["status"] == "FAILED"
    said.append(answer["message"])
    for text in said:
        assert "hunter2" not in text
        assert "hun ter2" not in text
    assert all("must be https, except for a server on this machine." in text for text in said)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("url", SAFE)
def test_https_and_this_machine_are_accepted(url: str) -> None:
    source: Any = ParticleDataSource({"access_token": "a-token", "base_url": url, "path": "devices"})
    assert source.schema()
    assert not list(Draft7Validator(SPECIFICATION["properties"]["base_url"]).iter_errors(url))
