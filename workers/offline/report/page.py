"""What all HTML pages share: one look, pictures inside the page, numbers as people read them."""

import base64
import io

import numpy as np
from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from PIL import Image as Pillow

from stream_inspector.verdict import Image

PICTURE_WIDTH = 256  # pixels at most, each way: it bounds the size of a page
_QUALITY = 85


def environment(package: str) -> Environment:
    """Templates of a package, beside the style that all pages share."""
    loaders = [PackageLoader(name, ".") for name in dict.fromkeys((package, __package__))]
    made = Environment(
        loader=ChoiceLoader(loaders), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    made.filters["inline"] = inline
    made.filters["number"] = number
    return made


def inline(encoded: bytes) -> str:
    """An encoded picture as a small data URI."""
    with Pillow.open(io.BytesIO(encoded), formats=("PNG", "JPEG", "BMP", "TIFF")) as opened:
        return _data_uri(opened.convert("RGB"))


def thumbnail(image: Image) -> str:
    """A picture [H, W, 3] as a small data URI."""
    return _data_uri(Pillow.fromarray(np.ascontiguousarray(image)))


def number(value: float | None, pattern: str = ".3f") -> str:
    """A figure, or that there is none."""
    return "n/a" if value is None else format(value, pattern)


def _data_uri(picture: Pillow.Image) -> str:
    picture.thumbnail((PICTURE_WIDTH, PICTURE_WIDTH))
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=_QUALITY)
    return "data:image/jpeg;base64," + base64.b64encode(out.getvalue()).decode()
