"""Reports of lakes of every size, and of lakes that lack something."""

import os
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from html import unescape
from pathlib import Path
from typing import Any

import duckdb
import pytest
from typer.testing import CliRunner

from bridge.cli.app import app
from bridge.errors import ConfigurationError, OptionError
from bridge.export.sync import Observer, sync
from bridge.models.lake import open_lake
from bridge.reading.times import iso_ms
from bridge.report import write_report
from bridge.report.questions import QUESTIONS
from bridge.tables.options import Options
from integration_tests.command.lakes import InterruptingAt, interrupted_sync
from integration_tests.device_cloud import DeviceCloud, Fault, Fleet, FleetSize
from integration_tests.models.lakes import write_lake
from integration_tests.report.browser import MARKS, Browser
from unit_tests.support.lakes import write_table

LARGEST = 3_000_000


def test_a_fleet_of_three_has_a_report(tmp_path: Path, chromium: Browser) -> None:
    size = FleetSize(products=1, devices=3, sims=2, days=1, user_devices=0, user_sims=0, samples=False)
    with DeviceCloud(Fleet.seeded(size)) as cloud:
        write_lake(cloud, tmp_path / "lake")
    write_report(tmp_path / "lake", tmp_path / "report.html")
    chromium.look(width=1280)
    chromium.open(tmp_path / "report.html")
    assert chromium.complaints == []
    marks = dict(chromium.evaluate(MARKS))
    assert marks["Devices by the time for which they have been silent"] > 0


def test_a_fleet_of_20_000_has_a_page_below_3_mb(tmp_path: Path, chromium: Browser) -> None:
    # As bad as it gets: everybody is silent, behind, low and weak, and has a long name.
    now = datetime.now(timezone.utc)
    write_table(tmp_path / "lake", "product_devices", _devices(now))
    write_table(tmp_path / "lake", "diagnostics", _vitals(now))
    write_table(tmp_path / "lake", "product_sims", _sims())
    write_table(tmp_path / "lake", "sim_data_usage", _usage(now))
    _places(tmp_path / "lake" / "location_history")
    write_report(tmp_path / "lake", tmp_path / "report.html")
    assert (tmp_path / "report.html").stat().st_size < LARGEST
    chromium.look(width=1280)
    chromium.open(tmp_path / "report.html")
    assert chromium.complaints == []
    marks = dict(chromium.evaluate(MARKS))
    assert 1_000 < marks["Last known places"] <= 1_681
    assert "the first 200 of 20,000 rows" in chromium.evaluate("document.body.textContent")


FLEET = 20_000


def _devices(now: datetime) -> Iterator[dict[str, Any]]:
    for number in range(FLEET):
        yield {
            "product_id_or_slug": str(number % 40),
            "id": f"{number:024x}",
            "name": f"<{'&' * 60}{number}>",
            "firmware_version": number % 900,
            "last_heard": (now - timedelta(days=3, minutes=number)).strftime("%Y-%m-%dT%H:%M:%S.000Z"),
            "product_id": number % 40,
            "platform_id": 13,
        }


def _vitals(now: datetime) -> Iterator[dict[str, Any]]:
    for number in range(FLEET):
        for days in (3, 4):
            device = {
                "power": {"battery": {"charge": number % 20}},
                "network": {"signal": {"strength": number % 25}, "cellular": {"operator": f"operator {number % 90}"}},
                "cloud": {"connection": {"disconnects": 10 - days}},
                "system": {"uptime": 10 * number},
            }
            moment = now - timedelta(days=days, minutes=number % 900)
            yield {
                "device_id": f"{number:024x}",
                "updated_at": moment.strftime("%Y-%m-%dT%H:%M:%S.000Z"),
                "payload": {"device": device},
            }


def _sims() -> Iterator[dict[str, Any]]:
    for number in range(FLEET):
        yield {"product_id_or_slug": "1", "iccid": f"{number:020}", "mb_limit": 1, "last_device_id": f"{number:024x}"}


def _usage(now: datetime) -> Iterator[dict[str, Any]]:
    for number in range(FLEET):
        yield {"iccid": f"{number:020}", "usage_by_day": [{"date": f"{now:%Y-%m-%d}", "mbs_used": number / 1000}]}


def _places(folder: Path) -> None:
    folder.mkdir(parents=True)
    duckdb.execute(
        "COPY (SELECT LPAD(i::VARCHAR, 24, '0') AS device_id, (i * 37 % 3600) / 10 - 180 AS longitude, "
        "(i * 17 % 1700) / 10 - 85 AS latitude, '2026-01-01T00:00:00.000Z' AS timestamp "
        f"FROM range({FLEET}) AS rows(i)) TO '{folder}/part-0.parquet' (FORMAT parquet)"
    )


def test_what_a_lake_lacks_is_said(tmp_path: Path, chromium: Browser) -> None:
    write_table(tmp_path / "lake", "user", [{"username": "somebody"}])
    write_report(tmp_path / "lake", tmp_path / "report.html")
    chromium.open(tmp_path / "report.html")
    text = chromium.evaluate("document.body.innerText")
    for missing in (
        "neither product_devices nor devices is in lake",
        "neither product_devices nor devices is in lake, and diagnostics is not in lake",
        "sim_data_usage is not in lake",
        "neither product_locations nor location_history is in lake",
    ):
        assert missing in text
    assert "these tables only on request: name them, or use --all-tables" in text
    assert "1 of " in chromium.evaluate('document.querySelector("#freshness").innerText')


def test_an_answer_that_lacks_a_table_says_how_it_differs(tmp_path: Path) -> None:
    remarks = {name: remark for question in QUESTIONS for name, remark in question.without.items()}
    for there in ("devices", "product_devices", "sims", "sim_data_usage"):
        write_table(tmp_path / "lake", there, [])
    said = []
    for _ in range(2):
        write_report(tmp_path / "lake", tmp_path / "report.html")
        text = unescape((tmp_path / "report.html").read_text("utf-8"))
        said.append({name for name, remark in remarks.items() if remark in text})
        for name in remarks:
            write_table(tmp_path / "lake", name, [])
    assert said == [{"diagnostics", "product_firmware", "product_sims", "products"}, set()]


def test_an_older_report_stays_until_the_new_one_is_complete(tmp_path: Path) -> None:
    (tmp_path / "report.html").write_text("<!doctype html>older")
    with pytest.raises(ConfigurationError, match="does not exist"):
        write_report(tmp_path / "lake", tmp_path / "report.html")
    assert (tmp_path / "report.html").read_text() == "<!doctype html>older"
    write_table(tmp_path / "lake", "user", [])
    write_report(tmp_path / "lake", tmp_path / "report.html")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["lake", "report.html"]


@pytest.mark.parametrize("kind", ["a link", "a pipe"])
def test_what_is_no_file_is_written_into(tmp_path: Path, kind: str) -> None:
    write_table(tmp_path / "lake", "user", [])
    to, target = tmp_path / "to", tmp_path / "target"
    if kind == "a link":
        to.symlink_to(target)
        for _ in range(2):
            write_report(tmp_path / "lake", to)
        assert to.is_symlink()
        assert target.is_file()
    else:
        os.mkfifo(to)
        with ThreadPoolExecutor() as pool:
            reading = pool.submit(to.read_text, encoding="utf-8")
            write_report(tmp_path / "lake", to)
        target.write_text(reading.result(), encoding="utf-8")
        assert to.is_fifo()
    assert target.read_text(encoding="utf-8").startswith("<!doctype html>")


def test_only_a_report_is_replaced(tmp_path: Path) -> None:
    write_table(tmp_path / "lake", "user", [])
    data = tmp_path / "lake" / "user" / "part-0.parquet"
    before = data.read_bytes()
    with pytest.raises(ConfigurationError, match=r"part-0\.parquet exists and is not a report"):
        write_report(tmp_path / "lake", data)
    assert data.read_bytes() == before
    (tmp_path / "empty").touch()
    for _ in range(2):
        write_report(tmp_path / "lake", tmp_path / "empty")


@pytest.mark.parametrize("to", ["", "file/report.html"])
def test_a_path_that_can_be_no_file_is_named(tmp_path: Path, to: str) -> None:
    write_table(tmp_path / "lake", "user", [])
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match="cannot be written"):
        write_report(tmp_path / "lake", tmp_path / to)


def test_a_report_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    write_table(tmp_path / "lake", "user", [])
    with pytest.raises(ConfigurationError, match="cannot be written: No such file or directory"):
        write_report(tmp_path / "lake", tmp_path / "missing" / "report.html")


@pytest.mark.parametrize(
    ("conditions", "met"),
    [
        ([], []),
        (["devices > 3"], []),
        (["devices = 3", "silent > 3", "devices >= 3 -- as usual"], ["devices = 3", "devices >= 3 -- as usual"]),
        # Nobody reported a battery: the comparison with NULL is not true.
        (["battery_low / NULLIF(with_battery, 0) > 0"], []),
    ],
)
def test_a_condition_that_is_met_is_named_and_sets_the_exit_code(
    tmp_path: Path, conditions: list[str], met: list[str]
) -> None:
    write_table(tmp_path / "lake", "product_devices", [{"id": str(number), "product_id": 1} for number in range(3)])
    write_table(tmp_path / "lake", "diagnostics", [])
    page = tmp_path / "report.html"
    given = [part for condition in conditions for part in ("--fail-if", condition)]
    done = CliRunner().invoke(app, ["report", "--from", str(tmp_path / "lake"), "--to", str(page), *given])
    assert done.exit_code == (6 if met else 0), done.output
    assert page.exists()
    assert [line for line in done.stderr.splitlines() if "condition" in line] == [
        f"The fleet meets the condition: {condition}" for condition in met
    ]


@pytest.mark.parametrize(
    ("condition", "problem"),
    [
        ("silnt > 3", "silnt"),
        ("silent >", "syntax error"),
        ("", "It is neither true nor false."),
        ("silent > 3) FROM fleet; DROP TABLE fleet --", "syntax error"),
        ("devices", "It is neither true nor false."),
        ("NULL", "It is neither true nor false."),
        ("UNNEST([TRUE, FALSE])", "It has several values."),
    ],
)
def test_a_condition_that_cannot_be_evaluated_is_an_error_that_names_the_numbers(
    tmp_path: Path, condition: str, problem: str
) -> None:
    write_table(tmp_path / "lake", "user", [])
    expected = rf"a condition like 'silent > 10', with the numbers devices, products.*{problem}"
    with pytest.raises(OptionError, match=expected):
        write_report(tmp_path / "lake", tmp_path / "report.html", [condition])
    assert not (tmp_path / "report.html").exists()


def test_the_command_writes_the_report_of_what_sync_wrote(tmp_path: Path) -> None:
    size = FleetSize(products=1, devices=4, sims=2, days=1, user_devices=1, user_sims=1, samples=False)
    run = CliRunner()
    with DeviceCloud(Fleet.seeded(size)) as cloud:
        account = {"PARTICLE_ACCESS_TOKEN": cloud.token, "PARTICLE_BASE_URL": cloud.url}
        for place in ("lake", "fleet.duckdb"):
            synced = run.invoke(app, ["sync", "--quiet", "--to", str(tmp_path / place)], env=account)
            assert synced.exit_code == 0, synced.output
    pages = []
    for place in ("lake", "fleet.duckdb"):
        page = tmp_path / f"{place}.html"
        written = run.invoke(app, ["report", "--from", str(tmp_path / place), "--to", str(page)])
        assert written.exit_code == 0, written.output
        pages.append(re.findall(r"<strong>([\d,]+)</strong>", page.read_text("utf-8")))
    assert pages[0] == pages[1]
    with duckdb.connect(str(tmp_path / "fleet.duckdb"), read_only=True) as database:
        assert database.execute("SELECT COUNT(*) FROM particle.fleet").fetchall() == [(5,)]
    assert pages[0][0] == "5"


SAID = "The last sync did not finish: it was interrupted, tables failed, or it is still running."


@pytest.mark.parametrize("place", ["lake", "fleet.duckdb"])
def test_the_report_of_an_unfinished_sync_says_so(tmp_path: Path, place: str, small: DeviceCloud) -> None:
    names, account = ["user", "products", "devices"], {"access_token": small.token, "base_url": small.url}
    to = tmp_path / place
    interrupted_sync(to, account, names)
    _expect(to, unwritten="devices")
    sync(to, account, names, resume=True)
    _expect(to, unwritten="")
    _expect_refused(to, account, names)
    _expect(to, unwritten="")

    small.faults.add(Fault("GET /v1/devices", status=403, times=None))
    [*_, failed] = sync(to, account, names)
    assert failed.error
    _expect(to, unwritten="devices")
    small.faults.clear()
    _expect_refused(to, account, names)
    assert [result.is_kept for result in sync(to, account, names, resume=True)] == [True, True, False]
    _expect(to, unwritten="")


def _expect_refused(to: Path, account: dict[str, str], names: list[str]) -> None:
    """Let a sync be refused before it writes anything: it does not become the last one."""
    with pytest.raises(ConfigurationError, match="keeps the latest snapshot"):
        sync(to, account, names, history=True)


def test_a_table_with_nothing_new_is_not_called_unwritten(tmp_path: Path, small: DeviceCloud) -> None:
    account = {"access_token": small.token, "base_url": small.url}
    yesterday = iso_ms(small.fleet.clock.now() - timedelta(days=1))
    names, given = ["diagnostics", "devices"], {"diagnostics": {"end_date": yesterday}}
    sync(tmp_path / "lake", account, names, given)
    small.faults.add(Fault("GET /v1/devices", status=403, times=None))
    assert [bool(result.error) for result in sync(tmp_path / "lake", account, names, given)] == [False, True]
    _expect(tmp_path / "lake", unwritten="devices")


def test_what_a_resumed_sync_could_not_read_again_is_unwritten(tmp_path: Path, small: DeviceCloud) -> None:
    names, account = ["user", "products", "devices"], {"access_token": small.token, "base_url": small.url}
    interrupted_sync(tmp_path / "lake", account, names)
    small.faults.add(Fault("GET /v1/user", status=403, times=None))
    other = {**account, "base_url": small.url.replace("127.0.0.1", "localhost")}
    sync(tmp_path / "lake", other, ["user"], resume=True)
    # What the resumed sync was not asked for is left, too.
    _expect(tmp_path / "lake", unwritten="user, devices")
    small.faults.clear()
    sync(tmp_path / "lake", account, names, resume=True)
    _expect(tmp_path / "lake", unwritten="")


def test_what_a_token_cannot_read_is_not_called_unwritten(tmp_path: Path, small: DeviceCloud) -> None:
    account = {"access_token": small.api_user_token, "base_url": small.url}
    with pytest.raises(KeyboardInterrupt):
        sync(tmp_path / "lake", account, observer=InterruptingAt("product_sims"))
    opened = open_lake(tmp_path / "lake")
    assert "product_sims" in opened.unwritten
    assert not {"user", "devices", "sims"} & set(opened.unwritten)
    opened.close()


def test_the_report_of_a_running_sync_says_so(tmp_path: Path, small: DeviceCloud) -> None:
    class Reporting(Observer):
        def on_start(self, options: Options) -> None:
            if options.table.name == "products":
                _expect(tmp_path / "lake", unwritten="products, devices")
                reported.append(options.table.name)

    reported: list[str] = []
    account = {"access_token": small.token, "base_url": small.url}
    sync(tmp_path / "lake", account, ["user", "products", "devices"], observer=Reporting())
    assert reported


def test_a_report_that_fails_says_that_the_sync_did_not_finish(tmp_path: Path, small: DeviceCloud) -> None:
    interrupted_sync(tmp_path / "lake", {"access_token": small.token, "base_url": small.url}, ["user", "products"])
    page = tmp_path / "report.html"
    given = ["--from", str(tmp_path / "lake"), "--to", str(page), "--fail-if", "nonsense > 1"]
    done = CliRunner().invoke(app, ["report", *given])
    assert isinstance(done.exception, OptionError)
    assert SAID in done.stderr


@pytest.fixture
def small() -> Iterator[DeviceCloud]:
    with DeviceCloud(Fleet.seeded(FleetSize(products=1, devices=1, user_devices=1, samples=False))) as cloud:
        yield cloud


def _expect(lake: Path, *, unwritten: str) -> None:
    """Let the command write a report, and look at what it and the page say of the last sync."""
    page = lake.with_name("report.html")
    given = ["--from", str(lake), "--to", str(page), "--fail-if", "unwritten_tables > 0"]
    done = CliRunner().invoke(app, ["report", *given])
    assert done.exit_code == (6 if unwritten else 0), done.output
    said = f"{SAID} What it has not written is older, or missing: {unwritten}. "
    assert (f'<p class="remark">{said}' in page.read_text("utf-8")) == bool(unwritten)
    assert done.stderr.startswith(f"{lake}: {said}") == bool(unwritten)
    assert ("did not finish" in done.stderr + page.read_text("utf-8")) == bool(unwritten)
