"""PaDiM (Defard et al. 2021): a Gaussian per position of pooled, randomly chosen channels."""

from dataclasses import dataclass

import torch
from torch import Tensor

from stream_inspector.baselines.method import Scored, neighbourhood_means

CHANNELS = 100  # drawn at random, as in the paper for its smaller network
EPSILON = 0.01  # added to the covariance's diagonal


@dataclass(frozen=True, eq=False)
class Padim:
    """Mean and inverse Cholesky factor of every position."""

    picked: Tensor  # [D], int64
    mean: Tensor  # [h w, D]
    factor: Tensor  # [h w, D, D], L^-1 with L L^T the covariance
    pool: bool

    @property
    def nbytes(self) -> int:
        """What it has to keep in memory."""
        return self.mean.nbytes + self.factor.nbytes

    def score(self, features: Tensor) -> Scored:
        """Mahalanobis distances of features [B, C, h, w]."""
        b, _, h, w = features.shape
        centred = _observations(features, self.picked, pool=self.pool) - self.mean[:, :, None]
        distances = torch.linalg.vector_norm(self.factor @ centred, dim=1)
        return Scored(distances.T.reshape(b, h, w), None)


def fit_padim(
    features: Tensor, seed: int, channels: int | None = CHANNELS, *, pool: bool = True
) -> Padim:
    """Fit to good features [N, C, h, w] with so many channels; None takes all of them."""
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(features.shape[1], generator=generator)
    picked = order[:channels].sort().values
    observed = _observations(features, picked, pool=pool)
    mean, identity = observed.mean(2), torch.eye(len(picked))
    factor = torch.empty(len(observed), len(picked), len(picked))
    for position, x in enumerate(observed):
        lower = torch.linalg.cholesky(torch.cov(x) + EPSILON * identity)
        factor[position] = torch.linalg.solve_triangular(lower, identity, upper=False)
    return Padim(picked, mean, factor, pool)


def _observations(features: Tensor, picked: Tensor, *, pool: bool) -> Tensor:
    """The chosen channels, position by position: [N, C, h, w] -> [h w, D, N]."""
    chosen = features[:, picked]
    if pool:
        chosen = neighbourhood_means(chosen)
    return chosen.flatten(2).permute(2, 1, 0)
