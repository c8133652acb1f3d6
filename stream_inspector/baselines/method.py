"""What every baseline gives, and the two steps that several of them share."""

from typing import NamedTuple, Protocol

import torch
from torch import Tensor, nn

_PAIRS = 1 << 24  # distances held at a time, 64 MiB


class Scored(NamedTuple):
    """Grid maps, and image scores where the method has its own."""

    maps: Tensor  # [B, h, w]; larger is more anomalous
    image_scores: Tensor | None  # [B]; None: the mean of the largest pixels of the enlarged map


class Fitted(Protocol):
    """A method that knows good features."""

    @property
    def nbytes(self) -> int:
        """What it has to keep in memory."""
        ...

    def score(self, features: Tensor) -> Scored:
        """Score features [B, C, h, w]."""
        ...


def neighbourhood_means(features: Tensor) -> Tensor:
    """Features averaged over 3x3 positions, cut at the border, same shape [B, C, h, w]."""
    return nn.functional.avg_pool2d(
        features, kernel_size=3, stride=1, padding=1, count_include_pad=False
    )


def vectors(features: Tensor) -> Tensor:
    """The features of every position, [B, C, h, w] -> [B h w, C]."""
    return features.movedim(1, -1).reshape(-1, features.shape[1])


def nearest_distances(queries: Tensor, bank: Tensor) -> Tensor:
    """Euclidean distance of queries [Q, C] to the nearest of bank [M, C], [Q]; bounded memory."""
    half_norms = bank.square().sum(1) / 2
    rows = max(1, _PAIRS // len(bank))
    # |q - m|^2 = |q|^2 - 2 (q.m - |m|^2 / 2): one matrix product and one maximum
    closeness = [
        torch.addmm(-half_norms, part, bank.T).amax(1) for part in torch.split(queries, rows)
    ]
    return (queries.square().sum(1) - 2 * torch.cat(closeness)).clamp_min(0).sqrt()
