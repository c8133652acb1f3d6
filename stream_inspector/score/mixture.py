"""Mahalanobis distance to a mixture of Gaussians: good features wherever they lie in the image.

RAN section D and PaDiM fit one Gaussian for each position, which suits parts that always lie
alike. Features fall into kinds (an edge, a hole, the belt) that move with the part and recur in a
texture, so here every kind has its Gaussian, and a feature is as normal as its most likely kind
says. That needs no registration and costs the same for an image of any size. What is good in one
place may be a defect in another (a lead where the case belongs), so at each place only those kinds
count that good images show near it (docs/accuracy.md).
"""

from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor
from torch.nn import functional

from stream_inspector.image.view.tiles import inspected
from stream_inspector.presets import MixturePlan
from stream_inspector.score.mahalanobis import inverse_factor

NEAREST = 4  # components asked for each feature, by Euclidean distance to their means
SAMPLES = 65536  # features that a mixture is fitted to, drawn at random
LEAST = 64  # features for each component on average: with fewer samples, fewer components
_ROUNDS = 6  # of k-means
_CHUNK = 8192  # features compared with all means at once


@dataclass(frozen=True, eq=False)
class Mixture:
    """Mean and inverse Cholesky factor of each component, of features divided by `scale`."""

    scale: Tensor  # [C], standard deviation of each channel
    mean: Tensor  # [K, C]
    factor: Tensor  # [K, C, C], lower triangular L^-1 with L L^T the covariance
    seen: Tensor | None = None  # [T, h, w, K] bool, the components near each cell; None: all

    @cached_property
    def log_volume(self) -> Tensor:
        """log det of the covariances per channel, above the smallest, [K]."""
        volume = -2 * self.factor.diagonal(dim1=1, dim2=2).log().mean(1)
        return volume - volume.min()

    def maps(self, features: Tensor) -> Tensor:
        """Squared distance plus log det per channel under the most likely component that may be
        here, at least 0, [B, C, h, w] -> [B, h, w]. Differentiable.

        With several tiles and `seen`, B counts tiles: all of one image, then all of the next.
        """
        b, _, h, w = features.shape
        return self._likeliest(features)[0].reshape(b, h, w)

    def components(self, features: Tensor) -> Tensor:
        """The most likely component of each feature, [B, C, h, w] -> [B, h, w]."""
        b, _, h, w = features.shape
        return self._likeliest(features)[1].reshape(b, h, w)

    def _likeliest(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Energy and index of the likeliest component of each of N features."""
        x = (features / self.scale[:, None, None]).movedim(1, -1).flatten(0, 2)
        allowed = None
        if self.seen is not None:
            allowed = self.seen.flatten(0, 2).repeat(len(x) // self.seen[..., 0].numel(), 1)
        near = nearest(x, self.mean, NEAREST, allowed)
        energy = self._energies(x, near)
        if allowed is not None:  # where fewer may be here than were asked for
            energy = energy.masked_fill(~allowed.gather(1, near), torch.inf)
        least = energy.min(1)
        return least.values, near.gather(1, least.indices[:, None])[:, 0]

    def _energies(self, x: Tensor, near: Tensor) -> Tensor:
        """Twice the negative log-likelihood of x [N, C] per channel under some components each
        [N, M], without its constant, [N, M].
        """
        pairs = near.flatten().argsort()  # all pairs of a feature and a component, by component
        rows = torch.split(pairs // near.shape[1], torch.bincount(near.flatten()).tolist())
        energy = torch.cat(
            [
                ((x[row] - self.mean[k]) @ self.factor[k].T).square().mean(1) + self.log_volume[k]
                for k, row in enumerate(rows)
            ]
        )
        return energy[pairs.argsort()].reshape(near.shape)


def fit_mixture(
    features: Tensor, plan: MixturePlan, seed: int, cells: Tensor | None = None
) -> Mixture:
    """Fit to good features [N, C, h, w]: k-means, then a covariance for each cluster.

    A cluster's covariance is drawn towards the mean one of all clusters, the more the fewer
    features it has, and then towards the identity (plan.shrink).
    `cells` [T, h, w] says which are inspected, tile by tile; features then come as [N * T, ...].
    """
    c, h, w = features.shape[1:]
    cells = torch.ones(1, h, w, dtype=torch.bool) if cells is None else cells
    found = inspected(features, cells)
    scale = found.std(0).clamp_min(1e-6)
    generator = torch.Generator().manual_seed(seed)
    x = found[torch.randperm(len(found), generator=generator)[:SAMPLES]] / scale
    mean, cluster = k_means(x, max(1, min(plan.components, len(x) // LEAST)))
    common = torch.cov((x - mean[cluster]).T, correction=0)
    factors = []
    for k in range(len(mean)):
        centred = x[cluster == k] - mean[k]
        trust = len(centred) / (len(centred) + c)
        own = centred.T @ centred / max(1, len(centred))
        covariance = trust * own + (1 - trust) * common
        factors.append(inverse_factor((1 - plan.shrink) * covariance + plan.shrink * torch.eye(c)))
    mixture = Mixture(scale, mean, torch.stack(factors))
    if plan.place is None:
        return mixture
    return replace(mixture, seen=_seen_near(mixture, features, cells, plan.place))


def _seen_near(mixture: Mixture, features: Tensor, cells: Tensor, radius: int) -> Tensor:
    """Which components good features [N * T, C, h, w] have within `radius` cells, [T, h, w, K].

    Where nothing is inspected nothing was seen, and all count.
    """
    tiles, h, w = cells.shape
    seen = torch.zeros(tiles, h * w, len(mixture.mean), dtype=torch.bool)
    for chunk in torch.split(features, tiles * max(1, _CHUNK // (tiles * h * w))):
        found = mixture.components(chunk).reshape(-1, tiles, h * w, 1)
        for image in found:
            seen.scatter_(2, image, value=True)
    seen &= cells.reshape(tiles, h * w, 1)
    planes = seen.movedim(2, 1).reshape(tiles, -1, h, w).float()
    near = functional.max_pool2d(planes, 2 * radius + 1, stride=1, padding=radius) > 0
    near = near.movedim(1, -1)
    return near | ~near.any(-1, keepdim=True)


def k_means(x: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Means [count, C] and the cluster of each x [N, C]; the first `count` of x start.

    Lloyd's algorithm for a fixed number of rounds.
    """
    mean = x[:count].clone()
    for _ in range(_ROUNDS):
        cluster = nearest(x, mean, 1)[:, 0]
        members = torch.bincount(cluster, minlength=count)[:, None]
        sums = torch.zeros_like(mean).index_add_(0, cluster, x)
        mean = torch.where(members > 0, sums / members.clamp_min(1), mean)
    return mean, nearest(x, mean, 1)[:, 0]


def nearest(x: Tensor, points: Tensor, count: int, allowed: Tensor | None = None) -> Tensor:
    """Indices of the `count` points [K, C] nearest to each x [N, C], [N, count or K].

    Points that are not `allowed` [N, K] come last.
    """
    norms = points.square().sum(1)  # that of x is the same for all points
    count, found, start = min(count, len(points)), list[Tensor](), 0
    for chunk in torch.split(x.detach(), _CHUNK):
        distance = torch.addmm(norms, chunk, points.T, alpha=-2)
        if allowed is not None:
            distance = distance.masked_fill(~allowed[start : start + len(chunk)], torch.inf)
        found.append(distance.topk(count, dim=1, largest=False).indices)
        start += len(chunk)
    return torch.cat(found)
