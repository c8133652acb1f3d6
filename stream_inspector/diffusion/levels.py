"""A network that is asked at a few noise levels only: its embeddings become tables.

The time and label embedding, its two layers and one layer in every residual block depend on the
step alone. For the steps that a preset scores they are computed once, and a tenth of the paper's
weights is gone (RAN section H).
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from stream_inspector.diffusion.layers import ResBlock
from stream_inspector.diffusion.unet import UNet


class Rows(nn.Module):
    """Which row of the tables belongs to original steps [B] and class labels [B]."""

    def __init__(self, steps: Tensor) -> None:
        super().__init__()
        self.register_buffer("steps", steps)

    def forward(self, t: Tensor, label: Tensor | None) -> Tensor:
        """[B] -> [B]. No step that is not there may be asked for."""
        steps = self.get_buffer("steps")
        row = (t[:, None] == steps).int().argmax(1)
        return row if label is None else row + label * len(steps)


class Table(nn.Module):
    """What a residual block is told at each known step, [rows, W]."""

    def __init__(self, rows: Tensor) -> None:
        super().__init__()
        self.register_buffer("rows", rows)

    def forward(self, row: Tensor) -> Tensor:
        """[B] -> [B, W]."""
        known: Tensor = self.get_buffer("rows")
        return known[row]


def at_levels(network: UNet, steps: Sequence[int]) -> UNet:
    """The network, changed to one that knows these original steps alone; outputs stay the same."""
    weights = next(network.parameters())
    known = torch.tensor(sorted(set(steps)), device=weights.device)
    classes = network.shape.classes
    label = torch.arange(max(1, classes), device=weights.device).repeat_interleave(len(known))
    with torch.no_grad():
        embedding = network.embed(known.repeat(max(1, classes)), label if classes else None)
        for block in network.modules():
            if isinstance(block, ResBlock):
                block.emb_layers = Table(block.emb_layers(embedding))
    network.fold_embedding(Rows(known))
    return network
