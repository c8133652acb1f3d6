"""SPADE (Cohen & Hoshen 2020): nearest good images, then the nearest of all their positions."""

from dataclasses import dataclass

import torch
from torch import Tensor

from stream_inspector.baselines.method import Scored, nearest_distances, vectors

NEIGHBOURS = 50  # images retrieved, as in the paper; all when there are fewer


@dataclass(frozen=True, eq=False)
class Spade:
    """The good images' features, whole and averaged."""

    gallery: Tensor  # [N, C, h, w]
    descriptors: Tensor  # [N, C]

    @property
    def nbytes(self) -> int:
        """What it has to keep in memory."""
        return self.gallery.nbytes + self.descriptors.nbytes

    def score(self, features: Tensor) -> Scored:
        """Distances of features [B, C, h, w] to the nearest good features, and of whole images."""
        distances = torch.cdist(_descriptors(features), self.descriptors)
        nearest = distances.topk(min(NEIGHBOURS, len(self.gallery)), dim=1, largest=False)
        maps = [
            self._map(image[None], chosen)
            for image, chosen in zip(features, nearest.indices, strict=True)
        ]
        return Scored(torch.stack(maps), nearest.values.mean(1))

    def _map(self, features: Tensor, chosen: Tensor) -> Tensor:
        bank = vectors(self.gallery[chosen])
        return nearest_distances(vectors(features), bank).reshape(features.shape[2:])


def fit_spade(features: Tensor, seed: int) -> Spade:  # noqa: ARG001  nothing is drawn
    """Keep all good features [N, C, h, w]: memory grows with the images."""
    return Spade(features, _descriptors(features))


def _descriptors(features: Tensor) -> Tensor:
    """One vector an image: its mean over positions, [B, C, h, w] -> [B, C]."""
    return features.mean(dim=(2, 3))
