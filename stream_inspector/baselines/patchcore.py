"""PatchCore (Roth et al. 2022): distance to the nearest of a coreset of good positions."""

from dataclasses import dataclass

import torch
from torch import Tensor

from stream_inspector.baselines.method import (
    Scored,
    nearest_distances,
    neighbourhood_means,
    vectors,
)

MEMORY = 8192  # vectors kept
CANDIDATES = 1 << 16  # positions the coreset is chosen from, drawn at random: bounds time and bytes
PROJECTED = 64  # channels of the random projection that the choice is made in


@dataclass(frozen=True, eq=False)
class PatchCore:
    """The memory bank."""

    bank: Tensor  # [M, C]
    pool: bool

    @property
    def nbytes(self) -> int:
        """What it has to keep in memory."""
        return self.bank.nbytes

    def score(self, features: Tensor) -> Scored:
        """Distances of features [B, C, h, w]; an image's score is its largest.

        The image score is not reweighted by the neighbours' density (the paper's equation 7): the
        authors' code leaves that out as well.
        """
        b, _, h, w = features.shape
        queries = vectors(neighbourhood_means(features) if self.pool else features)
        maps = nearest_distances(queries, self.bank).reshape(b, h, w)
        return Scored(maps, maps.flatten(1).amax(1))


def fit_patchcore(
    features: Tensor, seed: int, memory: int = MEMORY, *, pool: bool = True
) -> PatchCore:
    """Choose `memory` vectors among the positions of good features [N, C, h, w]."""
    generator = torch.Generator().manual_seed(seed)
    found = vectors(neighbourhood_means(features) if pool else features)
    drawn = torch.randperm(len(found), generator=generator)[:CANDIDATES]
    candidates = found[drawn]
    projection = torch.randn(found.shape[1], PROJECTED, generator=generator) / PROJECTED**0.5
    chosen = k_centres(candidates @ projection, min(memory, len(candidates)))
    return PatchCore(candidates[chosen], pool)


def k_centres(points: Tensor, count: int) -> Tensor:
    """Indices [count] of greedily chosen centres: always the point farthest from all before it.

    The largest distance of a point [P, D] to its centre is then at most twice the least possible
    (Gonzalez 1985).
    """
    norms = points.square().sum(1)
    chosen = torch.zeros(count, dtype=torch.int64)
    farthest = torch.tensor(0)
    gap = torch.full((len(points),), torch.inf)
    for i in range(count):
        chosen[i] = farthest
        centre = points[farthest]
        gap = torch.minimum(gap, norms - 2 * (points @ centre) + norms[farthest])
        gap[farthest] = -torch.inf  # a duplicate may not hide that this one is taken
        farthest = gap.argmax()
    return chosen
