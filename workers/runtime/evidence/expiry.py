"""What stands in a picture's place once it has gone, so that an old link says so by itself.

It has the picture's name, so it opens wherever the picture did: in a browser, a mail, a chat, from
a folder, a bucket or a signed URL. A program finds the same in the PNG's text chunk.
"""

import io
import json

import PIL.Image as Pil
import PIL.ImageDraw as Draw
import PIL.ImageFont as Font
from PIL.PngImagePlugin import PngInfo

from workers.runtime.evidence.cases import Case
from workers.runtime.moments import said

CHUNK = "stream-inspector-expired"
_SIZE, _MARGIN, _LINE = (640, 160), 16, 22  # pixels


def notice(case: Case) -> bytes:
    """A small PNG in words. Raises ValueError for a case that has not expired."""
    if case.expired is None:
        raise ValueError(f"{case.outcome_id} has not expired")
    lines = (
        f"This picture expired on {said(case.expired.at)}",
        f"by rule: {case.expired.rule}",
        f"camera {case.camera_id}, category {case.category}, {case.grade}",
        f"captured {said(case.captured_at)}",
        f"case {case.outcome_id}",
    )
    picture = Pil.new("L", _SIZE, 250)
    pen, font = Draw.Draw(picture), Font.load_default(15)
    for number, line in enumerate(lines):
        pen.text((_MARGIN, _MARGIN + number * _LINE), line[:90], 40, font)
    return _png(picture.convert("1", dither=Pil.Dither.NONE), case)


def _png(picture: Pil.Image, case: Case) -> bytes:
    facts, out = PngInfo(), io.BytesIO()
    expired = case.expired.model_dump(mode="json") if case.expired else {}
    facts.add_text(CHUNK, json.dumps({"case": case.outcome_id, **expired}))
    picture.save(out, "PNG", pnginfo=facts, optimize=True)
    return out.getvalue()


def read_notice(data: bytes) -> dict[str, str] | None:
    """What a notice says: case, at, rule; None: it is a picture."""
    if CHUNK.encode() not in data[:4096]:
        return None
    with Pil.open(io.BytesIO(data)) as picture:
        found: dict[str, str] = json.loads(getattr(picture, "text", {})[CHUNK])
    return found
