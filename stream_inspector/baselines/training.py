"""How baselines that learn are trained: for so many iterations or as long as the caller says."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor, nn

Spent = Callable[[int], float]
"""Share of the budget that so many iterations have spent; from 1 on it is enough."""


def iterations(count: int) -> Spent:
    """A budget of so many iterations."""
    return lambda done: done / count if count else 1.0


class Training(NamedTuple):
    """What a method is fitted with."""

    seed: int = 0
    spent: Spent = iterations(0)
    device: torch.device = torch.device("cpu")

    @property
    def generator(self) -> torch.Generator:
        """Of all that a method draws, on the processor."""
        return torch.Generator().manual_seed(self.seed)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Layers made inside get their weights from the seed; the global state stays as it is."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def descend(
    network: nn.Module, loss: Callable[[], Tensor], optimiser: torch.optim.Optimizer, spent: Spent
) -> int:
    """Train until the budget is spent, the rate falling to 0 by half a cosine: the iterations.

    Also dropout is of the global random state, which the caller has seeded.
    """
    network.train()
    done = 0
    while (share := spent(done)) < 1:
        for group in optimiser.param_groups:
            first = group.setdefault("initial_lr", group["lr"])
            group["lr"] = first * (1 + math.cos(math.pi * share)) / 2
        optimiser.zero_grad(set_to_none=True)
        loss().backward()  # type: ignore[no-untyped-call]  # torch's own annotation
        optimiser.step()
        done += 1
    network.requires_grad_(requires_grad=False).eval()
    return done


def drawn(count: int, size: int, generator: torch.Generator) -> Tensor:
    """Indices [size] of a batch."""
    return torch.randint(count, (size,), generator=generator)


def bytes_of(network: nn.Module) -> int:
    """What a network's weights and buffers take."""
    return sum(tensor.nbytes for tensor in network.state_dict().values())


def as_input(images: Tensor) -> Tensor:
    """uint8 [B, 3, H, W] -> float32 in [-1, 1]."""
    return images.float() / 127.5 - 1
