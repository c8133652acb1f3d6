import pytest
import torch
from torch import Tensor

from stream_inspector.diffusion.denoiser import PARAMETERISATIONS, Denoiser, noise_of, scalings
from stream_inspector.diffusion.schedule import diffuse, linear_schedule, respace

SCHEDULE = linear_schedule()
X0 = torch.linspace(-0.9, 0.9, 2 * 3 * 4 * 4, dtype=torch.float64).reshape(2, 3, 4, 4)
NOISE = torch.randn(X0.shape, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
T = torch.tensor([7, 500])
X_T = diffuse(SCHEDULE, X0, T, NOISE)


class Oracle:
    """A network that returns a given raw prediction and remembers what it was asked."""

    def __init__(self, raw: Tensor) -> None:
        self.raw, self.asked_t, self.asked_x = raw, torch.empty(0), torch.empty(0)

    def __call__(self, x: Tensor, t: Tensor, /) -> tuple[Tensor, Tensor | None]:
        self.asked_x, self.asked_t = x, t
        return self.raw, None


def _perfect(kind: str, sigma_data: float) -> Tensor:
    """The raw output that means exactly x_0."""
    factors = Denoiser(Oracle(X0), SCHEDULE, kind, sigma_data).scalings(T, X0)
    return (X0 - factors.skip * X_T) / factors.out


@pytest.mark.parametrize("kind", PARAMETERISATIONS)
def test_a_perfect_network_returns_x0(kind: str) -> None:
    denoiser = Denoiser(Oracle(_perfect(kind, 0.4)), SCHEDULE, kind, 0.4)
    torch.testing.assert_close(denoiser(X_T, T).x0, X0)


def test_eps_is_the_noise_and_v_its_rotation() -> None:
    alpha_bar = SCHEDULE.alpha_bars[T].reshape(2, 1, 1, 1)
    torch.testing.assert_close(_perfect("eps", 1.0), NOISE)
    v = alpha_bar.sqrt() * NOISE - (1 - alpha_bar).sqrt() * X0
    torch.testing.assert_close(_perfect("v", 1.0), v)


def test_edm_input_and_target_have_unit_variance() -> None:
    """Karras et al. 2022: for data of variance sigma_data^2, at every noise level."""
    for t in (5, 200, 800):
        skip, out, inp = scalings("edm", SCHEDULE.alpha_bars[t], sigma_data=0.35)
        data, share = 0.35**2, float(SCHEDULE.alpha_bars[t])
        assert float(inp**2) * (share * data + 1 - share) == pytest.approx(1)
        # (x0 - skip x_t) / out, with x_t = root x0 + sqrt(1 - share) e
        signal = (1 - float(skip) * share**0.5) ** 2 * data
        assert (signal + float(skip) ** 2 * (1 - share)) / float(out) ** 2 == pytest.approx(1)


def test_the_estimate_is_clipped_only_when_asked() -> None:
    wild = Oracle(torch.full_like(X0, 50.0))
    assert float(Denoiser(wild, SCHEDULE, "v", clip=1.0)(X_T, T).x0.abs().max()) <= 1.0
    assert float(Denoiser(wild, SCHEDULE, "v", clip=None)(X_T, T).x0.abs().max()) > 1.0


def test_a_respaced_chain_tells_the_network_the_original_step() -> None:
    oracle = Oracle(X0)
    Denoiser(oracle, SCHEDULE).on(respace(SCHEDULE, 250))(X_T, torch.tensor([5, 100]))
    assert oracle.asked_t.tolist() == [20, 401]


def test_the_second_half_of_the_channels_is_the_variance() -> None:
    v = torch.full_like(X0, 1.0)
    seen = Denoiser(Oracle(torch.cat([X0, v], dim=1)), SCHEDULE)(X_T, T)
    assert seen.log_variance is not None
    expected = SCHEDULE.betas[T].log().reshape(2, 1, 1, 1).expand_as(X0)
    torch.testing.assert_close(seen.log_variance, expected)


def test_without_learned_variance_the_posterior_has_its_own() -> None:
    reverse = Denoiser(Oracle(_perfect("eps", 1.0)), SCHEDULE).reverse(X_T, T)
    assert float(reverse.log_variance[1, 0, 0, 0]) == pytest.approx(
        float(SCHEDULE.posterior_log_variance[500])
    )


def test_noise_of_inverts_diffuse() -> None:
    torch.testing.assert_close(noise_of(SCHEDULE, X_T, X0, T), NOISE)


def test_an_unknown_parameterisation_is_named() -> None:
    with pytest.raises(ValueError, match="'score' is none of eps, v, edm, x0"):
        scalings("score", SCHEDULE.alpha_bars)
