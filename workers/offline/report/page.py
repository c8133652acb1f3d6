"""What all HTML pages share: one look, pictures inside the page, numbers as people read them."""

import base64
import hashlib
import io
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import numpy as np
from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from PIL import Image as Pillow
from PIL import ImageOps

from stream_inspector.image.formats.limits import SIXTEEN_BIT_MODES
from stream_inspector.image.pictures import encode_png
from stream_inspector.verdict import Image
from workers.runtime.host.whole_file import write_whole

PICTURE_WIDTH = 256  # pixels at most, each way: it bounds the size of a page
_QUALITY = 85
_FORMATS = ("PNG", "JPEG", "BMP", "TIFF")
_SUFFIXES = {"JPEG": ".jpg", "MPO": ".jpg", "BMP": ".bmp"}  # all else is kept as .png
_SHOWN_BY_BROWSERS = {".png", ".jpg", ".jpeg", ".bmp"}


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
    with Pillow.open(io.BytesIO(encoded), formats=_FORMATS) as opened:
        return _data_uri(_as_viewers_show(opened))


def thumbnail(image: Image) -> str:
    """A picture [H, W, 3] as a small data URI."""
    return _data_uri(Pillow.fromarray(np.ascontiguousarray(image)))


@dataclass(frozen=True, slots=True)
class Picture:
    """A small picture inside the page, and the whole one a click away."""

    caption: str
    uri: str
    href: str


class Album:
    """The whole pictures of a page, in a folder beside it; names are their digests."""

    def __init__(self, page: Path) -> None:
        self._folder = page.with_name(f"{page.stem}-pictures")

    def add(self, caption: str, image: Image, original: Path | None = None) -> Picture:
        """A picture [H, W, 3]; `original`: the file it was cut from, which is linked instead.

        Small it is what the networks saw, like the maps beside it: cut, turned and of 8 bits.
        """
        shown = original is not None and original.suffix.lower() in _SHOWN_BY_BROWSERS
        if original is not None and shown and original.is_file():
            href = self._kept(original.read_bytes(), original.suffix.lower())
        else:
            href = self._kept(encode_png(image), ".png")
        return Picture(caption, thumbnail(image), href)

    def add_encoded(self, caption: str, data: bytes) -> Picture:
        """A picture that is PNG, JPEG, BMP or TIFF already."""
        with Pillow.open(io.BytesIO(data), formats=_FORMATS) as opened:
            if opened.format == "TIFF":
                return self.add(caption, np.asarray(opened.convert("RGB")))
            suffix = _SUFFIXES.get(opened.format or "", ".png")
        return Picture(caption, inline(data), self._kept(data, suffix))

    def _kept(self, data: bytes, suffix: str) -> str:
        """The link to a whole picture, written once."""
        file = self._folder / f"{hashlib.sha256(data).hexdigest()[:24]}{suffix}"
        write_whole(file, data)
        return quote(f"{self._folder.name}/{file.name}")


def number(value: float | None, pattern: str = ".3f") -> str:
    """A figure, or that there is none."""
    return "n/a" if value is None else format(value, pattern)


def _as_viewers_show(opened: Pillow.Image) -> Pillow.Image:
    """Upright, and of 16 bits the high ones: a conversion would make all above 255 white."""
    upright = ImageOps.exif_transpose(opened)
    if upright.mode in SIXTEEN_BIT_MODES:
        upright = Pillow.fromarray((np.asarray(upright) >> 8).astype(np.uint8))
    return upright.convert("RGB")


def _data_uri(picture: Pillow.Image) -> str:
    picture.thumbnail((PICTURE_WIDTH, PICTURE_WIDTH))
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=_QUALITY)
    return "data:image/jpeg;base64," + base64.b64encode(out.getvalue()).decode()
