import numpy as np
from conftest import good_images, scratched, tiny_feature_preset

from stream_inspector.baselines.padim import CHANNELS, fit_padim

PRESET = tiny_feature_preset()


def test_padim_finds_the_scratch_on_the_same_images() -> None:
    fresh = good_images(5, seed=8)
    padim = fit_padim(good_images(20), PRESET)
    maps, scores = padim.score([*fresh, scratched(fresh[0])])
    assert maps.shape == (6, 64, 64)
    assert scores[5] > scores[:5].max()
    y, _ = np.unravel_index(maps[5].argmax(), (64, 64))
    assert 16 <= y < 48


def test_channels_are_drawn_once_by_seed() -> None:
    images = good_images(8)
    first, again, other = (fit_padim(images, PRESET, seed).picked for seed in (1, 1, 2))
    assert first.tolist() == again.tolist() != other.tolist()
    assert len(set(first.tolist())) == CHANNELS
