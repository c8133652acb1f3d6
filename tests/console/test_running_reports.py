"""A console that runs: a shift's report is written when it is over, of everything that was read."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from floor import NOW, Floor

from schemas.outcome import Verdict
from workers.console import run
from workers.console.settings import ReportSettings
from workers.runtime.bus.memory_reader import MemoryReader
from workers.runtime.bus.ports import Record
from workers.runtime.lifecycle import StopSignal
from workers.runtime.watchdog import Pulse

pytestmark = pytest.mark.slow  # a shift takes its time

PATIENCE_S = 60.0
PARTS = 5


class Waiting(MemoryReader):
    """Sleeps where there is nothing, as a client of a broker does."""

    def poll(self, timeout_s: float) -> list[Record]:
        found = super().poll(timeout_s)
        if not found:
            time.sleep(timeout_s)
        return found


def until(true: Callable[[], object], told: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < deadline, told()
        time.sleep(0.05)


def test_each_shift_is_reported_when_it_is_over_and_what_it_made_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "_REPORTS_S", 0.2)
    folder, now = tmp_path / "reports", datetime.now(UTC).replace(microsecond=0)
    begins = {
        "early": now - timedelta(hours=6),
        "late": now - timedelta(seconds=10),
        "night": now + timedelta(seconds=8),
    }
    shifts = {name: moment.time() for name, moment in begins.items()}
    report = ReportSettings(url=str(folder), shifts=shifts, wait_s=0)
    early, late = (
        folder / f"shift-{begins[name]:%Y-%m-%dT%H%M%z}-{name}.html" for name in ("early", "late")
    )
    floor = Floor(tmp_path, report=report, port=0)
    floor.database.close()
    for number in range(PARTS):
        aged = NOW - now + timedelta(minutes=10)
        floor.part("line-1", number, Verdict.DEFECT, aged=aged)
    floor.broker.available = False  # and the early shift is over
    with running(floor):
        time.sleep(2 * run._LOOK_S + 0.5)
        assert not early.exists()  # it would say that nothing was made
        floor.broker.available = True
        until(early.exists, lambda: sorted(folder.glob("*")))
        assert f"<strong>{PARTS}</strong> parts" in early.read_text()
        until(late.exists, lambda: sorted(folder.glob("*")))
    assert late.with_suffix(".pdf").read_bytes().startswith(b"%PDF-")


@contextmanager
def running(floor: Floor) -> Iterator[None]:
    """The console's own loop; pages are served when this is entered."""

    def open_topic(topic: str, _: Pulse, positions: Mapping[int, int]) -> MemoryReader:
        return Waiting(floor.broker, topic, 100, positions)

    stop, served = StopSignal(), threading.Event()
    arguments = (floor.settings, open_topic, floor.fetch, lambda _: None, stop)
    ready = {"ready": lambda _: served.set()}
    thread = threading.Thread(target=run.run_console, args=arguments, kwargs=ready)
    thread.start()
    try:
        assert served.wait(PATIENCE_S)
        yield
    finally:
        stop.set()
        thread.join(PATIENCE_S)
    assert not thread.is_alive()
