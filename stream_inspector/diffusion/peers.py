"""One network trained by several processes: each has its rows of a batch, all take the same step.

All of them draw the same batch, steps and noise from the same seed, so a step is that of one
process with the whole batch, up to the rounding of a sum. Started by torchrun; the process group is
the caller's.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class Peers:
    """Which of the processes this one is."""

    rank: int = 0
    count: int = 1

    def rows(self, size: int) -> tuple[Tensor, float]:
        """Indices of this process's rows of a batch, and the share that they are of it.

        Where there are more processes than rows, the rest compute the first one and count it 0, so
        that the same weights have a gradient everywhere.
        """
        mine = torch.arange(self.rank, size, self.count)
        return (mine, len(mine) / size) if len(mine) else (torch.zeros(1, dtype=torch.int64), 0.0)

    def add_gradients(self, network: nn.Module) -> None:
        """Every process's gradients become the sum of all."""
        if self.count == 1:
            return
        found = [weight.grad for weight in network.parameters() if weight.grad is not None]
        waiting = [dist.all_reduce(gradient, async_op=True) for gradient in found]
        for work in waiting:
            if work is not None:
                work.wait()

    def added(self, value: Tensor) -> Tensor:
        """The sum of all processes' values."""
        if self.count > 1:
            dist.all_reduce(value)
        return value

    def agreed(self, choice: str, among: Sequence[str], device: torch.device) -> str:
        """What the first process chose: timings differ from process to process."""
        if self.count == 1:
            return choice
        place = torch.tensor(among.index(choice), device=device)
        dist.broadcast(place, src=0)
        return among[int(place)]
