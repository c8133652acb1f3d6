"""Announces pauses on the topic of camera states."""

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import typer

from schemas.camera_state import CameraCondition, CameraState
from schemas.excerpt import excerpt
from workers.runtime.bus.ports import Outgoing, Producer
from workers.runtime.host.operator import operator
from workers.runtime.moments import ahead, said
from workers.runtime.settings.operator import OperatorSettings

_NAME_LIMIT = 256  # characters, as of a frame's camera
_LONGEST = timedelta(days=31)  # a notifier believes no longer pause


class LineSettings(OperatorSettings):
    """Everything that `stream-inspector line` can be told."""


def end_of_pause(text: str, now: datetime) -> datetime:
    """`45m` from now, or an ISO time (UTC where it names no zone). Raises typer.BadParameter."""
    end = ahead(text, now, "--until")
    if end <= now:
        raise typer.BadParameter(f"--until {text!r} is {said(end)}: over")
    if end - now > _LONGEST:
        raise typer.BadParameter(f"--until {text!r} is more than 31 days from now")
    return end


def states(
    state: CameraCondition, cameras: Sequence[str], *, why: str, until: datetime | None
) -> list[CameraState]:
    """What is announced of each camera or pattern. Raises typer.BadParameter."""
    for camera in cameras:
        if not camera.isprintable() or not 0 < len(camera) <= _NAME_LIMIT:
            raise typer.BadParameter(
                f"--camera {excerpt(camera, 80)!r} is no camera's id: printable text of at most "
                f"{_NAME_LIMIT} characters"
            )
    return [
        CameraState(
            state_id=uuid.uuid4().hex,
            camera=camera,
            state=state,
            until=until,
            by=operator()[:_NAME_LIMIT],
            why=why[:1000],
            announced_at=datetime.now(UTC),
        )
        for camera in cameras
    ]


def announce(producer: Producer, topic: str, messages: Sequence[CameraState]) -> None:
    """Publish, and wait until the broker has them."""
    producer.publish([Outgoing(topic, each.encode()) for each in messages])
