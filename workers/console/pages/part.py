"""One part: everything that is known of it."""

from starlette.responses import Response

from schemas.review import KIND_LIMIT, NOTE_LIMIT
from workers.console.asking.parts import error_of, event_of, find, notes_of
from workers.console.pages.desk import Asked
from workers.console.pages.review import ANSWERS, may_judge
from workers.console.pictures.evidence import KINDS


def part_page(asked: Asked) -> Response:
    """A part by its key."""
    key = asked.request.path_params["part"]
    with asked.room.database.read() as connection:
        part = find(connection, key)
        event = event_of(connection, key) if part else {}
        error = error_of(connection, key) if part else None
    if part is None:
        return asked.show(
            "missing.html.j2", 404, what="This part is not in the history (any more)."
        )
    links = event.get("evidence") or {}
    kinds = [kind for kind in KINDS if kind == "frame" or links.get(kind)]
    return asked.show(
        "part.html.j2",
        part=part,
        event=event,
        error=error,
        kinds=kinds,
        notes=notes_of(event),
        answers=ANSWERS[part.verdict] if may_judge(asked, part) else (),
        note_limit=NOTE_LIMIT,
        kind_limit=KIND_LIMIT,
    )
