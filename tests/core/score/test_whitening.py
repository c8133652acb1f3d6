import torch

from stream_inspector.score.reconstruction import reconstruction_maps
from stream_inspector.score.whitening import control_maps, fit_whitening


def _features(n: int = 50) -> torch.Tensor:
    mixed = torch.randn(n, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    mix = torch.tensor([[2.0, 0.0, 0.0], [1.5, 0.5, 0.0], [0.0, 0.3, 1.0]])
    return torch.einsum("dc,nchw->ndhw", mix, mixed) + torch.tensor([5.0, -1.0, 0.0])[:, None, None]


def test_white_features_have_no_mean_and_unit_covariance() -> None:
    features = _features()
    white = fit_whitening(features).whiten(features).movedim(1, -1).reshape(-1, 3)
    torch.testing.assert_close(white.mean(0), torch.zeros(3), atol=1e-4, rtol=0)
    torch.testing.assert_close(torch.cov(white.T), torch.eye(3), atol=2e-2, rtol=0)


def test_a_dead_channel_stays_finite() -> None:
    features = _features()
    features[:, 1] = 3.0
    white = fit_whitening(features).whiten(features)
    assert torch.isfinite(white).all()
    assert float(white[:, 1].abs().max()) < 1e-2


def test_control_is_the_mean_squared_white_feature() -> None:
    white = torch.tensor([3.0, 4.0]).reshape(1, 2, 1, 1).expand(1, 2, 2, 2)
    assert control_maps(white).tolist() == [[[12.5, 12.5], [12.5, 12.5]]]


def test_reconstruction_is_the_mean_squared_error() -> None:
    predicted, true = torch.zeros(1, 2, 2, 2), torch.zeros(1, 2, 2, 2)
    true[0, :, 0, 1] = torch.tensor([1.0, 3.0])
    assert reconstruction_maps(predicted, true).tolist() == [[[0.0, 5.0], [0.0, 0.0]]]
