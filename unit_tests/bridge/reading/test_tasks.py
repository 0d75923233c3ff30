"""Plans: small, JSON-safe, and no wider than the configuration that they narrow."""

import json
import zlib
from collections import Counter

import pytest

from bridge.reading.tasks import descriptors, task_config, with_token
from bridge.tables.catalog import table, tables
from bridge.tables.options import Options, Redacted

DIAGNOSTICS = table("diagnostics")
TOKEN = {"access_token": "a-token"}
WINDOW = {"start": "2026-01-01T00:00:00.000Z", "end": "2026-01-02T00:00:00.000Z"}


def options(name: str = "diagnostics", **more: str) -> Options:
    part = table(name)
    return Options.parse({**TOKEN, **dict.fromkeys(part.required_options, "*"), **more}, part)


@pytest.mark.parametrize("name", tables())
def test_every_table_has_a_task_and_a_descriptor_is_small_json(name: str) -> None:
    tasks = descriptors(options(name), 8, WINDOW)
    assert len(tasks) == (8 if table(name).required_options else 1)
    assert all(json.loads(json.dumps(task)) == task and len(json.dumps(task)) < 300 for task in tasks)
    assert tasks == descriptors(options(name), 8, WINDOW)


def test_the_option_goes_before_what_the_session_runs_at_once() -> None:
    assert len(descriptors(options(numPartitions="3"), 8)) == 3
    assert len(descriptors(options(NUMPARTITIONS="3"), 8)) == 3


@pytest.mark.parametrize(("named", "count"), [("a", 1), ("a, b", 2), ("a,a", 1), ("a,b,c,d,e,f,g,h,i,j", 8), ("*", 8)])
def test_there_are_no_more_tasks_than_things_named(named: str, count: int) -> None:
    assert len(descriptors(options(device_id=named), 8)) == count


def test_everything_may_be_split_as_far_as_the_option_goes() -> None:
    assert len(descriptors(options(numPartitions="1000"), 8)) == 1000


def test_parts_are_disjoint_and_cover_everything() -> None:
    # What ParticleRouter does with a part, of names like those of devices.
    names = [f"{number:024x}" for number in range(1_000)]
    parts = Counter(zlib.crc32(name.encode()) % 8 for name in names)
    assert set(parts) == set(range(8))
    assert max(parts.values()) < 2 * min(parts.values())


def test_a_task_has_its_part_of_the_request_budget() -> None:
    whole = options(requests_per_5_minutes="1000").config()
    assert [
        task_config(DIAGNOSTICS, whole, task, None)["requests_per_5_minutes"] for task in descriptors(options(), 3)
    ] == [326] * 3


@pytest.mark.parametrize("limit", [1, 2, 3, 5, 8, 10, 100, 999, 10_000])
@pytest.mark.parametrize("wanted", [{}, {"numPartitions": "1"}, {"numPartitions": "32"}])
def test_however_small_the_budget_is_tasks_have_most_of_it_and_none_more_than_it(
    limit: int, wanted: dict[str, str]
) -> None:
    given = options(requests_per_5_minutes=str(limit), **wanted)
    tasks = descriptors(given, 8)
    spent = sum(task_config(DIAGNOSTICS, given.config(), task, None)["requests_per_5_minutes"] for task in tasks)
    assert limit // 3 < spent <= limit
    # The planner signs in and asks for the time.
    assert limit < 4 or spent <= limit - 2


@pytest.mark.parametrize(("session", "limit", "count"), [(2, 10_000, 2), (32, 10_000, 8), (8, 400, 3), (8, 50, 1)])
def test_tasks_are_as_many_as_the_session_runs_and_the_budget_is_good_for(session: int, limit: int, count: int) -> None:
    assert len(descriptors(options(requests_per_5_minutes=str(limit)), session)) == count


def test_what_a_task_reads_rides_under_the_plan_beside_what_the_user_wrote() -> None:
    whole = options().config()
    [task] = descriptors(options(device_id="abc"), 8)
    config = task_config(DIAGNOSTICS, whole, task, "planned")
    assert config["plan"] == {
        **{"part": 0, "parts": 1, "access_token": "planned"},
        "start": "1970-01-01T00:00:00.000Z",
    }
    added = {"plan": config["plan"], "credentials": {}}
    assert {**config, "requests_per_5_minutes": whole["requests_per_5_minutes"]} == {**whole, **added}
    assert "plan" not in whole


def test_a_task_starts_where_the_user_says_and_keeps_no_state() -> None:
    own = options(device_id="abc", start_date="2026-01-31T06:00:00-06:00")
    plan = task_config(DIAGNOSTICS, own.config(), descriptors(own, 8)[0], None)["plan"]
    assert plan["start"] == "2026-01-31T12:00:00.000Z"
    devices = Options.parse({"access_token": "a-token"}, table("devices"))
    assert "start" not in task_config(table("devices"), devices.config(), descriptors(devices, 8)[0], None)["plan"]


def test_more_than_the_window_is_asked_for_so_that_it_does_not_matter_how_the_api_treats_bounds() -> None:
    [task] = descriptors(options(device_id="abc"), 8, WINDOW)
    plan = task_config(DIAGNOSTICS, options().config(), task, None)["plan"]
    assert (plan["start"], plan["end"]) == ("2025-12-31T23:59:59.000Z", "2026-01-02T00:00:01.000Z")


def test_a_token_in_a_descriptor_is_json_and_not_shown() -> None:
    [task] = with_token(descriptors(options(device_id="abc"), 8), "signed-in")
    assert json.loads(json.dumps(task))["access_token"] == "signed-in"
    assert "signed-in" not in repr(task)
    assert isinstance(task["access_token"], Redacted)
    assert "access_token" not in with_token([{"part": 0, "parts": 1}], None)[0]
