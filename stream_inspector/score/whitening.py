"""Whitened features: one linear map that makes good features white, and the control built on it.

The squared length of a whitened feature is the distance to the mean without any network: the
diffusion members have to beat it.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from stream_inspector.image.view.tiles import inspected

RIDGE = 1e-3  # of the mean variance: keeps dead channels from exploding


@dataclass(frozen=True, eq=False)
class Whitening:
    """z = matrix @ (f - mean), with unit covariance on the good features."""

    mean: Tensor  # [C]
    matrix: Tensor  # [C, C], symmetric (ZCA)

    def whiten(self, features: Tensor) -> Tensor:
        """Features [B, C, h, w] -> white features, same shape."""
        centred = features - self.mean[:, None, None]
        return torch.einsum("dc,bchw->bdhw", self.matrix, centred)


def fit_whitening(features: Tensor, cells: Tensor | None = None) -> Whitening:
    """Fit to all positions of good features [N, C, h, w].

    `cells` [T, h, w] says which are inspected, tile by tile; features then come as [N * T, ...].
    """
    h, w = features.shape[2:]
    flat = inspected(features, torch.ones(1, h, w, dtype=torch.bool) if cells is None else cells)
    covariance = torch.cov(flat.T)
    values, vectors = torch.linalg.eigh(covariance)
    inverse_root = (values.clamp_min(0) + RIDGE * values.mean()).rsqrt()
    return Whitening(flat.mean(0), (vectors * inverse_root) @ vectors.T)


def unchanged(features: Tensor, cells: Tensor | None = None) -> Whitening:  # noqa: ARG001  as `fit_whitening`
    """Features as they are: what the paper's network predicts (RAN section C)."""
    channels = features.shape[1]
    return Whitening(torch.zeros(channels), torch.eye(channels))


def control_maps(white: Tensor) -> Tensor:
    """Mean squared whitened feature per position, [B, C, h, w] -> [B, h, w]."""
    return white.square().mean(1)
