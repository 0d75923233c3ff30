"""What the page says beside its figures."""

import os
import re
from collections.abc import Mapping
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from bridge.models.lake import open_lake
from bridge.report.page import page_of
from unit_tests.support.lakes import NOW, Records, ago, member, vitals, write_table


def sections(folder: Path, **records: Records) -> dict[str, str]:
    """Return the text of each section of the page about these records, by its key; the header has none."""
    for name, rows in records.items():
        write_table(folder / "lake", name, rows)
        os.utime(folder / "lake" / name / "part-0.parquet", (NOW.timestamp(), NOW.timestamp()))
    lake = open_lake(folder / "lake")
    try:
        found = re.findall(r'<(?:section id="(\w+)"|header)>(.+?)</(?:section|header)>', page_of(lake), re.DOTALL)
    finally:
        lake.close()
    return {key: _text(html) for key, html in found}


def _text(html: str) -> str:
    """Return what is read, without the SQL, each cell and paragraph on a line of its own."""
    html = re.sub(r'<details class="sql">.*?</details>|<svg.*?</svg>', "", html, flags=re.DOTALL)
    return unescape(re.sub(r"<[^>]+>", "", re.sub(r"</(p|t[dh]|h\d|tr|summary)>", "\n", html)))


def _report(device: str, hours: int) -> dict[str, Any]:
    power, signal = {"battery": {"charge": 5}}, {"signal": {"strength": 9}}
    return vitals(device, ago(hours=hours), power=power, network=signal)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """Return the sections of the page about a fleet of silent devices."""
    devices = [member(f"{number:03}", last_heard=ago(days=3), firmware_version=number % 9) for number in range(205)]
    devices += [member("trial", firmware_version=9, development=True, last_heard=ago(hours=3), online=True)]
    devices[0]["online"] = True
    days = [{"date": "2026-11-01", "mbs_used": 1.0}]
    return sections(
        tmp_path_factory.mktemp("page"),
        product_devices=devices,
        diagnostics=[_report("trial", 2), *(_report(f"{number:03}", number) for number in (80, 192))],
        product_sims=[
            {"iccid": "1", "mb_limit": 1},
            {"iccid": "2", "status": "inactive_data_limit_reached"},
            {"iccid": "3", "mb_limit": 1000},
        ],
        sim_data_usage=[{"iccid": iccid, "usage_by_day": days} for iccid in "13"],
    )


def test_a_list_says_which_of_its_rows_are_where(page: Mapping[str, str]) -> None:
    assert "\nRows 9 to 200 of 205\n" in page["silence"]
    assert "\nThis page has the first 200 of 205 rows. The SQL below returns all of them.\n" in page["silence"]
    assert "\nRows 9 to 10 of 10\n" in page["firmware"]
    assert "192 more" not in page["silence"]


def test_the_firmware_says_what_a_release_is_and_what_is_newer(page: Mapping[str, str]) -> None:
    text = page["firmware"]
    assert "183 of 206 devices run firmware older than the release of the product, and 1 runs newer firmware." in text
    assert (
        "The release is the version that is released to the whole product: product_default in product_firmware." in text
    )
    assert "Behind by 2 means that there are two newer versions up to the release" in text
    standings = re.findall(r"^(newer than the release|the release|\d behind)$", text, re.MULTILINE)
    assert standings == ["newer than the release", "the release", *(f"{number} behind" for number in range(1, 9))]


def test_devices_that_are_silent_and_yet_online_are_counted_and_explained(page: Mapping[str, str]) -> None:
    assert "The API lists 2 as online, 1 of them although silent." in page["silence"]
    assert re.findall(r"^3 days\n(yes|no)\n2026-11-24 12:00$", page["silence"], re.MULTILINE).count("yes") == 1
    meaning = "Online is what the API's list says, which can be out of date for a silent device."
    assert meaning in page["silence"]


def test_a_stopped_sim_counts_and_is_listed(page: Mapping[str, str]) -> None:
    assert "2 have reached the data limit, 1 of them is stopped, and 0 more will reach it at this rate." in page["data"]
    # SIM 1 has used its limit up, SIM 2 was stopped.
    assert re.findall(r"^(yes|no)$", page["data"], re.MULTILINE) == ["no", "yes"]
    assert "A stopped SIM has the status inactive_data_limit_reached" in page["data"]


@pytest.mark.parametrize("key", ["battery", "signal"])
def test_values_have_their_age_and_old_ones_are_called_old(key: str, page: Mapping[str, str]) -> None:
    assert "3 of the 3 devices that report" in page[key]
    assert "1 of them by a report that is 7 days old or older." in page[key]
    ages = re.findall(r"^(\d+ h|\d+ days?(?: \d+ h)?(?: old)?)$", page[key], re.MULTILINE)
    assert sorted(ages) == ["2 h", "3 days 8 h", "8 days old"]
    assert "Old means that the values were reported 7 days ago or earlier." in page[key]


def test_the_page_says_where_its_sql_runs(page: Mapping[str, str]) -> None:
    assert "It runs in the DuckDB file that sync wrote, after USE particle." in page[""]
    assert "see docs/recipes.md" in page[""]


@pytest.mark.parametrize(("hours", "devices", "is_said"), [(73, ["a"], True), (23, ["a"], False), (73, [], False)])
def test_the_page_says_that_a_list_with_devices_is_old(
    tmp_path: Path, hours: int, devices: list[str], is_said: bool
) -> None:
    sections(tmp_path, product_devices=list(map(member, devices)))
    then = NOW.timestamp() - hours * 3600
    os.utime(tmp_path / "lake" / "product_devices" / "part-0.parquet", (then, then))
    expected = "The table product_devices was synced 3 days 1 h before the last one. Whether its devices are online"
    said = sections(tmp_path, diagnostics=[], devices=[{"id": "b"}])[""]
    assert (expected in said) == ("before the last one" in said) == is_said


def test_who_restarts_is_known_without_a_list_of_devices(tmp_path: Path) -> None:
    reports = [vitals("a", ago(hours=number), system={"uptime": 60}) for number in (1, 2)]
    said = sections(tmp_path, diagnostics=reports)["connection"]
    assert "In the last 7 days 1 device restarted" in said
    assert re.search(r"^a$", said, re.MULTILINE)
    assert "No device restarted" not in said


@pytest.mark.parametrize("key", ["battery", "signal"])
def test_nothing_is_said_of_the_vitals_of_devices_that_no_list_has(tmp_path: Path, key: str) -> None:
    reported = {"power": {"battery": {"charge": 5}}, "network": {"signal": {"strength": 9}}}
    said = sections(tmp_path, diagnostics=[vitals("a", ago(hours=1), **reported)])
    assert "Not known: neither product_devices nor devices is in lake." in said[key]
    assert "Low battery" not in said[""]
    assert "0 of the" not in said[key]


def test_nothing_is_said_of_the_data_of_sims_that_no_list_has(tmp_path: Path) -> None:
    days = [{"date": "2026-11-01", "mbs_used": 1.0}]
    said = sections(tmp_path, sim_data_usage=[{"iccid": "1", "usage_by_day": days}])
    assert "Not known: neither product_sims nor sims is in lake." in said["data"]
    assert "Data limit" not in said[""]


def test_an_answer_about_vitals_says_which_list_is_missing(tmp_path: Path) -> None:
    said = sections(tmp_path / "own", diagnostics=[], devices=[])
    assert (
        "product_devices is not in lake: only your own devices are counted, not those of products." in said["battery"]
    )
    said = sections(tmp_path / "other", diagnostics=[], product_devices=[])
    assert "devices is not in lake: only the devices of products are counted, not your other ones." in said["silence"]
