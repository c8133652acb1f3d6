"""JPEG through libjpeg-turbo's own interface: the pixels that Pillow gives, and what it hides.

Pillow drops the warnings with which libjpeg fills gaps. simplejpeg stops at them, and is faster.
tests/core/image/formats/test_jpeg.py holds the pixels equal, for whole and for reduced pictures.
"""

import PIL.Image as Pil
import simplejpeg

from stream_inspector.errors import Damaged

_LOST = ("Corrupt JPEG data", "Premature end of JPEG", "Inconsistent progression")
_SPACES = {"L": "GRAY", "RGB": "RGB"}


def decode_jpeg(data: bytes, mode: str, size: tuple[int, int], strict: bool) -> Pil.Image | None:
    """The picture of (width, height), reduced if the file's is larger; None: Pillow has to do it.

    Raises Damaged when data was lost, unless not `strict`.
    """
    space = _SPACES.get(mode)
    if space is None:  # four inks: only looked through
        if strict:
            check_jpeg(data)
        return None
    try:
        pixels = simplejpeg.decode_jpeg(
            data, space, min_width=size[0], min_height=size[1], strict=strict
        )
    except ValueError as error:
        _refuse_lost(data, error)
        return None
    if pixels.shape[1::-1] != size:
        return None
    return Pil.fromarray(pixels[..., 0] if space == "GRAY" else pixels)


def check_jpeg(data: bytes) -> None:
    """Look through the data at an eighth, without keeping the picture. Raises Damaged."""
    try:
        space = simplejpeg.decode_jpeg_header(data)[2]
        space = "CMYK" if space in {"CMYK", "YCCK"} else "GRAY"
        simplejpeg.decode_jpeg(data, space, min_width=1, min_height=1)
    except ValueError as error:
        _refuse_lost(data, error)


def _refuse_lost(data: bytes, error: ValueError) -> None:
    """Whatever else the library cannot do is left to Pillow."""
    if str(error).startswith(_LOST):
        raise Damaged(f"image of {len(data)} bytes lost data: {error}") from error
