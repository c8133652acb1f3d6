"""A camera says that it ends, and never waits long for it."""

import time
from collections.abc import Iterable
from datetime import UTC, datetime

import pytest
from structlog.testing import capture_logs

from schemas.camera_state import CameraCondition, CameraState
from tests.workers.camera.test_run_camera import settings
from workers.camera.capture import Camera
from workers.camera.run import run_camera
from workers.camera.sending import ending
from workers.camera.sending.ending import announce_end
from workers.runtime.bus.memory import MemoryBroker
from workers.runtime.bus.ports import Outgoing
from workers.runtime.errors import AccessDenied, Transient
from workers.runtime.lifecycle import StopSignal


def states(broker: MemoryBroker) -> list[CameraState]:
    return [CameraState.decode(r.headers, r.value) for r in broker.records("camera-states")]


def test_an_orderly_end_is_announced_with_the_number_of_frames() -> None:
    broker = MemoryBroker()
    run_camera(settings(count=2, frames=5), broker.producer, StopSignal())
    told = {state.camera: (state.state, state.frames) for state in states(broker)}
    assert told == {"cam-1": (CameraCondition.STOPPED, 3), "cam-2": (CameraCondition.STOPPED, 2)}
    frames = broker.records("frames")
    epochs = {dict(record.headers)["ce_epoch"].decode() for record in frames}
    assert {state.epoch for state in states(broker)} == epochs


def test_an_end_with_frames_left_behind_is_not_announced() -> None:
    broker, stop = MemoryBroker(), StopSignal()

    class Failing:
        def publish(self, messages: Iterable[Outgoing]) -> None:
            stop.set()
            raise Transient("away")

        def close(self) -> None:
            return

    with pytest.raises(Transient):
        run_camera(settings(frames=3), Failing, stop)
    assert states(broker) == []


class Refusing:
    """A producer that may not write there."""

    def publish(self, messages: Iterable[Outgoing]) -> None:
        raise AccessDenied("Write on topic camera-states is not allowed")

    def close(self) -> None:
        return


class Hanging(Refusing):
    """A client that waits for a topic that nobody makes."""

    def publish(self, messages: Iterable[Outgoing]) -> None:
        time.sleep(3)


@pytest.mark.parametrize(
    ("producer", "reason"), [(Refusing(), "not allowed"), (Hanging(), "topic")]
)
def test_an_end_that_cannot_be_announced_is_said_and_costs_nothing(
    producer: Refusing, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ending, "_PATIENCE_S", 0.2)
    started = time.monotonic()
    with capture_logs() as logs:
        announce_end(producer, "camera-states", [Camera("cam-1", "bolts")])
    assert time.monotonic() - started < 2
    assert reason in logs[-1]["reason"]


def test_the_announcement_can_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    broker = MemoryBroker()
    announce_end(broker.producer(), "camera-states", [Camera("cam-1", "bolts", sequence=7)])
    (state,) = states(broker)
    assert (state.key, state.frames) == ("cam-1", 7)
    assert abs((state.announced_at - datetime.now(UTC)).total_seconds()) < 60
