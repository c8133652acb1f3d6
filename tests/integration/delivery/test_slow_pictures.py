"""Pictures that take long to decode, in a real worker: they cost their camera, nobody else."""

import io
import signal
import time
from datetime import UTC, datetime
from functools import partial
from typing import Any

import PIL.Image as Pil
import psutil
import pytest
from integration.conftest import png

from schemas.frame import Frame, encode_frame, new_frame_id
from schemas.outcome import RejectReason, outcome_id
from workers.runtime.bus.ports import Outgoing

pytestmark = pytest.mark.integration

DECODE_MB, OTHER_MB = 64, 96  # of a decoder: the picture, and interpreter and libraries
SETTINGS = {
    "models.null_detector_ms": 1,
    "images.max_scans": 10**6,  # or they would be refused by their markers
    "images.decode_timeout_s": 0.6,
    "images.decode_mb": DECODE_MB,
    "worker.threads": 2,
}


def slow_picture(scans: int = 6000) -> bytes:
    buffer = io.BytesIO()
    Pil.new("L", (2500, 2500)).save(buffer, "JPEG", progressive=True)
    data = buffer.getvalue()
    last = data.rindex(b"\xff\xda")
    return data[:last] + data[last:-2] * scans + data[-2:]


def send(stage: Any, partition: int, count: int, data: bytes, content_type: str) -> set[str]:
    """Frames of the camera that a partition has for itself; returns their outcomes' ids."""
    ids = set()
    for number in range(count):
        frame = Frame(
            *(new_frame_id(), f"camera-{partition}", "bolts", number),
            *(datetime.now(UTC), content_type, data),
        )
        ids.add(outcome_id(frame.source, frame.frame_id))
        stage.sent[outcome_id(frame.source, frame.frame_id)] = frame
        topic = stage.topics["frames"]
        stage.producer.publish([Outgoing(topic, encode_frame(frame), partition=partition)])
    return ids


def decoders_of(worker: Any) -> list[psutil.Process]:
    return [
        child
        for child in psutil.Process(worker.pid).children()
        if "workers.runtime.decoders.child" in child.cmdline()
    ]


def inspected(stage: Any, ids: set[str]) -> bool:
    return ids <= seen(stage)


def seen(stage: Any) -> set[str]:
    return {outcome.outcome_id for outcome in stage.outcomes}


def test_a_camera_of_slow_pictures_holds_up_no_other(stage: Any) -> None:
    worker = stage.worker(**SETTINGS)
    stage.until(lambda: "delivery" in stage.log_of(worker))
    slow = send(stage, 0, 8, slow_picture(), "image/jpeg")
    good, most = set[str](), 0
    for _ in range(4):  # while the slow ones are at work
        good |= send(stage, 1, 10, png(), "image/png") | send(stage, 2, 10, png(), "image/png")
        stage.until(partial(inspected, stage, good))
        used = [child.memory_info().rss for child in decoders_of(worker)]
        most = max([most, *used])
    assert len(slow & seen(stage)) < len(slow) // 2
    assert most < (DECODE_MB + OTHER_MB) * 2**20
    stage.until(lambda: not stage.lost(), seconds=90)
    found = {outcome.outcome_id: outcome.rejected for outcome in stage.outcomes}
    assert {found[each] for each in slow} == {RejectReason.TOO_SLOW}
    assert {found[each] for each in good} == {None}
    assert worker.poll() is None
    assert "images.decode_timeout_s" in stage.log_of(worker)


def test_a_killed_worker_leaves_no_decoder_behind(stage: Any) -> None:
    worker = stage.worker(**SETTINGS)
    stage.until(lambda: "delivery" in stage.log_of(worker))
    decoders = decoders_of(worker)
    assert len(decoders) == 2
    send(stage, 0, 4, slow_picture(), "image/jpeg")
    stage.until(lambda: any(sum(child.cpu_times()[:2]) > 0.5 for child in decoders))
    worker.send_signal(signal.SIGKILL)
    worker.wait()
    deadline = time.monotonic() + 30
    while any(child.is_running() and child.status() != "zombie" for child in decoders):
        assert time.monotonic() < deadline
        time.sleep(0.05)
