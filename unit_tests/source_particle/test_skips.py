"""What `*` found and the API refused: named once, all of it, and an error where nothing else was there."""

import logging
import re
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from airbyte_cdk.sources.types import StreamSlice

from source_particle.errors import Refused
from source_particle.skips import LINE, Skips


@pytest.fixture(autouse=True)
def _only_warnings(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)


NO = Refused("no", 404, may_skip=True)
DENIED = Refused("no", 403, may_skip=True)


def named(count: int, on_refused: str = "skip") -> Skips:
    """The skips of a table of so many slices, all of which are named."""
    skips = Skips("a_table", on_refused)
    for _ in range(count):
        skips.slice_named()
    skips.all_named()
    return skips


def read(skips: Skips, name: str, *, refused: bool) -> None:
    if refused:
        skips.add(name, NO)
    else:
        skips.served()
    skips.slice_read()
    skips.report_when_done()


def test_what_is_skipped_is_named_once_when_the_last_slice_ends(caplog: pytest.LogCaptureFixture) -> None:
    skips = named(4)
    for name in ("p3", "p1", "p2"):
        read(skips, name, refused=True)
        assert caplog.messages == []
    read(skips, "p0", refused=False)
    assert caplog.messages == [
        "a_table: skipped 3 that this token may not read (403) or for which there is nothing (404): "
        "p1 (404), p2 (404), p3 (404)"
    ]
    skips.report_when_done()
    assert len(caplog.messages) == 1


def test_slices_that_end_before_all_are_named_do_not_bring_the_summary_forward(
    caplog: pytest.LogCaptureFixture,
) -> None:
    skips = Skips("a_table")
    for name in ("p1", "p2", "p3"):
        skips.slice_named()
        read(skips, name, refused=name != "p3")
    assert caplog.messages == []
    skips.all_named()
    skips.report_when_done()
    assert len(caplog.messages) == 1


def test_threads_that_end_in_any_order_lose_no_count(caplog: pytest.LogCaptureFixture) -> None:
    skips = named(201)
    barrier = threading.Barrier(8, timeout=10)

    def read_some(numbers: range) -> None:
        barrier.wait()
        for number in numbers:
            read(skips, f"p{number:03}", refused=True)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(read_some, [range(thread, 200, 8) for thread in range(8)]))
    read(skips, "good", refused=False)
    assert set(re.findall(r"p\d{3}", caplog.text)) == {f"p{number:03}" for number in range(200)}


def test_every_one_of_many_is_named_in_lines_that_no_log_cuts(caplog: pytest.LogCaptureFixture) -> None:
    skips = named(301)
    names = {f"{number:024x}" for number in range(300)}
    for name in names:
        read(skips, name, refused=True)
    read(skips, "good", refused=False)
    assert set(re.findall(r"[0-9a-f]{24}", caplog.text)) == names
    assert max(map(len, caplog.messages)) < LINE + 150
    assert f"part 1 of {len(caplog.messages)}" in caplog.messages[0]


def test_nothing_skipped_is_nothing_said(caplog: pytest.LogCaptureFixture) -> None:
    read(named(1), "p1", refused=False)
    assert caplog.messages == []


def test_a_read_that_is_refused_everything_is_an_error_that_names_the_scope() -> None:
    skips = Skips("diagnostics")
    skips.slice_named()
    skips.all_named()
    with pytest.raises(Refused, match=r"everything that \* found, 1 in all.*devices.diagnostics:get.*: no"):
        read(skips, "d1", refused=True)


@pytest.mark.parametrize("is_served", [True, False])
def test_a_task_that_is_refused_its_part_tries_the_others(is_served: bool) -> None:
    skips = Skips("a_table")
    skips.slice_named()
    skips.left_to_others(StreamSlice(partition={"device_id": "x"}, cursor_slice={}))
    skips.all_named()
    tried = []

    def probe(stream_slice: StreamSlice) -> bool:
        tried.append(stream_slice.partition["device_id"])
        return is_served

    skips.probe = probe
    if is_served:
        read(skips, "d1", refused=True)
    else:
        with pytest.raises(Refused, match="everything"):
            read(skips, "d1", refused=True)
    assert tried == ["x"]


def test_what_the_user_wants_to_fail_fails_at_once() -> None:
    with pytest.raises(Refused, match="no It is an error because on_refused is fail") as caught:
        named(2, "fail").add("p1", DENIED)
    assert not caught.value.may_skip


def test_what_no_longer_exists_is_skipped_in_any_case(caplog: pytest.LogCaptureFixture) -> None:
    skips = named(2, "fail")
    skips.add("p1", Refused("no SIMs here", 404, may_skip=True))
    skips.served()
    for _ in range(2):
        skips.slice_read()
    skips.report_when_done()
    assert "p1 (404)" in caplog.text
