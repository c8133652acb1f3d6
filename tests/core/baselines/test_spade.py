import pytest
import torch

from stream_inspector.baselines import spade
from stream_inspector.baselines.spade import fit_spade


def test_only_the_retrieved_images_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spade, "NEIGHBOURS", 2)
    # four flat good images; the query resembles 0 and 1, and has one odd cell like image 3
    good = torch.tensor([0.0, 1.0, 5.0, 9.0])[:, None, None, None].expand(4, 3, 4, 4)
    query = torch.zeros(1, 3, 4, 4)
    query[0, :, 1, 2] = 9
    scored = fit_spade(good, 0).score(query)
    assert scored.maps.shape == (1, 4, 4)
    torch.testing.assert_close(scored.maps[0, 1, 2], torch.tensor(8 * 3**0.5))
    assert scored.maps[0].count_nonzero() == 1
    average = 9 / 16
    expected = torch.tensor([3**0.5 * (average + 1 - average) / 2])
    torch.testing.assert_close(scored.image_scores, expected)


def test_fewer_images_than_neighbours_are_all_used() -> None:
    good = torch.randn(3, 5, 4, 4)
    fitted = fit_spade(good, 0)
    assert fitted.score(good).maps.max() < 1e-2
    assert fitted.nbytes == good.nbytes + 3 * 5 * 4
