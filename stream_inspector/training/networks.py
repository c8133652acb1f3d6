"""The networks of a model, one after the other, from samples in memory.

A stage is one network's training. What all stages have come to can be handed out at any step, and
given back to a later run, which then goes on from there.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from stream_inspector.diffusion.denoiser import Network
from stream_inspector.diffusion.peers import Peers
from stream_inspector.diffusion.precision import PRECISIONS, choose, mixed
from stream_inspector.diffusion.train import Batch, Samples, Training
from stream_inspector.diffusion.unet import UNet
from stream_inspector.features import resized, to_tensor
from stream_inspector.image.augment import random_degrees, rotated
from stream_inspector.model.assembly import bind
from stream_inspector.presets import Diffusion
from stream_inspector.training.progress import OnProgress, Progress
from stream_inspector.verdict import Image


@dataclass(frozen=True, eq=False)
class Fixed:
    """Samples as they are."""

    x: Tensor  # [N, C, h, w]
    labels: Tensor  # [N]
    features: Tensor | None = None  # [N, F, h, w]

    def __len__(self) -> int:
        return len(self.x)

    def batch(self, picked: Tensor, generator: torch.Generator) -> Batch:  # noqa: ARG002  nothing is random
        """The samples with these indices [B]."""
        features = None if self.features is None else self.features[picked]
        return Batch(self.x[picked], features, self.labels[picked])


@dataclass(frozen=True, eq=False)
class Rotating:
    """Images [h, w, 3], turned a little differently each time they are seen."""

    images: Sequence[Image]
    labels: Tensor  # [N]
    size: tuple[int, int]  # [h, w] of the samples
    degrees: float  # at most, either way
    features: Callable[[Tensor, Tensor], Tensor | None]  # of images and their labels

    def __len__(self) -> int:
        return len(self.images)

    def batch(self, picked: Tensor, generator: torch.Generator) -> Batch:
        """The samples with these indices [B], rotated; features are those of the rotated image."""
        full = to_tensor([self.images[int(i)] for i in picked])
        full = rotated(full, random_degrees(len(picked), self.degrees, generator))
        labels = self.labels[picked]
        return Batch(resized(full, self.size), self.features(full, labels), labels)


Tensors = Mapping[str, Tensor]


@dataclass(frozen=True, slots=True)
class Checkpoints:
    """When the state of all stages is handed out, and the one to go on from."""

    every: int = 0  # steps, and when `on_progress` raises; 0: never
    # Of tensors that change with the next step.
    save: Callable[[Tensors], None] = lambda _: None
    last: Tensors = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Execution:
    """On what and how training runs; nothing here decides what is to be learned."""

    device: str = "cpu"
    precision: str = "auto"  # fp32 | bf16; auto: on accelerators the faster, else fp32
    recompute: bool = False  # activations in the backward pass: less memory, a third more time
    peers: Peers = field(default_factory=Peers)  # that train the same networks


class Learner:
    """Trains the stages of one model. Each stage has its own randomness, from the seed."""

    def __init__(
        self, seed: int, execution: Execution, checkpoints: Checkpoints, on_progress: OnProgress
    ) -> None:
        self._seed, self._execution = seed, execution
        self._checkpoints, self._on_progress = checkpoints, on_progress
        self.precisions: dict[str, str] = {}  # by stage, as chosen
        self._finished: dict[str, Tensor] = {}  # "<stage>/average.<name>" and "<stage>/steps"

    def learn(
        self,
        stage: str,
        diffusion: Diffusion,
        samples: Samples,
        sigma_data: float,
        first: Tensors | None = None,
    ) -> nn.Module:
        """The averaged network of one stage; it begins with the weights `first`, where given."""
        network = _initial(diffusion, _derived(self._seed, stage, 0), first or {})
        network = network.to(self._execution.device)
        network.recompute = self._execution.recompute
        training = Training(
            network,
            bind(diffusion, self._runner(stage, diffusion, network), sigma_data),
            samples,
            diffusion.plan,
            torch.Generator().manual_seed(_derived(self._seed, stage, 1)),
            peers=self._execution.peers,
        )
        self._resume(stage, training)
        while not training.finished:
            step = training.advance()
            total = diffusion.plan.iterations
            try:
                told = Progress(stage, step.number, total, step.loss, step.learning_rate)
                self._on_progress(told)
            except BaseException:  # a stop: what the training has come to is kept
                self._save(stage, training.state())
                raise
            if self._checkpoints.every and step.number % self._checkpoints.every == 0:
                self._save(stage, training.state())
        self._finish(stage, training)
        return training.average.network.cpu()

    def _runner(self, stage: str, diffusion: Diffusion, network: UNet) -> Network:
        """The network in the precision to train in."""
        device, batch = torch.device(self._execution.device), diffusion.plan.batch
        x = torch.zeros(batch, diffusion.channels, *diffusion.size, device=device)
        whole = torch.zeros(batch, dtype=torch.int64, device=device)
        chosen = choose(self._execution.precision, network, (x, whole, whole))
        self.precisions[stage] = self._execution.peers.agreed(chosen, PRECISIONS, device)
        return mixed(network, device) if self.precisions[stage] == "bf16" else network

    def _resume(self, stage: str, training: Training) -> None:
        start = f"{stage}/"
        last = self._checkpoints.last
        state = {k.removeprefix(start): v for k, v in last.items() if k.startswith(start)}
        if state:
            training.restore(state)

    def _finish(self, stage: str, training: Training) -> None:
        """Of a finished stage only its result is kept."""
        state = training.state()
        kept = {k: v for k, v in state.items() if k.startswith("average.") or k == "steps"}
        self._save(stage, kept)
        self._finished |= _named(stage, kept)

    def _save(self, stage: str, state: Tensors) -> None:
        if self._checkpoints.every:
            self._checkpoints.save({**self._finished, **_named(stage, state)})


def _initial(diffusion: Diffusion, seed: int, first: Tensors) -> UNet:
    """A network with random weights, some of them given; the global random state stays as it is."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = UNet(diffusion.network, diffusion.channels)
    odd = network.load_state_dict(dict(first), strict=False).unexpected_keys
    if odd:
        raise ValueError(f"the network has no {', '.join(odd[:3])}")
    return network


def _named(stage: str, state: Tensors) -> dict[str, Tensor]:
    return {f"{stage}/{name}": value for name, value in state.items()}


def _derived(seed: int, stage: str, number: int) -> int:
    """A seed of its own for each use, so that no stage depends on what another drew."""
    digest = hashlib.sha256(f"{seed} {stage} {number}".encode()).digest()
    return int.from_bytes(digest[:7], "big")
