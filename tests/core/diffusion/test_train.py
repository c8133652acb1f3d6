from dataclasses import dataclass

import pytest
import torch
from torch import Tensor, nn

from stream_inspector.diffusion.denoiser import Denoiser
from stream_inspector.diffusion.schedule import linear_schedule
from stream_inspector.diffusion.train import Average, Batch, Losses, Training, losses
from stream_inspector.presets import TrainingPlan

SCHEDULE = linear_schedule()
X0 = torch.linspace(-1, 1, 32).reshape(2, 1, 4, 4)
NOISE = torch.randn(X0.shape, generator=torch.Generator().manual_seed(0))
T = torch.tensor([100, 600])


class Constant(nn.Module):
    """Predicts the same noise and variance everywhere."""

    def __init__(self, noise: Tensor, v: float = 0.0) -> None:
        super().__init__()
        self.noise, self.v = nn.Parameter(noise.clone()), nn.Parameter(torch.tensor(v))

    def forward(self, x: Tensor, t: Tensor) -> tuple[Tensor, Tensor | None]:
        return torch.cat([self.noise, self.v.expand_as(self.noise)], dim=1), self.noise


def test_perfect_noise_and_features_cost_nothing() -> None:
    found = losses(Denoiser(Constant(NOISE), SCHEDULE), Batch(X0, NOISE), T, NOISE)
    assert float(found.target) == pytest.approx(0)
    assert float(found.features) == 0
    assert float(found.bound) >= 0


def test_the_target_term_is_the_mean_squared_noise_error() -> None:
    found = losses(Denoiser(Constant(NOISE + 0.5), SCHEDULE), Batch(X0, None), T, NOISE)
    assert float(found.target) == pytest.approx(0.25, rel=1e-4)
    assert float(found.features) == 0


def test_the_bound_trains_the_variance_and_never_the_mean() -> None:
    network = Constant(NOISE + 0.5, v=0.3)
    losses(Denoiser(network, SCHEDULE), Batch(X0, None), T, NOISE).bound.backward()
    assert network.v.grad is not None
    assert float(network.v.grad.abs()) > 0
    assert network.noise.grad is None or not network.noise.grad.any()


def test_the_bound_prefers_the_posteriors_variance_when_the_mean_is_right() -> None:
    def bound(v: float) -> float:
        model = Denoiser(Constant(NOISE, v), SCHEDULE)
        return float(losses(model, Batch(X0, None), torch.tensor([3, 3]), NOISE).bound)

    assert bound(-1.0) == pytest.approx(0, abs=1e-6)
    assert bound(0.0) > bound(-0.5) > bound(-1.0)


def test_total_weighs_the_terms() -> None:
    plan = TrainingPlan(1, 1, 1e-3, (0, 9), feature_weight=2.0, bound_weight=0.5)
    parts = Losses(torch.tensor(1.0), torch.tensor(10.0), torch.tensor(100.0))
    assert float(parts.total(plan)) == 1 + 5 + 200


def test_the_average_follows_the_warm_up_formula() -> None:
    network = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(network.weight)
    average = Average(network, decay=0.997)
    nn.init.ones_(network.weight)
    average.update(network)
    assert float(average.network.weight.detach()) == pytest.approx(1 - 2 / 11)  # type: ignore[arg-type]  # a Linear
    average.updates = 10**6
    average.update(network)
    assert float(average.network.weight.detach()) == pytest.approx(1 - 0.997 * 2 / 11)  # type: ignore[arg-type]  # a Linear


@dataclass(frozen=True, eq=False)
class Always:
    """Numbered samples."""

    x: Tensor

    def __len__(self) -> int:
        return len(self.x)

    def batch(self, picked: Tensor, generator: torch.Generator) -> Batch:
        return Batch(self.x[picked])


def _training(seed: int, iterations: int = 60) -> Training:
    plan = TrainingPlan(iterations, 2, 5e-2, (300, 300), ema=0.9)
    network = Constant(torch.zeros(2, 1, 4, 4))
    rng = torch.Generator().manual_seed(seed)
    return Training(network, Denoiser(network, SCHEDULE), Always(X0), plan, rng)


def _run(training: Training) -> list[float]:
    seen = []
    while not training.finished:
        seen.append(training.advance().loss)
    return seen


@pytest.mark.slow
def test_training_is_reproducible_by_seed() -> None:
    first, second = _training(1), _training(1)
    a, b, c = _run(first), _run(second), _run(_training(2))
    assert a == b != c
    assert len(a) == 60
    for one, other in zip(
        first.average.network.parameters(), second.average.network.parameters(), strict=True
    ):
        assert torch.equal(one, other)


def test_the_learning_rate_falls_linearly_to_zero() -> None:
    training = _training(1, iterations=4)
    rates = [training.advance().learning_rate for _ in range(4)]
    assert rates == pytest.approx([5e-2, 3.75e-2, 2.5e-2, 1.25e-2])


def test_every_sample_is_seen_once_in_a_pass() -> None:
    seen: list[int] = []

    class Counting(Always):
        def batch(self, picked: Tensor, generator: torch.Generator) -> Batch:
            seen.extend(picked.tolist())
            return Batch(X0)

    plan = TrainingPlan(6, 2, 1e-3, (300, 300))
    network, rng = Constant(torch.zeros(2, 1, 4, 4)), torch.Generator().manual_seed(0)
    five = Counting(torch.zeros(5, 1, 4, 4))
    _run(Training(network, Denoiser(network, SCHEDULE), five, plan, rng))
    assert sorted(seen[:5]) == sorted(seen[5:]) == [0, 1, 2, 3, 4]
    assert seen[:5] != seen[5:]


@pytest.mark.parametrize("steps", [1, 31, 60])
def test_a_restored_training_goes_on_as_if_nothing_had_happened(steps: int) -> None:
    whole, stopped, resumed = _training(1), _training(1), _training(8)
    expected = _run(whole)
    for _ in range(steps):
        stopped.advance()
    state = {name: value.clone() for name, value in stopped.state().items()}
    stopped.advance() if steps < 60 else None  # what happens after the state must not matter
    resumed.restore(state)
    assert _run(resumed) == expected[steps:]
    found, wanted = resumed.state(), whole.state()
    compared = wanted if steps < 60 else {k for k in wanted if k.startswith("average.")}
    assert all(torch.equal(found[name], wanted[name]) for name in compared)


def test_a_state_is_the_trainings_own_and_no_copy() -> None:
    training = _training(1)
    training.advance()
    where = {x.data_ptr() for x in training.state().values()}
    for owned in (training.network, training.average.network):
        assert {x.data_ptr() for x in owned.state_dict().values()} <= where


def test_training_learns() -> None:
    """Without noise in the data the constant goes to the mean of the target: here v of zero."""

    class Shared(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.gain = nn.Parameter(torch.zeros(()))

        def forward(self, x: Tensor, t: Tensor) -> tuple[Tensor, Tensor | None]:
            return self.gain * x, None

    network = Shared()
    seen = _run(
        Training(
            network,
            Denoiser(network, SCHEDULE),
            Always(torch.zeros(4, 1, 4, 4)),
            TrainingPlan(80, 4, 5e-2, (500, 500)),
            torch.Generator().manual_seed(0),
        )
    )
    # data at 0: noise = x_t / sqrt(1 - alpha_bar)
    expected = float((1 - SCHEDULE.alpha_bars[500]).rsqrt())
    assert float(network.gain.detach()) == pytest.approx(expected, rel=0.05)
    assert seen[-1] < 0.05 * seen[0]
