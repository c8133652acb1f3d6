import numpy as np
import pytest

from stream_inspector.errors import DataError
from stream_inspector.threshold.alpha import tune_alpha, with_alpha

WEIGHTS = (("kl", 0.125), ("features", 0.125), ("mahalanobis", 1.0))
PAIR = (("kl", 0.5), ("features", 0.5))
DEFECTIVE = np.arange(20) < 10
MASKS = np.zeros((20, 12, 12), bool)
MASKS[:10, 4:7, 4:7] = True


def _maps(seed: int, height: float) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(size=MASKS.shape)
    return (noise + height * MASKS).astype(np.float32)


def _tops(maps: np.ndarray) -> np.ndarray:
    return np.sort(maps.reshape(20, -1), axis=1)[:, -9:].mean(1)


@pytest.mark.parametrize(("useful", "alpha"), [("kl", 1.0), ("features", 0.0)])
def test_a_member_of_noise_gets_nothing(useful: str, alpha: float) -> None:
    maps = {
        name: _maps(seed, 2.5 * (name == useful)) for seed, name in enumerate(("kl", "features"))
    }
    maps = {n: m if n == useful else 4 * m for n, m in maps.items()}
    scores = {name: _tops(each) for name, each in maps.items()}

    tuned = tune_alpha(maps, scores, PAIR, DEFECTIVE, list(MASKS))

    assert abs(tuned.alpha - alpha) <= 0.1
    assert tuned.gain > 0.05


def test_two_equal_members_tie_and_stay_even() -> None:
    one = _maps(0, 2.0)
    maps, scores = (
        dict.fromkeys(("kl", "features"), one),
        dict.fromkeys(("kl", "features"), _tops(one)),
    )

    tuned = tune_alpha(maps, scores, PAIR, DEFECTIVE, list(MASKS))

    assert (tuned.alpha, tuned.gain) == (0.5, 0)


def test_the_rest_of_the_ensemble_counts() -> None:
    """Where another member finds every defect by far, noise in KL is no reason to leave it out."""
    maps = {"kl": _maps(0, 0), "features": _maps(1, 3), "mahalanobis": _maps(2, 500)}
    scores = {name: _tops(each) for name, each in maps.items()}

    assert tune_alpha(maps, scores, WEIGHTS, DEFECTIVE, list(MASKS)).alpha == 0.5
    assert tune_alpha(maps, scores, PAIR, DEFECTIVE, list(MASKS)).alpha < 0.3


def test_masks_and_ignored_pixels_may_be_missing() -> None:
    maps = {"kl": _maps(0, 3), "features": 4 * _maps(1, 0)}
    scores = {name: _tops(each) for name, each in maps.items()}
    for each in maps.values():
        each[:, 0] = -np.inf  # not inspected
    masks = [None, *MASKS[1:]]

    tuned = tune_alpha(maps, scores, PAIR, DEFECTIVE, masks)
    without = tune_alpha(maps, scores, PAIR, DEFECTIVE, [None] * 20)

    assert min(tuned.alpha, without.alpha) > 0.5
    assert 0 < tuned.quality <= 1


def test_good_images_alone_say_nothing() -> None:
    one = _maps(0, 2.0)
    maps, scores = (
        dict.fromkeys(("kl", "features"), one),
        dict.fromkeys(("kl", "features"), _tops(one)),
    )
    with pytest.raises(DataError, match="good and defective"):
        tune_alpha(maps, scores, PAIR, np.zeros(20, bool), list(MASKS))


def test_only_the_diffusion_members_total_is_split() -> None:
    assert dict(with_alpha(WEIGHTS, 0.2)) == pytest.approx(
        {"kl": 0.05, "features": 0.2, "mahalanobis": 1.0}
    )
    assert with_alpha(WEIGHTS, 0.5) == WEIGHTS
    only = with_alpha(WEIGHTS, 1.0)
    assert only == (("kl", 0.25), ("mahalanobis", 1.0))
    assert with_alpha(only, 0.5) == WEIGHTS  # tuned again
