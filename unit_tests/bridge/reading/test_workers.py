"""Partitions read in parallel: everything arrives once, errors are raised, and no thread outlives its consumer."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from bridge.reading.workers import ITEMS_WAITING, overlapped
from source_particle import threads


@pytest.fixture(autouse=True)
def _threads_that_end_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "LINGER", 0.01)
    # None of another test, which has another name until it begins.
    monkeypatch.setattr(threads, "_THREADS", type(vars(threads)["_THREADS"])())


def _threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("read-ahead")]


def _assert_no_thread_is_left() -> None:
    for thread in _threads():
        thread.join(timeout=5)
    assert not _threads()


@pytest.mark.parametrize("workers", [1, 2, 8])
@pytest.mark.parametrize("size", [0, 1, ITEMS_WAITING, 100])
def test_every_item_of_every_part_arrives_once(workers: int, size: int) -> None:
    found = list(overlapped(range(20), lambda part: [(part, item) for item in range(size)], workers))

    assert sorted(found) == [(part, item) for part in range(20) for item in range(size)]
    _assert_no_thread_is_left()


def test_parts_are_read_at_the_same_time() -> None:
    together = threading.Barrier(4, timeout=10)

    def read(part: int) -> list[int]:
        together.wait()
        return [part]

    assert sorted(overlapped(range(4), read, workers=4)) == [0, 1, 2, 3]


def test_an_error_of_a_part_is_raised_and_ends_the_read() -> None:
    def read(part: int) -> list[int]:
        if part == 3:
            raise ValueError("part 3")
        return [part]

    with pytest.raises(ValueError, match="part 3"):
        list(overlapped(range(10_000), read, workers=2))
    _assert_no_thread_is_left()


def test_an_error_while_naming_parts_is_raised() -> None:
    def parts() -> Iterator[int]:
        yield 1
        raise ValueError("no more names")

    with pytest.raises(ValueError, match="no more names"):
        list(overlapped(parts(), lambda part: [part], workers=3))
    _assert_no_thread_is_left()


def test_an_iterator_that_is_closed_takes_its_threads_with_it() -> None:
    def endless(part: int) -> Iterator[int]:
        while True:
            yield part

    items = overlapped(range(4), endless, workers=4)
    next(items)
    items.close()  # type: ignore[attr-defined]

    _assert_no_thread_is_left()


def test_no_more_waits_than_a_few_items() -> None:
    read = 0

    def endless(part: int) -> Iterator[int]:
        nonlocal read
        while True:
            read += 1
            yield part

    items = overlapped([0], endless, workers=1)
    next(items)
    threading.Event().wait(0.3)

    # Those in the queue, one that is handed over, and one that was consumed.
    assert read <= ITEMS_WAITING + 2
    items.close()  # type: ignore[attr-defined]
    _assert_no_thread_is_left()


# ---- a process that may have little memory or few threads ----

LIMITED = """
import resource
from bridge.errors import ConfigurationError
from bridge.reading.workers import overlapped

used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + ({room} << 20),) * 2)
try:
    print(sorted(overlapped(range(100), lambda part: [part], {workers})) == list(range(100)))
except ConfigurationError as error:
    print(error)
"""


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs Linux")
@pytest.mark.parametrize(
    ("room", "said"), [(10, "raise spark.executor.pyspark.memory"), (90, "True"), (300, "True"), (2000, "True")]
)
def test_a_process_with_little_memory_reads_with_the_threads_it_can_start_and_never_hangs(room: int, said: str) -> None:
    code = LIMITED.format(room=room, workers=32)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert said in done.stdout


def test_a_part_starts_no_more_workers_than_it_needs() -> None:
    # Those of earlier tests wait a moment for more to do.
    _assert_no_thread_is_left()
    assert list(overlapped(iter([1]), lambda part: [part, len(_threads())], workers=32))[1] <= 2
