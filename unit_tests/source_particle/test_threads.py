"""Threads in the background: what they return and what they raise reaches whoever asks."""

import queue
import threading
from concurrent.futures import Future

import pytest

from source_particle import threads
from source_particle.threads import Job, in_background


def test_the_result_is_that_of_the_work() -> None:
    assert in_background(lambda: 7, "a-test").result(5) == 7


@pytest.mark.parametrize("error", [ValueError("why"), KeyboardInterrupt(), SystemExit(3)], ids=repr)
def test_whatever_the_work_raises_is_raised_again(error: BaseException) -> None:
    def work() -> None:
        raise error

    assert in_background(work, "a-test").exception(5) is error


def test_the_thread_keeps_no_process_alive_and_tells_of_its_end_itself() -> None:
    ends: list[tuple[threading.Thread, Future[bool]]] = []
    told = threading.Event()

    def on_end(future: "Future[bool]") -> None:
        ends.append((threading.current_thread(), future))
        told.set()

    future = in_background(lambda: threading.current_thread().daemon, "a-test", on_end)
    assert told.wait(5)
    [(thread, done)] = ends
    assert future.result(0)
    assert done is future
    assert thread is not threading.main_thread()


class _Contested(queue.SimpleQueue[Job]):
    """Jobs of which one comes at the last moment, and another thread takes it."""

    looks = 0

    def empty(self) -> bool:
        self.looks += 1
        return self.looks > 1


def test_a_thread_ends_though_another_one_took_the_job_that_came_at_the_last_moment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(threads, "LINGER", 0.01)
    monkeypatch.setattr(threads, "_THREADS", type(vars(threads)["_THREADS"])())
    monkeypatch.setattr("source_particle.threads._THREADS._jobs", _Contested())
    thread = in_background(threading.current_thread, "a-test").result(5)
    thread.join(5)
    assert not thread.is_alive()
