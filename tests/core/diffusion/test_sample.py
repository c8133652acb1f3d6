import pytest
import torch
from torch import Tensor

from stream_inspector.diffusion.denoiser import Denoiser
from stream_inspector.diffusion.sample import ancestral_step, ddim, ddim_step, sample
from stream_inspector.diffusion.schedule import Schedule, at, diffuse, linear_schedule, respace

SHORT = respace(linear_schedule(), 50)
X0 = torch.full((1, 1, 2, 2), 0.4)


class KnowsTheAnswer(Denoiser):
    """The optimal denoiser of data that is always X0."""

    def __init__(self, schedule: Schedule = SHORT, clip: float | None = 1.0) -> None:
        super().__init__(_unused, schedule, clip=clip)

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


def test_ddim_ends_at_the_data_and_draws_nothing() -> None:
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    found = ddim(KnowsTheAnswer(), torch.full((1, 1, 2, 2), 3.0), 49)
    torch.testing.assert_close(found, X0, atol=1e-4, rtol=0)
    assert torch.equal(torch.rand(1), expected)


@pytest.mark.slow
def test_both_samplers_draw_from_the_data_s_distribution() -> None:
    """Data of N(0, 0.5^2) has an exact linear denoiser. The posterior's variance, a lower bound,
    costs ancestral samples some of their deviation; less on a longer chain."""
    chain = respace(linear_schedule(), 500)

    class Gaussian(KnowsTheAnswer):
        def raw(self, x_t: Tensor, t: Tensor) -> tuple[Tensor, Tensor | None, Tensor | None]:
            scale, alpha_bar = self.scalings(t, x_t), at(chain.alpha_bars, t, x_t)
            x0 = alpha_bar.sqrt() * 0.25 / (alpha_bar * 0.25 + 1 - alpha_bar) * x_t
            return (x0 - scale.skip * x_t) / scale.out, None, None

    model = Gaussian(chain, clip=None)
    rng = torch.Generator().manual_seed(0)
    noise = torch.randn(20_000, 1, 1, 1, generator=rng)
    for found in (sample(model, noise, 499, rng), ddim(model, noise, 499)):
        assert float(found.mean()) == pytest.approx(0, abs=0.02)
        assert float(found.std()) == pytest.approx(0.5, rel=0.03)
