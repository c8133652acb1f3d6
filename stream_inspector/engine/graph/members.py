"""The score members as a graph: features -> their raw maps, as `score/` computes them."""

from collections.abc import Mapping

import numpy as np

from stream_inspector.engine.graph.diffusion import Diffusion
from stream_inspector.engine.graph.mixture import Mixture
from stream_inspector.engine.graph.writer import Array, Graph, integers
from stream_inspector.presets import Preset


class Members:
    """Writes the raw maps [N, h, w] of N tiles into a graph."""

    def __init__(
        self, graph: Graph, preset: Preset, tensors: Mapping[str, Array], label: int
    ) -> None:
        """`tensors`: the shared ones, and one category's by their own names."""
        self._graph, self._preset, self._tensors, self._label = graph, preset, tensors, label

    def maps(self, x: str, features: str) -> dict[str, str]:
        """Images in [-1, 1] [N, 3, H, W] and their features [N, C, h, w] -> maps by raw name."""
        g, preset = self._graph, self._preset
        h, w = preset.grid
        flat = g.shaped(features, 0, preset.backbone.channels, h * w)
        rows = g.op("Transpose", flat, perm=[0, 2, 1])
        mixture = Mixture(g, self._tensors, placed=preset.mixture.place is not None)
        found = {"mahalanobis": g.shaped(mixture.energies(rows), -1, h, w)}
        if preset.nearby:
            found["nearby"] = self._nearby(rows)
        white = self._whitened(flat)
        found["control"] = g.mean(g.op("Mul", white, white), 1)
        if preset.trained:
            found |= Diffusion(g, preset, self._tensors, self._label).maps(x, white)
        return found

    def _whitened(self, flat: str) -> str:
        """Features [N, C, h w] of unit covariance, [N, C, h, w]."""
        matrix, mean = self._tensors["whitening.matrix"], self._tensors["whitening.mean"]
        turned = self._graph.op("MatMul", matrix, flat)
        white = self._graph.op("Sub", turned, (matrix @ mean)[:, None])
        return self._graph.shaped(white, 0, len(mean), *self._preset.grid)

    def _nearby(self, rows: str) -> str:
        """Squared distance to the nearest good feature of the block; rows [N, h w, C]."""
        g, bank = self._graph, self._tensors["nearby.bank"].astype(np.float32)
        tiles, down, across, kept, c = bank.shape
        h, w = self._preset.grid
        high, wide = h // down, w // across
        x = g.shaped(rows, -1, tiles * down, high, across, wide * c)
        x = g.op("Transpose", x, perm=[1, 3, 0, 2, 4])  # blocks first
        x = g.shaped(x, tiles * down * across, -1, c)
        flat = bank.reshape(-1, kept, c)
        products = g.op("MatMul", x, -2 * np.swapaxes(flat, 1, 2))
        products = g.op("Add", products, np.square(flat).sum(2)[:, None])
        least = g.op("ReduceMin", products, integers(2), keepdims=0)
        own = g.op("ReduceSum", g.op("Mul", x, x), integers(2), keepdims=0)
        found = g.times(g.op("Relu", g.op("Add", own, least)), 1 / c)
        found = g.shaped(found, tiles * down, across, -1, high, wide)
        return g.shaped(g.op("Transpose", found, perm=[2, 0, 3, 1, 4]), -1, h, w)
