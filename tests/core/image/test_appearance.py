"""Light, focus and position say what they are called, and cost the same for every size."""

import time

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from stream_inspector.image.appearance import LATTICE, appearance
from stream_inspector.synthetic import render


def part(index: int = 0) -> NDArray[np.uint8]:
    return np.array(Image.fromarray(render(index, 0).image).resize((256, 256)))


def test_light_is_the_mean_and_says_nothing_of_focus() -> None:
    bright, dim = part(), (part() * 0.8).astype(np.uint8)

    assert appearance(dim).light == pytest.approx(0.8 * appearance(bright).light, rel=0.02)
    assert appearance(dim).focus == pytest.approx(appearance(bright).focus, rel=0.05)


def test_a_soft_picture_has_less_focus() -> None:
    soft = Image.fromarray(part()).filter(ImageFilter.GaussianBlur(1.5))

    assert appearance(np.array(soft)).focus < 0.8 * appearance(part()).focus


def test_a_part_that_lies_elsewhere_has_another_centre() -> None:
    picture = np.full((120, 160, 3), 40, np.uint8)
    picture[30:50, 100:140] = 200
    found = appearance(picture)

    assert (found.across, found.down) == pytest.approx((120 / 160, 40 / 120), abs=0.01)


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (2, 3), (3000, 7)])
def test_any_shape_and_a_picture_of_one_colour_have_numbers(shape: tuple[int, int]) -> None:
    found = appearance(np.full((*shape, 3), 255, np.uint8))

    assert np.isfinite(found.values).all()
    assert (found.light, found.across, found.down) == (255.0, 0.5, 0.5)


def test_the_cost_does_not_grow_with_the_picture() -> None:
    large = np.random.default_rng(0).integers(0, 255, (3000, 4000, 3), np.uint8)
    appearance(large)

    best = min(timed(large) for _ in range(20))

    assert best < 5e-3  # seconds; some 0.2 ms on an idle core
    step = int(np.ceil(np.sqrt(large.shape[0] * large.shape[1] / LATTICE)))
    assert (3000 // step + 1) * (4000 // step + 1) < 1.1 * LATTICE


def timed(picture: NDArray[np.uint8]) -> float:
    start = time.perf_counter()
    appearance(picture)
    return time.perf_counter() - start
