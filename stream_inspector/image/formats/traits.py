"""What a file says of its picture beside the pixels: its orientation, its pages, its alpha.

One rule for every file and frame. A view of a model that was made before there was a rule has none
(`upright` is None) and sees what it saw at its training.
"""

from contextlib import suppress
from dataclasses import dataclass

import PIL.Image as Pil
import PIL.TiffImagePlugin as Tiff

from stream_inspector.errors import Undecodable

_ORIENTATION, _SUBFILE, _PLANAR, _BITS = 274, 254, 284, 258
_NO_PICTURE = 1 | 4  # a smaller copy of another page, or a mask of one
_MOST_PAGES = 64  # that are looked through
_TURNS = {
    2: Pil.Transpose.FLIP_LEFT_RIGHT,
    3: Pil.Transpose.ROTATE_180,
    4: Pil.Transpose.FLIP_TOP_BOTTOM,
    5: Pil.Transpose.TRANSPOSE,
    6: Pil.Transpose.ROTATE_270,
    7: Pil.Transpose.TRANSVERSE,
    8: Pil.Transpose.ROTATE_90,
}
_BACK = {**_TURNS, 6: Pil.Transpose.ROTATE_90, 8: Pil.Transpose.ROTATE_270}
_SWAPS = frozenset(_TURNS[number] for number in (5, 6, 7, 8))


@dataclass(frozen=True, slots=True)
class Traits:
    """What was decided about a picture, for those who are to be told."""

    orientation: int = 1  # EXIF's: 1 is upright, 2 to 8 are turned or mirrored
    alpha: bool = False  # some pixels are not opaque; alpha is dropped
    inks: bool = False  # CMYK, turned into RGB without a profile
    further: int = 0  # pictures of the same file that nobody looks at
    bits: int | None = None  # used of samples of 16; None: 8-bit samples, or the file says how many


NONE = Traits()


@dataclass(frozen=True, slots=True)
class Turn:
    """How a picture is to be turned after it was decoded."""

    orientation: int
    method: Pil.Transpose | None  # None: not at all

    def size(self, stored: tuple[int, int]) -> tuple[int, int]:
        """Width and height before or after, for those after or before."""
        return stored[::-1] if self.method in _SWAPS else stored

    def turned(self, picture: Pil.Image) -> Pil.Image:
        """The picture as the view wants it."""
        return picture if self.method is None else picture.transpose(self.method)


def turn_of(opened: Pil.Image, upright: bool | None) -> Turn:
    """Of a picture that is not loaded yet; Pillow turns TIFFs by itself, and nothing else."""
    by_library = isinstance(opened, Tiff.TiffImageFile)
    found = _orientation(opened)
    if upright is None or upright == by_library:
        return Turn(found, None)
    return Turn(found, (_TURNS if upright else _BACK).get(found))


def _orientation(opened: Pil.Image) -> int:
    """EXIF's number, 1 to 8; 1 too where there is none, or nonsense, or it follows the pixels."""
    try:
        found = Pil.Image.getexif(opened).get(_ORIENTATION, 1)  # a PNG's own would load the pixels
    except Exception:  # EXIF data is read by several parsers, which raise anything
        return 1
    return found if found in _TURNS else 1


def has_alpha(picture: Pil.Image) -> bool:
    """Whether some pixels are not opaque."""
    if picture.mode == "P":
        return "transparency" in picture.info
    if picture.mode not in {"LA", "PA", "RGBA"}:
        return False
    least, _ = picture.getchannel("A").getextrema()
    return bool(least < 255)  # type: ignore[operator]  # of one band: numbers


def other_pictures(opened: Pil.Image) -> int:
    """Further pictures that a camera adds to a JPEG (a preview, a depth map).

    Raises Undecodable for a file of several pictures that have the same right.
    """
    if opened.format == "MPO":
        return int(getattr(opened, "n_frames", 1)) - 1
    count = _pages(opened) if isinstance(opened, Tiff.TiffImageFile) else _frames(opened)
    if count > 1:
        what = "pages" if opened.format == "TIFF" else "frames of an animation"
        raise Undecodable(
            f"the {opened.format} holds {count} pictures ({what}), and one was expected: which of "
            "them is the part? Split it, so that each is a file and a frame of its own"
        )
    return 0


def refuse_planes(opened: Pil.Image) -> None:
    """Raises Undecodable for a TIFF whose colours lie apart in 16 bits: codecs make noise of it."""
    if not isinstance(opened, Tiff.TiffImageFile):
        return
    tags = opened.tag_v2
    if tags.get(_PLANAR) == 2 and len(tags.get(_BITS, (1,))) > 1 and max(tags[_BITS]) > 8:
        raise Undecodable(
            "a TIFF with separate colour planes of 16 bits is not supported; save it with "
            "interleaved colours (planar configuration 1), or with 8 bits"
        )


def _frames(opened: Pil.Image) -> int:
    return int(getattr(opened, "n_frames", 1))


def _pages(opened: Tiff.TiffImageFile) -> int:
    """Pages that are pictures of their own. A chain of pages that breaks off ends there."""
    pages = 1
    with suppress(Exception):  # the end, or a page that nobody can read
        for number in range(1, _MOST_PAGES):
            opened.seek(number)
            pages += not int(opened.tag_v2.get(_SUBFILE, 0)) & _NO_PICTURE
    opened.seek(0)
    return pages
