"""A case as a zip: what is known of a part, and its pictures."""

import io
import json
import zipfile
from dataclasses import asdict

from starlette.responses import PlainTextResponse, Response

from workers.console.asking.parts import error_of, event_of, find
from workers.console.pages.desk import Asked
from workers.console.pages.picture import picture
from workers.console.pictures.evidence import KINDS

_MOST_BYTES = 64 * 2**20
_SUFFIXES = {"image/png": "png", "image/jpeg": "jpg", "image/bmp": "bmp"}


def case_zip(asked: Asked) -> Response:
    """The file; names in it are ours, whatever the part is called."""
    key = asked.request.path_params["part"]
    with asked.room.database.read() as connection:
        part = find(connection, key)
        event = event_of(connection, key) if part else {}
        error = error_of(connection, key) if part else None
    if part is None:
        return PlainTextResponse("no such part", 404)
    frame = json.loads(part.frame) if part.frame else None
    outcome = asdict(part) | {"frame": frame}
    told = {"outcome": outcome, "facts": part.facts, "defect": event, "error": error}
    buffer, left = io.BytesIO(), _MOST_BYTES
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as case:
        case.writestr("case.json", json.dumps(told, indent=2))
        for kind in KINDS:
            found = picture(asked.room, part, event, kind)
            if not isinstance(found, str) and len(found.data) <= left:
                left -= len(found.data)
                case.writestr(f"{kind}.{_SUFFIXES[found.content_type]}", found.data)
    asked.note("case", part.part)
    headers = {"Content-Disposition": f'attachment; filename="case-{part.outcome_id}.zip"'}
    return Response(buffer.getvalue(), media_type="application/zip", headers=headers)
