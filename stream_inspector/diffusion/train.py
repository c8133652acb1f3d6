"""Training a denoiser: the paper's loss, AdamW with annealed rate, averaged weights, fixed seed.

Loss a sample (RAN section A): squared error of the network's own target, the variational bound
with its mean stopped (it trains the variance alone; Nichol & Dhariwal 2021, section 3.1), and the
squared error of the feature head.
"""

import copy
from collections.abc import Mapping
from typing import NamedTuple, Protocol

import torch
from torch import Tensor, nn

from stream_inspector.diffusion.crops import random_crops
from stream_inspector.diffusion.denoiser import Denoiser
from stream_inspector.diffusion.peers import Peers
from stream_inspector.diffusion.posterior import (
    Gaussian,
    kl_divergence,
    learned_log_variance,
    posterior,
    posterior_mean,
)
from stream_inspector.diffusion.schedule import diffuse
from stream_inspector.presets import TrainingPlan


class Batch(NamedTuple):
    """Clean samples; their frozen features for a feature head; their class labels."""

    x0: Tensor  # [B, C, H, W]
    features: Tensor | None = None  # [B, F, h, w]
    labels: Tensor | None = None  # [B]

    def to(self, device: torch.device) -> "Batch":
        """The batch on a device."""
        features, labels = (part if part is None else part.to(device) for part in self[1:])
        return Batch(self.x0.to(device), features, labels)

    def rows(self, picked: Tensor) -> "Batch":
        """Some of its samples."""
        features, labels = (part if part is None else part[picked] for part in self[1:])
        return Batch(self.x0[picked], features, labels)


class Samples(Protocol):
    """What a network is trained on."""

    def __len__(self) -> int: ...

    def batch(self, picked: Tensor, generator: torch.Generator) -> Batch:
        """The samples with these indices [B], augmented at random."""
        ...


class Losses(NamedTuple):
    """The three terms, each averaged over the batch."""

    target: Tensor
    bound: Tensor
    features: Tensor

    def total(self, plan: TrainingPlan) -> Tensor:
        """Their weighted sum."""
        weighted = plan.bound_weight * self.bound + plan.feature_weight * self.features
        return self.target + weighted


def losses(denoiser: Denoiser, batch: Batch, t: Tensor, noise: Tensor) -> Losses:
    """The loss terms of clean samples noised to steps t [B] of the denoiser's chain.

    At t = 0 the bound is the same divergence with the variance of t = 1, in place of a discrete
    likelihood, which features do not have.
    """
    x0, zero = batch.x0, batch.x0.new_zeros(())
    x_t = diffuse(denoiser.schedule, x0, t, noise)
    scale = denoiser.scalings(t, x0)
    f, v, features = denoiser.given(batch.labels).raw(x_t, t)
    target = ((x0 - scale.skip * x_t) / scale.out - f).square().mean()
    bound, feature_loss = zero, zero
    if v is not None:
        estimate = (scale.skip * x_t + scale.out * f).detach()
        mean = posterior_mean(denoiser.schedule, estimate, x_t, t)
        reverse = Gaussian(mean, learned_log_variance(denoiser.schedule, v, t))
        bound = kl_divergence(posterior(denoiser.schedule, x0, x_t, t), reverse).mean()
    if features is not None and batch.features is not None:
        feature_loss = (features - batch.features).square().mean()
    return Losses(target, bound, feature_loss)


class Average:
    """Exponential moving average of a network's weights, warmed up so that short runs profit."""

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.network, self.decay, self.updates = copy.deepcopy(network), decay, 0
        self.network.requires_grad_(requires_grad=False).eval()

    def update(self, network: nn.Module) -> None:
        """Move the average towards the network's present weights."""
        self.updates += 1
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        with torch.no_grad():
            pairs = zip(self.network.parameters(), network.parameters(), strict=True)
            for average, present in pairs:
                average.lerp_(present, 1 - decay)


class Step(NamedTuple):
    """What a step of training did."""

    number: int  # steps done, this one included
    loss: float
    learning_rate: float


class Training:
    """One network's training, step by step. Deterministic: all randomness is the generator's.

    `state` and `restore` take it up where it was, to the bit in single precision.
    """

    def __init__(
        self,
        network: nn.Module,
        denoiser: Denoiser,
        samples: Samples,
        plan: TrainingPlan,
        generator: torch.Generator,
        *,
        peers: Peers | None = None,
    ) -> None:
        """`denoiser` runs `network`, on the device where that is; None: this process alone."""
        self._peers = peers or Peers()
        self.network, self.samples, self.plan = network.train(), samples, plan
        self.generator, self.steps = generator, 0
        self.average = Average(network, plan.ema)
        self._denoiser, self._device = denoiser, next(network.parameters()).device
        self._order = torch.empty(0, dtype=torch.int64)  # what is left of this pass over all
        self._optimiser = torch.optim.AdamW(
            network.parameters(), lr=plan.learning_rate, weight_decay=plan.weight_decay
        )

    @property
    def finished(self) -> bool:
        """Whether the plan's iterations are done."""
        return self.steps >= self.plan.iterations

    def advance(self) -> Step:
        """Take one step."""
        rate = self.plan.learning_rate * (1 - self.steps / self.plan.iterations)
        batch = self.samples.batch(self._pick(), self.generator)
        if self.plan.crop:
            batch = batch._replace(x0=random_crops(batch.x0, self.plan.crop, self.generator))
        low, high = self.plan.steps
        t = torch.randint(low, high + 1, (len(batch.x0),), generator=self.generator)
        noise = torch.randn(batch.x0.shape, generator=self.generator)
        loss = self._loss(batch, t, noise)
        self._descend(loss, rate)
        self.average.update(self.network)
        self.steps += 1
        return Step(self.steps, float(self._peers.added(loss.detach())), rate)

    def _loss(self, batch: Batch, t: Tensor, noise: Tensor) -> Tensor:
        """The mean over this process's rows, as a part of the whole batch's."""
        share = 1.0
        if self._peers.count > 1:
            rows, share = self._peers.rows(len(t))
            batch, t, noise = batch.rows(rows), t[rows], noise[rows]
        batch = batch.to(self._device)
        noise = noise.to(batch.x0)
        total = losses(self._denoiser, batch, t, noise).total(self.plan)
        return total if share == 1 else share * total

    def _pick(self) -> Tensor:
        """Indices of the next batch; every sample once in a pass, the last batch may be small."""
        if not len(self._order):
            self._order = torch.randperm(len(self.samples), generator=self.generator)
        picked, self._order = self._order[: self.plan.batch], self._order[self.plan.batch :]
        return picked

    def _descend(self, loss: Tensor, rate: float) -> None:
        for group in self._optimiser.param_groups:
            group["lr"] = rate
        self._optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]  # torch's own annotation
        self._peers.add_gradients(self.network)
        nn.utils.clip_grad_norm_(self.network.parameters(), self.plan.clip_norm)
        self._optimiser.step()

    def state(self) -> dict[str, Tensor]:
        """Everything the next step depends on, by name: what the training itself goes on with.

        No copies, of which the paper's network would take 8 GiB: they change with the next step.
        """
        moments = {
            f"optimiser.{index}.{name}": value
            for index, entry in self._optimiser.state_dict()["state"].items()
            for name, value in entry.items()
        }
        parts = {
            **{f"network.{name}": value for name, value in self.network.state_dict().items()},
            **{f"average.{k}": v for k, v in self.average.network.state_dict().items()},
            **moments,
            "order": self._order,
            "generator": self.generator.get_state(),
            "steps": torch.tensor(self.steps),
        }
        return {name: value.detach().cpu() for name, value in parts.items()}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Go on from a state of a training of the same network, samples and plan.

        Of a finished training the average and the steps suffice.
        """
        self.average.network.load_state_dict(_under("average.", state))
        self.steps = self.average.updates = int(state["steps"])
        if self.finished:
            return
        self.network.load_state_dict(_under("network.", state))
        self._order = state["order"].clone()
        self.generator.set_state(state["generator"].clone())
        moments: dict[int, dict[str, Tensor]] = {}
        for name, value in _under("optimiser.", state).items():
            index, part = name.split(".", 1)
            moments.setdefault(int(index), {})[part] = value.clone()
        groups = self._optimiser.state_dict()["param_groups"]
        self._optimiser.load_state_dict({"state": moments, "param_groups": groups})


def _under(prefix: str, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
