"""The synthetic product: reproducible, with truth that is exact."""

import subprocess
import sys

import numpy as np
import pytest

from stream_inspector.synthetic import DEFECT_KINDS, render


@pytest.mark.parametrize("defect", [None, *DEFECT_KINDS])
def test_the_same_frame_twice_has_the_same_pixels(defect: str | None) -> None:
    first, second = render(3, 5, defect), render(3, 5, defect)
    assert (first.image == second.image).all()
    assert (first.mask == second.mask).all()
    assert first.kind == (defect or "good")


def test_other_frames_and_other_seeds_differ() -> None:
    image = render(3, 5, None).image
    assert (render(4, 5, None).image != image).any()
    assert (render(3, 6, None).image != image).any()


def test_frames_do_not_depend_on_numpy_global_state() -> None:
    image = render(3, 5, "stain").image
    np.random.default_rng(0).random()
    np.random.seed(1)
    assert (render(3, 5, "stain").image == image).all()


@pytest.mark.parametrize("size", [(128, 128), (240, 320), (256, 256)])
def test_frames_have_the_size_that_was_asked_for(size: tuple[int, int]) -> None:
    frame = render(0, 0, "chip", size)
    assert frame.image.shape == (*size, 3)
    assert frame.image.dtype == np.uint8
    assert frame.mask.shape == size


@pytest.mark.parametrize("defect", DEFECT_KINDS)
@pytest.mark.slow
def test_a_defect_changes_its_mask_and_little_else(defect: str) -> None:
    for index in range(6):
        bad, good = render(index, 1, defect), render(index, 1, None)
        change = np.abs(bad.image.astype(int) - good.image).max(axis=2)
        assert 26 <= bad.mask.sum() < 0.2 * bad.mask.size
        assert change[bad.mask].mean() > 4 * change[~bad.mask].mean()
        assert change[bad.mask].mean() > 6


def test_a_good_frame_has_an_empty_mask() -> None:
    assert not render(0, 0, None).mask.any()


def test_poses_vary_within_the_feeders_play() -> None:
    rows, columns = np.nonzero(np.mean([render(i, 2).image.mean(2) > 110 for i in range(8)], 0) > 0)
    assert 10 < rows.min() < 45
    assert 200 < columns.max() < 245


def test_an_unknown_defect_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"'rust'.*scratch"):
        render(0, 0, "rust")


@pytest.mark.integration
def test_a_camera_host_needs_no_torch() -> None:
    code = "import sys, stream_inspector.synthetic; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
