"""Pictures of a part: /pictures/<kind>/<part>."""

from starlette.responses import PlainTextResponse, Response

from workers.console.asking.parts import Part, event_of, find
from workers.console.pages.desk import Asked, Room
from workers.console.pictures.evidence import KINDS, Picture

# A picture of a topic can at worst be no picture: it runs nothing, and is never taken for a page.
_HEADERS = {
    "Cache-Control": "private, max-age=86400, immutable",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def picture_page(asked: Asked) -> Response:
    """A picture, or 404."""
    kind, key = asked.request.path_params["kind"], asked.request.path_params["part"]
    with asked.room.database.read() as connection:
        part = find(connection, key)
        event = event_of(connection, key) if part else {}
    found = picture(asked.room, part, event, kind) if part and kind in KINDS else None
    if found is None:
        return PlainTextResponse("no such picture", 404, {"Cache-Control": "max-age=5"})
    return Response(found.data, media_type=found.content_type, headers=_HEADERS)


def picture(room: Room, part: Part, event: dict[str, object], kind: str) -> Picture | None:
    """From the evidence store; a frame also from its topic."""
    links = event.get("evidence")
    link = links.get(kind) if isinstance(links, dict) else None
    found = room.evidence.read(link if isinstance(link, str) else None)
    reference = part.reference if found is None and kind == "frame" else None
    if reference is None:
        return found
    return room.frames.read(
        part.topic, part.partition, part.offset, part.frame_id, reference.content
    )
