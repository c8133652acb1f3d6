"""Pictures of a part: /pictures/<kind>/<part>."""

from starlette.responses import Response

from workers.console.asking.parts import Part, event_of, find
from workers.console.pages.desk import Asked, Room
from workers.console.pictures.evidence import KINDS, NONE, Picture

# A picture of a topic can at worst be no picture: it runs nothing, and is never taken for a page.
_HEADERS = {
    "Cache-Control": "private, max-age=86400, immutable",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_SOON = _HEADERS | {"Cache-Control": "private, max-age=5"}  # it may come


def picture_page(asked: Asked) -> Response:
    """A picture, or 404 with one that says why there is none."""
    kind, key = asked.request.path_params["kind"], asked.request.path_params["part"]
    with asked.room.database.read() as connection:
        part = find(connection, key)
        event = event_of(connection, key) if part else {}
    found = picture(asked.room, part, event, kind) if part and kind in KINDS else NONE
    if isinstance(found, str):
        text = asked.room.shown.text("no_picture.svg.j2", why=found)
        return Response(text, 404, media_type="image/svg+xml", headers=_SOON)
    return Response(found.data, media_type=found.content_type, headers=_HEADERS)


def picture(room: Room, part: Part, event: dict[str, object], kind: str) -> Picture | str:
    """From the evidence store; a frame also from its topic. A text: why there is none."""
    links = event.get("evidence")
    link = links.get(kind) if isinstance(links, dict) else None
    stored = room.evidence.read(link if isinstance(link, str) else None)
    reference = part.reference if kind == "frame" else None
    if isinstance(stored, Picture) or reference is None:
        return stored
    found = room.frames.read(
        part.topic, part.partition, part.offset, part.frame_id, reference.content
    )
    return stored if link and isinstance(found, str) else found
