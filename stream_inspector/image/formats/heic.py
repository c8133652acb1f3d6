"""HEIC, as phones save pictures -> JPEG, as they hand them on; with the extra `heic` alone.

A picture becomes a JPEG where its file is read, so that all that follows sees the same bytes, and
no camera, worker or subscriber has to know another format.
"""

import io

import PIL.Image as Pil

from stream_inspector.errors import FrameRejected, Undecodable
from stream_inspector.image.formats.limits import DecodeLimits, check_size
from stream_inspector.image.formats.signatures import is_heic
from stream_inspector.image.formats.traits import other_pictures

try:
    import pi_heif
except ModuleNotFoundError:
    THERE = False
else:
    THERE = True
    pi_heif.register_heif_opener(thumbnails=False, depth_images=False, aux_images=False)

__all__ = ["FORMATS", "MISSING", "SUFFIXES", "THERE", "as_jpeg", "is_heic"]

FORMATS = ("HEIF",) if THERE else ()  # as Pillow calls it

SUFFIXES = (".heic", ".heif")
MISSING = "HEIC is read with the extra `heic`: pip install '.[heic]' in the checkout"
_QUALITY = 95
_WHOLE_COLOURS = 0  # no subsampling


def as_jpeg(data: bytes, limits: DecodeLimits) -> bytes:
    """The picture of a HEIC file, upright, of 8 bits.

    Raises Undecodable for a damaged one, one of several pictures, and without the extra; TooLarge.
    """
    if not THERE:
        raise Undecodable(MISSING)
    try:
        with Pil.open(io.BytesIO(data), formats=("HEIF",)) as opened:
            check_size(*opened.size, limits)
            other_pictures(opened)
            out = io.BytesIO()
            opened.convert("RGB").save(out, "JPEG", quality=_QUALITY, subsampling=_WHOLE_COLOURS)
    except FrameRejected:
        raise
    except Exception as error:  # codecs raise anything on malformed bytes
        raise Undecodable(
            f"HEIC of {len(data)} bytes is damaged or truncated: {type(error).__name__}: {error}"
        ) from error
    return out.getvalue()
