"""Announces that cameras end in order, so that their silence is no alarm.

It is a courtesy: without the right or the topic the camera ends all the same, and is missed.
"""

import threading
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from socket import gethostname

import structlog

from schemas.camera_state import CameraCondition, CameraState
from workers.camera.capture import Camera
from workers.runtime.bus.ports import Outgoing, Producer
from workers.runtime.errors import WorkerError

log = structlog.get_logger(__name__)

_PATIENCE_S = 5.0  # a topic that is missing holds the client up for longer


def announce_end(producer: Producer, topic: str, cameras: Sequence[Camera]) -> None:
    """Say of each camera how many frames it took. Returns within seconds, whatever happens."""
    messages = [Outgoing(topic, _ended(camera).encode()) for camera in cameras]

    def publish() -> None:
        try:
            producer.publish(messages)
        except WorkerError as error:
            log.warning("end not announced: the silence will be told", reason=str(error))

    telling = threading.Thread(target=publish, name="camera-end", daemon=True)
    telling.start()
    telling.join(_PATIENCE_S)
    if telling.is_alive():
        log.warning(
            "end not announced: the silence will be told",
            reason=f"no answer for {_PATIENCE_S:g} s; is there a topic {topic}?",
        )


def _ended(camera: Camera) -> CameraState:
    return CameraState(
        state_id=uuid.uuid4().hex,
        camera=camera.camera_id,
        state=CameraCondition.STOPPED,
        epoch=camera.epoch,
        frames=camera.sequence,
        by=f"camera@{gethostname()}"[:256],
        announced_at=datetime.now(UTC),
    )
