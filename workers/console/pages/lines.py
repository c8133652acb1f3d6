"""The lines page: cameras, planned stops, and alarms that somebody has to see to."""

import time
import uuid
from datetime import UTC, datetime, timedelta

from pydantic import ValidationError
from starlette.responses import RedirectResponse, Response

from schemas.acknowledgement import NOTE_LIMIT, Acknowledgement
from schemas.camera_state import CameraCondition, CameraState
from workers.console.asking.alarms import open_alarms
from workers.console.asking.live import live
from workers.console.asking.names import known_names
from workers.console.asking.stops import stops
from workers.console.history.writing import write_alarms, write_states
from workers.console.pages.desk import Asked
from workers.runtime.bus.ports import Outgoing

NAME_LIMIT, WHY_LIMIT = 256, 1000  # characters, as of a camera state
LONGEST_MINUTES = 31 * 24 * 60  # a notifier believes no longer pause
_EPOCH = datetime.fromtimestamp(0, UTC)


def lines_page(asked: Asked) -> Response:
    """Alarms that are open, stops that hold, and what each camera does."""
    return _show(asked)


def acknowledge(asked: Asked) -> Response:
    """Say that somebody sees to the alarms of a camera and cause that were shown."""
    form = asked.form
    try:
        until = _EPOCH + timedelta(milliseconds=int(form.get("until", "")))
        message = Acknowledgement.of(
            form.get("camera", ""),
            form.get("cause", ""),
            until,
            by=asked.person.name,
            note=form.get("note", "").strip()[:NOTE_LIMIT],
            at=datetime.now(UTC),
        )
    except (ValidationError, ValueError, OverflowError):
        return asked.tell("the form is not whole: load the page again", 422)
    asked.room.publish(Outgoing(asked.room.settings.topics.alarms, message.encode()))
    with asked.room.database.write() as connection:
        write_alarms(connection, [message])
    asked.note("acknowledge", f"{message.cause} of {message.camera_id}; {message.note}")
    return RedirectResponse("/lines", 303)


def announce(asked: Asked) -> Response:
    """Plan a stop from now on, or end one before its time."""
    try:
        message = _state(asked)
    except ValueError as error:  # ValidationError is one
        said = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
        return _show(asked, said, 422)
    asked.room.publish(Outgoing(asked.room.settings.topics.camera_states, message.encode()))
    with asked.room.database.write() as connection:
        write_states(connection, [message])
    asked.note(f"line {message.state.value}", f"{message.camera}; {message.why}")
    return RedirectResponse("/lines", 303)


def _state(asked: Asked) -> CameraState:
    """What the form announces. Raises ValueError."""
    form, now = asked.form, datetime.now(UTC)
    camera, why = form.get("camera", "").strip() or "*", form.get("why", "").strip()
    if not camera.isprintable() or len(camera) > NAME_LIMIT:
        raise ValueError(f"a camera has a printable name of at most {NAME_LIMIT} characters")
    resumes = form.get("act") == "resume"
    if not resumes and not why:
        raise ValueError("Say why: whoever sees the line stand wants to know.")
    return CameraState(
        state_id=uuid.uuid4().hex,
        camera=camera,
        state=CameraCondition.RESUMED if resumes else CameraCondition.PAUSED,
        until=None if resumes else now + timedelta(minutes=_minutes(form.get("minutes", ""))),
        by=asked.person.name,
        why=why[:WHY_LIMIT],
        announced_at=now,
    )


def _minutes(text: str) -> int:
    if not (text.isdecimal() and 0 < int(text[:9]) <= LONGEST_MINUTES):
        raise ValueError(f"minutes: a number from 1 to {LONGEST_MINUTES} (31 days)")
    return int(text)


def _show(asked: Asked, problem: str = "", status: int = 200) -> Response:
    now_ms = int(time.time() * 1000)
    with asked.room.database.read() as connection:
        found, alarms = live(connection), open_alarms(connection, now_ms)
        announced, known = stops(connection, now_ms), known_names(connection)
    return asked.show(
        "lines.html.j2",
        status,
        live=found,
        known=known,
        alarms=alarms,
        stops=[each for each in announced if each.state == "paused"],
        problem=problem,
        note_limit=NOTE_LIMIT,
        why_limit=WHY_LIMIT,
        name_limit=NAME_LIMIT,
        longest=LONGEST_MINUTES,
    )
