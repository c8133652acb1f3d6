"""Random squares of a sample: what a small network learns of fine detail in a given time."""

import torch
from torch import Tensor


def random_crops(x: Tensor, side: int, generator: torch.Generator) -> Tensor:
    """A square of each sample [B, C, H, W], [B, C, side, side]; no larger than the sample."""
    h, w = (min(side, length) for length in x.shape[2:])
    top = torch.randint(x.shape[2] - h + 1, (len(x),), generator=generator).tolist()
    left = torch.randint(x.shape[3] - w + 1, (len(x),), generator=generator).tolist()
    squares = [each[:, y : y + h, z : z + w] for each, y, z in zip(x, top, left, strict=True)]
    return torch.stack(squares)
