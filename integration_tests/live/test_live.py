"""`make test-live` against Device Clouds: as is assumed, with facts changed, for an API user; what it never sends."""

import re
from typing import Any

import pytest
import requests

from bridge.errors import UnexpectedError
from bridge.reading.reader import read_records
from bridge.tables.catalog import Table, table, tables
from bridge.tables.options import Options
from integration_tests.device_cloud import DeviceCloud, Fleet, FleetSize, Switches
from integration_tests.live.__main__ import main
from integration_tests.live.drift import Drift, drift_of
from integration_tests.live.questions import QUESTIONS
from integration_tests.live.run import READ, Report, run
from integration_tests.live.wire import LIMIT, ForbiddenRequestError, Wire
from unit_tests.support.kinds import table_parameters

# What the API's reply says of each question that the changed cloud answers in another way.
CHANGED = {
    "Does /v1/products answer?": "status 404",
    "Which counts come with a page of a product's devices?": "total_pages",
    "How many devices come when a page of 200 is asked for?": "40",
    "What is a page past the end?": "status 404",
    "What are the vitals of a device that never sent any?": "status 404",
    "What does a start_date more than 30 days ago get?": "an error with status 200",
}


def _run(cloud: DeviceCloud, token: str) -> Report:
    return run({"access_token": token, "base_url": cloud.url, "retry_wait_factor": "0"})


def _answers(report: Report) -> dict[str, str]:
    return {question.text: found for question, found, settled in report.answers if settled}


# ---- what it reports ----


def test_a_large_cloud_as_it_is_assumed_takes_few_requests_and_settles_all_but_what_cannot_be() -> None:
    size = FleetSize(products=20, devices=130, sims=20, days=1, user_devices=60, user_sims=60, samples=False)
    with DeviceCloud(Fleet.seeded(size)) as cloud:
        silent = cloud.fleet.add_device()
        cloud.fleet.put("devices", silent, {**cloud.fleet.rows("devices")[silent], "last_heard": None})
        report = _run(cloud, cloud.token)
        sent = cloud.ledger.requests()

    assert [part.table.name for part in report.tables if not part.records] == []
    assert [message for part in report.tables for message in part.failures] == []
    # Nobody can provoke a 429, and this token is not an API user's.
    unsettled = {"May an API user read /v1/user?", "Does a 429 say how long to wait (Retry-After)?"}
    assert _answers(report) == {one.text: one.assumed for one in QUESTIONS if one.text not in unsettled}
    assert "ASSUMED" not in str(report)
    assert 20 < len(sent) == report.requests <= LIMIT
    assert {entry.method for entry in sent} == {"GET"}
    assert [entry.path for entry in sent if re.search("/devices/.", entry.path)] == []


@pytest.mark.parametrize("part", table_parameters(part for part in tables().values() if part.name not in READ))
def test_a_further_table_is_read_by_name(part: Table) -> None:
    size = FleetSize(products=2, devices=12, sims=3, days=1, user_devices=3, user_sims=3, samples=False)
    with DeviceCloud(Fleet.seeded(size)) as cloud:
        report = run({"access_token": cloud.token, "base_url": cloud.url, "retry_wait_factor": "0"}, [part.name])

    [read] = [one for one in report.tables if one.table is part]
    assert read.records
    assert not read.failures
    assert not read.drift
    assert report.requests <= LIMIT


def test_an_api_user_is_told_what_its_token_may_not_read() -> None:
    size = FleetSize(products=1, devices=3, sims=3, days=1, samples=False)
    with DeviceCloud(Fleet.seeded(size)) as cloud:
        report = _run(cloud, cloud.api_user_token)

    refused = {part.table.name for part in report.tables if part.refusals and not part.records}
    assert refused == {"devices", "sims", "user", "oauth_clients"}
    assert _answers(report)["May an API user read /v1/user?"] == "status 400"


def test_facts_that_have_changed_are_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    size = FleetSize(products=1, devices=120, sims=3, days=2, user_devices=3, user_sims=3, samples=False)
    switches = Switches(
        products_endpoint=False,
        total_records=False,
        per_page_cap=40,
        page_past_end=404,
        vitals_absent=404,
        diagnostics_error_status=200,
    )
    with DeviceCloud(Fleet.seeded(size), switches) as cloud:
        silent = cloud.fleet.add_device()
        device = {**cloud.fleet.rows("devices")[silent], "last_heard": None, "online": "yes", "solar": {"panels": 2}}
        cloud.fleet.put("devices", silent, device)
        cloud.serve("/v1/access_tokens/current", ["of another form"])
        monkeypatch.setenv("PARTICLE_ACCESS_TOKEN", cloud.token)
        monkeypatch.setenv("PARTICLE_BASE_URL", cloud.url)

        code = main()

    printed = capsys.readouterr().out
    assert code == 1
    assert "  unknown field: solar (object), in 1 records" in printed
    assert "  unseen type: online (string), in 1 records" in printed
    for question in QUESTIONS:
        if question.text in CHANGED:
            assert f"  {question.text} {CHANGED[question.text]} (ASSUMED: {question.assumed})\n" in printed
    assert "read /v1/user? not settled: a reply has another form than any that is known (AttributeError" in printed
    assert cloud.token not in printed


@pytest.mark.parametrize("name", tables())
def test_records_as_the_schema_says_are_no_drift_and_others_are(name: str, cloud: DeviceCloud) -> None:
    part = table(name)
    known = dict.fromkeys(part.columns)

    assert not drift_of(part, [known])
    assert drift_of(part, [{**known, "new": 1}, {"new": True}]) == {
        Drift("unknown field", "new", "integer"): 1,
        Drift("unknown field", "new", "boolean"): 1,
    }


def test_drift_is_found_in_structs_and_arrays_but_not_in_the_keys_of_a_map() -> None:
    power: dict[str, Any] = {"battery": {"charge": [1]}, "solar": 5}
    vitals = {"payload": {"device": {"power": power}}}

    assert set(drift_of(table("diagnostics"), [vitals])) == {
        Drift("unseen type", "payload.device.power.battery.charge", "array"),
        Drift("unknown field", "payload.device.power.solar", "integer"),
    }
    assert set(drift_of(table("devices"), [{"groups": ["a", 1], "variables": {"any": "int32"}}])) == {
        Drift("unseen type", "groups.[]", "integer")
    }


# ---- without an account ----


def test_without_a_token_it_says_that_it_is_skipped(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("PARTICLE_ACCESS_TOKEN", raising=False)
    assert main() == 0
    assert capsys.readouterr().out.startswith("Skipped: set PARTICLE_ACCESS_TOKEN")


@pytest.mark.parametrize(
    ("token", "address", "problem"),
    [
        ("", "", "the access token was refused (401)"),
        ("any", "http://127.0.0.1:9", "no answer came"),
        ("any", "http://api.particle.io", "expected a value like https://host. Address of the Particle API"),
    ],
)
def test_what_prevents_a_run_is_reported_in_one_line(  # noqa: PLR0917  (fixtures and cases)
    cloud: DeviceCloud,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    token: str,
    address: str,
    problem: str,
) -> None:
    monkeypatch.setenv("PARTICLE_ACCESS_TOKEN", token or cloud.expired_token)
    monkeypatch.setenv("PARTICLE_BASE_URL", address or cloud.url)

    assert main() == 1

    printed = capsys.readouterr()
    assert printed.out == ""
    assert problem in printed.err
    assert cloud.expired_token not in printed.err


# ---- what it never sends ----


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/devices/0123456789abcdef01234567"),
        ("GET", "/v1/devices/0123456789abcdef01234567/temperature"),
        ("GET", "/v1/products/1/devices/0123456789abcdef01234567/vitals"),
        ("GET", "/v1/devices%2F0123456789abcdef01234567/temperature"),
        ("POST", "/v1/devices"),
        ("PUT", "/v1/user"),
        ("DELETE", "/v1/access_tokens/current"),
        ("POST", "/oauth/token"),
        ("GET", "/v1/events"),
        ("GET", "/v1/diagnostics/0123456789abcdef01234567/update"),
    ],
)
def test_requests_that_a_live_run_must_not_send_are_not_sent(cloud: DeviceCloud, method: str, path: str) -> None:
    endpoints = [endpoint for part in tables().values() for endpoint in part.endpoints]
    with Wire(cloud.url, cloud.token, endpoints), pytest.raises(ForbiddenRequestError):
        requests.request(method, cloud.url + path, timeout=5)
    assert cloud.ledger.count() == 0


def test_nothing_is_sent_elsewhere(cloud: DeviceCloud) -> None:
    with Wire("https://api.particle.io", cloud.token, ["/v1/user"]), pytest.raises(ForbiddenRequestError):
        requests.get(f"{cloud.url}/v1/user", timeout=5)
    assert cloud.ledger.count() == 0


def test_the_51st_request_is_refused_to_the_source_too(cloud: DeviceCloud) -> None:
    with Wire(cloud.url, cloud.token, ["/v1/user"]) as wire:
        for number in range(LIMIT):
            wire.ask("/v1/user", number=number)
        with pytest.raises(ForbiddenRequestError, match="all 50 requests"):
            wire.ask("/v1/user")
        options = Options.parse({"access_token": cloud.token, "base_url": cloud.url}, table("user"))
        with pytest.raises(UnexpectedError, match="all 50 requests"):
            list(read_records(table("user"), options.config()))
    assert cloud.ledger.count() == LIMIT


def test_a_request_that_was_answered_is_not_sent_again(cloud: DeviceCloud) -> None:
    with Wire(cloud.url, cloud.token, ["/v1/user"]) as wire:
        assert wire.ask("/v1/user") is wire.ask("/v1/user")
    assert cloud.ledger.count() == 1


def test_after_a_run_requests_are_as_they_were(cloud: DeviceCloud) -> None:
    with Wire(cloud.url, cloud.token, ["/v1/user"]):
        pass
    assert requests.get(f"{cloud.url}/v1/events", timeout=5).status_code == 404
