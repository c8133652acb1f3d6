"""The threads that run what is submitted."""

import threading
import time
from collections.abc import Iterator

import pytest

from workers.inspector.pipeline.pool import Pool


@pytest.fixture
def release() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


def test_a_line_that_blocks_leaves_a_thread_to_the_others(release: threading.Event) -> None:
    errors: list[BaseException] = []
    pool, done = Pool(2, "test", errors.append, slow_s=0.05), threading.Semaphore(0)
    pool.submit(lambda: time.sleep(0.1), "slow")  # now it is known to be slow
    while not pool.idle:
        time.sleep(0.01)
    for _ in range(5):
        pool.submit(lambda: release.wait(20), "slow")  # type: ignore[arg-type,return-value]
    for _ in range(50):
        pool.submit(done.release, "good")
    assert all(done.acquire(timeout=10) for _ in range(50))
    assert pool.busy_s(time.monotonic()) > 0
    assert not pool.idle
    release.set()
    while not pool.idle:
        time.sleep(0.01)
    assert errors == []


def test_without_a_limit_all_threads_serve_one_line(release: threading.Event) -> None:
    pool, began = Pool(2, "test", lambda _: None), threading.Barrier(3)
    pool.submit(lambda: time.sleep(0.1))
    for _ in range(2):
        pool.submit(lambda: began.wait(10) and None)
    began.wait(10)


def test_a_task_that_raises_is_told_and_the_next_one_runs() -> None:
    errors: list[BaseException] = []
    pool, done = Pool(1, "test", errors.append), threading.Event()
    pool.submit(lambda: {}.pop(1))
    pool.submit(done.set)
    assert done.wait(10)
    assert isinstance(errors[0], KeyError)
