"""What is taken for defect, whatever the mask was drawn with."""

import io
from typing import Any

import numpy as np
import PIL.Image as Pil
import pytest

from stream_inspector.image.masks import MaskFound, mask_found
from stream_inspector.threshold.pro import binarise_mask

SHAPE = (24, 24)
TRUTH = np.zeros(SHAPE, bool)
TRUTH[4:12, 4:12] = TRUTH[14:20, 8:22] = True
FIRST = np.zeros(SHAPE, bool)
FIRST[4:12, 4:12] = True


def painted(*values: Any, background: Any = 0) -> np.ndarray:
    """The two defects in their values."""
    first, second = values * (3 - len(values)) if len(values) == 1 else values
    array = np.empty((*SHAPE, *np.shape(first)), np.uint8)
    array[...] = background
    array[FIRST], array[TRUTH & ~FIRST] = first, second
    return array


def found(picture: Pil.Image | np.ndarray, kind: str = "PNG", **options: Any) -> MaskFound:
    stream = io.BytesIO()
    picture = picture if isinstance(picture, Pil.Image) else Pil.fromarray(picture)
    picture.save(stream, kind, **options)
    return mask_found(Pil.open(stream))


def is_truth(mask: MaskFound, truth: np.ndarray = TRUTH) -> bool:
    return bool((binarise_mask(mask.values, SHAPE) == truth).all())


PALETTE = Pil.fromarray(painted(1, 2), "P")
PALETTE.putpalette([0, 0, 0, 0, 0, 128, 128, 0, 0])


@pytest.mark.parametrize(
    "picture",
    [
        *(painted(255), painted(1), painted(1, 2), painted(80, 255), painted(60, 160)),
        *(painted((0, 0, 255), (255, 255, 0)), painted((0, 0, 90), (255, 0, 0)), PALETTE),
        *(Pil.fromarray(painted(255)).convert("1"), Pil.fromarray(painted(255) * np.uint16(257))),
        Pil.fromarray(painted(1, 2) * np.uint16(300)),
        np.dstack([painted((255, 255, 255)), np.full(SHAPE, 255, np.uint8)]),  # opaque
        np.dstack([painted((9, 9, 9), background=(9, 9, 9)), painted(255)]),  # alpha says it
        np.dstack([painted((0, 0, 0)), painted(255)]),  # black on nothing
        np.dstack([painted((255, 0, 0), (0, 255, 0)), painted(255)]),
        np.dstack([painted(255), painted(255)]),  # grey with alpha
    ],
)
def test_all_that_is_not_background_is_defect(picture: Any) -> None:
    assert is_truth(found(picture))


@pytest.mark.parametrize("kind", ["BMP", "TIFF"])
def test_of_every_file_kind(kind: str) -> None:
    assert is_truth(found(painted(80, 255), kind))


@pytest.mark.parametrize("values", [(255,), (160, 255), ((255, 0, 0), (0, 255, 0))])
def test_a_jpeg_has_soft_edges_and_dirty_black(values: Any) -> None:
    mask = found(painted(*values), "JPEG", quality=90, subsampling=0)
    wrong = binarise_mask(mask.values, SHAPE) != TRUTH
    assert wrong.mean() < 0.03


def test_black_among_the_paint_is_background() -> None:
    colours = painted((255, 0, 0), background=(0, 0, 0))
    opaque = np.full(SHAPE, 255, np.uint8)
    opaque[:, 23] = 0
    mask = found(np.dstack([colours, opaque]))
    assert is_truth(mask)
    assert "opaque and not black" in mask.took


def test_edges_belong_to_a_defect_by_half() -> None:
    large = np.kron(TRUTH, np.ones((8, 8))) * 255.0
    soft = Pil.fromarray(large.astype(np.uint8)).rotate(7, Pil.Resampling.BICUBIC)
    small = soft.resize(SHAPE, Pil.Resampling.BOX)
    expected = np.asarray(small) >= 127.5
    assert (binarise_mask(found(small).values, SHAPE) == expected).all()


def test_what_was_taken_is_said() -> None:
    assert found(painted(255)).took == ""
    assert found(painted(80, 255)).took == "all of 2 classes (levels 80, 255)"
    assert "alpha" in found(np.dstack([painted((9, 9, 9)), painted(255)])).took
    assert "not black" in found(painted((0, 0, 255))).took


def test_a_mask_without_background_is_refused() -> None:
    with pytest.raises(ValueError, match=r"nothing in it is black.*\(255, 255, 255\)"):
        found(painted((255, 0, 0), background=(255, 255, 255)))
    assert found(np.full(SHAPE, 255, np.uint8)).values.all()  # the whole part


def test_class_numbers_in_a_jpeg_are_refused() -> None:
    with pytest.raises(ValueError, match="class numbers do not survive JPEG"):
        found(painted(3), "JPEG")


def test_an_empty_mask_is_empty() -> None:
    assert not found(np.zeros(SHAPE, np.uint8)).values.any()
