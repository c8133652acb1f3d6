import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from stream_inspector.score.ensemble import enlarge, image_scores, weighted_mean


def test_members_are_averaged_with_their_weights() -> None:
    maps = {"a": torch.ones(1, 2, 2), "b": torch.full((1, 2, 2), 5.0), "unused": torch.zeros(1)}
    assert weighted_mean(maps, {"a": 3.0, "b": 1.0}).unique().tolist() == [2.0]


def test_the_blur_equals_scipys() -> None:
    spot = torch.zeros(1, 40, 40)
    spot[0, 20, 12] = 1
    blurred = enlarge(spot, (40, 40), sigma=2.0)[0].numpy()
    expected = gaussian_filter(spot[0].numpy(), 2.0, mode="nearest", truncate=3.0)
    np.testing.assert_allclose(blurred, expected, atol=1e-6)


def test_enlarging_keeps_places_and_level() -> None:
    cells = torch.zeros(1, 4, 4)
    cells[0, 1, 2] = 1
    large = enlarge(cells, (32, 32), sigma=4.0)[0]
    peak = divmod(int(large.argmax()), 32)
    assert 8 <= peak[0] < 16 <= peak[1] < 24
    assert float(large.sum()) == pytest.approx(64, rel=0.02)


def test_no_blur_without_sigma() -> None:
    assert torch.equal(enlarge(torch.ones(1, 2, 2), (4, 4), sigma=0), torch.ones(1, 4, 4))


def test_image_score_is_the_mean_of_the_largest_pixels() -> None:
    maps = torch.arange(18.0).reshape(2, 3, 3)
    assert image_scores(maps, 2).tolist() == [7.5, 16.5]
    assert image_scores(maps, 100).tolist() == [4.0, 13.0]
    assert image_scores(maps, 2).dtype == torch.float64
