import pytest
import torch

from stream_inspector.diffusion.schedule import at, diffuse, linear_schedule, respace


def test_linear_betas_and_alpha_bars_by_hand() -> None:
    schedule = linear_schedule(steps=3, start=0.1, end=0.3)
    assert schedule.betas.tolist() == pytest.approx([0.1, 0.2, 0.3])
    assert schedule.alpha_bars.tolist() == pytest.approx([0.9, 0.72, 0.504])
    assert schedule.alpha_bars_before.tolist() == pytest.approx([1.0, 0.9, 0.72])


def test_posterior_variance_by_hand() -> None:
    schedule = linear_schedule(steps=3, start=0.1, end=0.3)
    # beta (1 - abar_before) / (1 - abar): 0.2 * 0.1 / 0.28 and 0.3 * 0.28 / 0.496
    assert schedule.posterior_variance.tolist() == pytest.approx([0.0, 0.0714286, 0.1693548])
    logs = schedule.posterior_log_variance
    assert logs[0] == logs[1]
    assert logs[1:].exp().tolist() == pytest.approx([0.0714286, 0.1693548])


def test_the_papers_noise_levels() -> None:
    """RAN, section B: original steps 20, 201, 401 have sigma 0.079, 0.589, 0.899."""
    sigma = (1 - linear_schedule().alpha_bars).sqrt()
    assert [round(float(sigma[t]), 3) for t in (20, 201, 401)] == [0.079, 0.589, 0.899]


def test_respacing_to_250_maps_the_papers_steps() -> None:
    short = respace(linear_schedule(), 250)
    assert short.original[[0, 5, 50, 100, 249]].tolist() == [0, 20, 201, 401, 999]


def test_a_respaced_chain_has_the_same_noise_levels() -> None:
    full = linear_schedule()
    short = respace(full, 7)
    torch.testing.assert_close(short.alpha_bars, full.alpha_bars[short.original])


def test_the_full_chain_is_itself() -> None:
    full = linear_schedule()
    assert respace(full, 1000) is full


@pytest.mark.parametrize("steps", [1, 1001])
def test_respacing_refuses_impossible_lengths(steps: int) -> None:
    with pytest.raises(ValueError, match=r"2\.\.1000"):
        respace(linear_schedule(), steps)


def test_at_broadcasts_over_images() -> None:
    picked = at(torch.tensor([1.0, 2.0, 3.0]), torch.tensor([2, 0]), torch.zeros(2, 3, 4, 4))
    assert picked.shape == (2, 1, 1, 1)
    assert picked.flatten().tolist() == [3.0, 1.0]


def test_diffuse_by_hand() -> None:
    schedule = linear_schedule(steps=3, start=0.1, end=0.3)
    x_t = diffuse(
        schedule, torch.full((1, 1, 1, 1), 2.0), torch.tensor([1]), torch.ones(1, 1, 1, 1)
    )
    assert float(x_t) == pytest.approx(0.72**0.5 * 2 + 0.28**0.5)


def test_stepping_q_one_by_one_gives_the_closed_form() -> None:
    """Variance of x_t from the recursion x_t = sqrt(1 - b) x + sqrt(b) e."""
    schedule, variance = linear_schedule(), 0.0
    for beta in schedule.betas[:300].tolist():
        variance = (1 - beta) * variance + beta
    assert variance == pytest.approx(float(1 - schedule.alpha_bars[299]), abs=1e-9)


def _guided_diffusions_steps(steps: int) -> list[int]:
    """As its respacing walks: one addition after another, each rounded for itself."""
    place, stride, taken = 0.0, 999 / (steps - 1), []
    while len(taken) < steps:
        taken.append(round(place))
        place += stride
    return taken


def test_every_length_keeps_the_steps_of_guided_diffusion() -> None:
    full = linear_schedule()
    kept = {steps: respace(full, steps).original.tolist() for steps in range(2, 1001)}
    assert [n for n, found in kept.items() if found != _guided_diffusions_steps(n)] == []
    by_products = {n: [round(i * (999 / (n - 1))) for i in range(n)] for n in kept}
    assert sum(kept[n] != by_products[n] for n in kept) == 278
    assert kept[250] == by_products[250]  # the released setting: models of before stay the same
