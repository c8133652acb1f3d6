import pytest
import torch
from torch import Tensor

from stream_inspector.diffusion.denoiser import Denoiser
from stream_inspector.diffusion.sample import ancestral_step, ddim_step, sample
from stream_inspector.diffusion.schedule import diffuse, linear_schedule, respace

SHORT = respace(linear_schedule(), 50)
X0 = torch.full((1, 1, 2, 2), 0.4)


class KnowsTheAnswer(Denoiser):
    """The optimal denoiser of data that is always X0."""

    def __init__(self) -> None:
        super().__init__(_unused, SHORT)

    def raw(self, x_t: Tensor, t: Tensor) -> tuple[Tensor, Tensor | None, Tensor | None]:
        scale = self.scalings(t, x_t)
        return (X0 - scale.skip * x_t) / scale.out, None, None


def _unused(x: Tensor, t: Tensor, /) -> tuple[Tensor, Tensor | None]:
    raise NotImplementedError


def test_the_chain_ends_at_the_data() -> None:
    start = torch.full((1, 1, 2, 2), 3.0)
    found = sample(KnowsTheAnswer(), start, 49, torch.Generator().manual_seed(0))
    torch.testing.assert_close(found, X0, atol=1e-4, rtol=0)


def test_ddim_lands_on_the_same_noise_at_the_earlier_step() -> None:
    noise = torch.tensor([[[[0.5, -1.0], [2.0, 0.0]]]])
    t, before = torch.tensor([40]), torch.tensor([10])
    x_t = diffuse(SHORT, X0, t, noise)
    expected = diffuse(SHORT, X0, before, noise)
    torch.testing.assert_close(ddim_step(KnowsTheAnswer(), x_t, t, before), expected)


def test_the_last_step_adds_no_noise() -> None:
    step = ancestral_step(KnowsTheAnswer(), X0 * 1.2, torch.tensor([0]), torch.full_like(X0, 9.0))
    torch.testing.assert_close(step, X0, atol=1e-4, rtol=0)


def test_an_earlier_step_adds_noise_of_the_posteriors_size() -> None:
    t, model = torch.tensor([30]), KnowsTheAnswer()
    still = ancestral_step(model, X0, t, torch.zeros_like(X0))
    moved = ancestral_step(model, X0, t, torch.ones_like(X0))
    expected = float(SHORT.posterior_variance[30].sqrt())
    assert float((moved - still).mean()) == pytest.approx(expected, rel=1e-4)
