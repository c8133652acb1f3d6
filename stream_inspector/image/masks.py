"""What a mask says is defective: one rule for every way in which masks are drawn.

Black is background and everything else is defect, whatever its colour or class number; where alpha
differs, what is opaque. Grey between black and a class is the edge of that class: the pixel belongs
to it when it is covered by half.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import PIL.Image as Pil
from numpy.typing import NDArray

from stream_inspector.image.formats.limits import SIXTEEN_BIT_MODES

_SHADES = 128  # masks of values below name classes and have no edges
_DARK = 32  # a lossy file's black
_FEW = 3  # levels that are classes even if none has an area
_SHOWN = 4
_ALPHA_MODES = frozenset({"LA", "PA", "RGBA"})
_LOSSY = frozenset({"JPEG", "MPO"})

Levels = NDArray[Any]  # [H, W], 0 is background


@dataclass(frozen=True, slots=True)
class MaskFound:
    """A mask of 0..255 by coverage, or of yes and no, and what is odd about it."""

    values: NDArray[np.uint8] | NDArray[np.bool_]  # [H, W]
    took: str = ""  # what was taken for defect, where that is not simply white


def mask_found(picture: Pil.Image) -> MaskFound:
    """The defects of a mask picture. Raises ValueError when it has no background, or is lossy."""
    alpha = _alpha(picture)
    if alpha is not None:
        return _by_alpha(picture, alpha)
    levels, coloured = _levels(picture)
    lossy = picture.format in _LOSSY
    _refuse_unclear(levels, picture, lossy)
    classes = _classes(levels, lossy)
    if levels.dtype == np.uint8 and len(classes) <= 1 and levels.max(initial=0) >= _SHADES:
        return MaskFound(levels, "everything that is not black" if coloured else "")
    if levels.dtype == np.bool_ or not len(classes):
        return MaskFound(levels > 0)
    return MaskFound(levels >= classes[0] / 2, _said(classes))


def _alpha(picture: Pil.Image) -> NDArray[np.uint8] | None:
    """[H, W] where it says something."""
    if picture.mode not in _ALPHA_MODES and "transparency" not in picture.info:
        return None
    alpha = np.asarray(picture.convert("RGBA"))[..., 3]
    return alpha if alpha.min(initial=255) < alpha.max(initial=0) else None


def _by_alpha(picture: Pil.Image, alpha: NDArray[np.uint8]) -> MaskFound:
    """Defects painted on nothing; with black among what was painted, black is no defect."""
    bright = np.asarray(picture.convert("RGBA"))[..., :3].max(axis=2)
    opaque = alpha >= _SHADES
    painted = bright[opaque]
    if painted.any() and not painted.all():
        return MaskFound(opaque & (bright > 0), "what is opaque and not black")
    return MaskFound(alpha, "what is opaque (alpha)")


def _levels(picture: Pil.Image) -> tuple[Levels, bool]:
    """Brightness of each pixel's brightest colour, and whether it is coloured."""
    if picture.mode == "1":
        return np.asarray(picture), False
    if picture.mode == "L" or picture.mode in SIXTEEN_BIT_MODES | {"I", "F"}:
        return np.nan_to_num(np.asarray(picture)), False
    colours = np.asarray(picture.convert("RGB"))
    return colours.max(axis=2), bool((colours != colours[..., :1]).any())


def _refuse_unclear(levels: Levels, picture: Pil.Image, lossy: bool) -> None:
    most = levels.max(initial=0)
    if lossy and 0 < most < _SHADES:
        raise ValueError(
            f"a JPEG whose brightest pixel is {most}: class numbers do not survive JPEG; save the "
            "mask as PNG"
        )
    if not (levels > (_DARK if lossy else 0)).all():
        return
    colours = sorted(picture.convert("RGB").getcolors(2**24) or [])
    if len(colours) > 1:  # of one colour: all of the part is defective
        colour = colours[-1][1]
        raise ValueError(
            "nothing in it is black, which is the background of a mask; the most frequent colour "
            f"is {colour}. Paint what is good black, and defects white"
        )


def _classes(levels: Levels, lossy: bool) -> NDArray[Any]:
    """Levels that name a class, rising: they have an area, or there are few."""
    if levels.dtype == np.bool_:
        return levels[:0, 0]
    dark = _DARK if lossy else 0
    every = np.unique(levels[levels > dark])
    if len(every) <= _FEW and not lossy:
        return np.asarray(every)
    inner = levels[1:-1, 1:-1]
    around = [
        levels[1 + y : levels.shape[0] - 1 + y, 1 + x : levels.shape[1] - 1 + x]
        for y in (-1, 0, 1)
        for x in (-1, 0, 1)
    ]
    solid = np.logical_and.reduce([each == inner for each in around])
    found = np.unique(inner[solid & (inner > dark)])
    return np.asarray(found if len(found) else every[-1:])


def _said(classes: NDArray[Any]) -> str:
    if len(classes) == 1:
        return ""
    names = ", ".join(f"{level:g}" for level in classes[:_SHOWN])
    more = ", ..." if len(classes) > _SHOWN else ""
    return f"all of {len(classes)} classes (levels {names}{more})"
