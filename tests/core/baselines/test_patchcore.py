import pytest
import torch

from stream_inspector.baselines import patchcore
from stream_inspector.baselines.patchcore import fit_patchcore, k_centres


def test_k_centres_takes_the_farthest_point_each_time() -> None:
    points = torch.tensor([[0.0], [1.0], [10.0], [4.0], [9.0]])
    assert k_centres(points, 4).tolist() == [0, 2, 3, 1]


def test_k_centres_covers_within_twice_the_best_radius() -> None:
    generator = torch.Generator().manual_seed(0)
    clusters = torch.arange(12.0)[:, None] * 20
    points = (clusters + torch.rand(12, 30, generator=generator)).reshape(-1, 1)
    chosen = k_centres(points, 12)
    assert torch.cdist(points, points[chosen]).amin(1).max() <= 2 * 0.5


def test_k_centres_never_takes_a_point_twice() -> None:
    assert sorted(k_centres(torch.zeros(5, 3), 5).tolist()) == [0, 1, 2, 3, 4]


def test_the_score_is_the_distance_to_the_nearest_memory() -> None:
    good = torch.randn(3, 5, 4, 4, generator=torch.Generator().manual_seed(0))
    fitted = fit_patchcore(good, 0, pool=False)  # few enough to keep every position
    query = torch.randn(2, 5, 4, 4, generator=torch.Generator().manual_seed(1))
    scored = fitted.score(query)
    every = good.movedim(1, -1).reshape(-1, 5)
    expected = torch.cdist(query.movedim(1, -1).reshape(-1, 5), every).amin(1).reshape(2, 4, 4)
    torch.testing.assert_close(scored.maps, expected, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(scored.image_scores, expected.flatten(1).amax(1))
    assert fitted.score(good).maps.max() < 1e-2


def test_memory_and_candidates_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patchcore, "CANDIDATES", 20)
    good = torch.randn(10, 5, 4, 4)
    assert len(fit_patchcore(good, 0, memory=7).bank) == 7
    assert len(fit_patchcore(good, 0).bank) == 20
    assert fit_patchcore(good, 0, memory=7).nbytes == 7 * 5 * 4


def test_the_bank_is_drawn_by_seed() -> None:
    good = torch.randn(4, 5, 4, 4)
    first, again, other = (fit_patchcore(good, seed, memory=5).bank for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
