"""Announces pauses on the topic of camera states."""

import getpass
import socket
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import typer

from schemas.camera_state import CameraCondition, CameraState
from workers.runtime.bus.ports import Outgoing, Producer
from workers.runtime.moments import ahead, said
from workers.runtime.settings.operator import OperatorSettings

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


def announce(
    producer: Producer,
    topic: str,
    state: CameraCondition,
    cameras: Sequence[str],
    *,
    why: str,
    until: datetime | None,
) -> None:
    """Publish a state for each camera or pattern, and wait until the broker has them."""
    states = (
        CameraState(
            state_id=uuid.uuid4().hex,
            camera=camera,
            state=state,
            until=until,
            by=_operator(),
            why=why[:1000],
            announced_at=datetime.now(UTC),
        )
        for camera in cameras
    )
    producer.publish([Outgoing(topic, each.encode()) for each in states])


def _operator() -> str:
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a user id without a name
        user = "operator"
    return f"{user}@{socket.gethostname()}"[:256]
