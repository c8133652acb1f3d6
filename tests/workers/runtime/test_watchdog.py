"""A thread that does not come round ends the process; one that rests or may be busy does not."""

import os
import signal
import threading
import time
from collections.abc import Iterator

import pytest
import structlog
from structlog.testing import capture_logs

from workers.runtime import watchdog as module
from workers.runtime.watchdog import Pulse, Watchdog

PATIENCE_S = 0.4


class End:
    """Stands in for the end of the process."""

    def __init__(self) -> None:
        self.code: int | None = None
        self.came = threading.Event()

    def __call__(self, code: int) -> None:
        self.code = code
        self.came.set()


@pytest.fixture
def end() -> End:
    return End()


@pytest.fixture
def pulse() -> Pulse:
    return Pulse()


@pytest.fixture(autouse=True)
def logs() -> Iterator[list[dict[str, object]]]:
    structlog.reset_defaults()
    with capture_logs() as found:
        yield found  # type: ignore[misc]


def hangs_in_here(release: threading.Event, pulse: Pulse) -> None:
    pulse.beat()
    release.wait(30)


@pytest.mark.slow
def test_a_silent_thread_ends_the_process_and_is_shown(
    pulse: Pulse, end: End, logs: list[dict[str, object]]
) -> None:
    release = threading.Event()
    thread = threading.Thread(target=hangs_in_here, args=(release, pulse), name="poller")
    with Watchdog(pulse, PATIENCE_S, end):
        thread.start()
        assert end.came.wait(5)
    release.set()
    thread.join()
    assert end.code == 75
    [line] = [each for each in logs if "hangs" in str(each["event"])]
    assert line["thread"] == "poller"
    assert "hangs_in_here" in str(line["stack"])


@pytest.mark.slow
def test_one_that_beats_rests_or_may_be_busy_goes_on(pulse: Pulse, end: End) -> None:
    with Watchdog(pulse, PATIENCE_S, end):
        assert not end.came.wait(2 * PATIENCE_S)  # it has not begun
        for _ in range(8):
            pulse.beat()
            time.sleep(PATIENCE_S / 4)
        pulse.rest()
        assert not end.came.wait(2 * PATIENCE_S)
        pulse.beat(allow_s=60)
        assert not end.came.wait(2 * PATIENCE_S)
        with pulse.watching():
            assert end.came.wait(5)


@pytest.mark.slow
def test_a_signal_that_is_not_noticed_shortens_the_patience(
    pulse: Pulse, end: End, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "STOPPING_S", 0.5)
    before = signal.signal(signal.SIGTERM, lambda *_: None)
    try:
        with Watchdog(pulse, 60, end):
            pulse.beat()
            time.sleep(0.1)
            os.kill(os.getpid(), signal.SIGTERM)
            assert end.came.wait(5)
        assert signal.set_wakeup_fd(-1) == -1  # nobody is left behind
    finally:
        signal.signal(signal.SIGTERM, before)


@pytest.mark.slow
def test_a_signal_that_is_noticed_leaves_the_patience(
    pulse: Pulse, end: End, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "STOPPING_S", 0.3)
    before = signal.signal(signal.SIGTERM, lambda *_: None)
    try:
        with Watchdog(pulse, 60, end):
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(0.05)
            pulse.beat()
            assert not end.came.wait(2.5)
    finally:
        signal.signal(signal.SIGTERM, before)


@pytest.mark.slow
def test_a_log_that_hangs_does_not_keep_the_process(
    pulse: Pulse, end: End, monkeypatch: pytest.MonkeyPatch
) -> None:
    stuck = threading.Event()
    monkeypatch.setattr(module, "_TELLING_S", 0.2)
    monkeypatch.setattr(module.log, "critical", lambda *_, **__: stuck.wait(10))
    with Watchdog(pulse, PATIENCE_S, end):
        pulse.beat()
        assert end.came.wait(5)
        stuck.set()
