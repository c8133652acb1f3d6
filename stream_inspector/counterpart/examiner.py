"""What examines counterparts, on an engine's graph: `score/distance.py` without PyTorch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stream_inspector.counterpart.variants import Array
from stream_inspector.engine.graph.mixture import unpacked_triangles
from stream_inspector.engine.sessions import Run
from stream_inspector.image.view.canvas import View
from stream_inspector.image.view.cutting import cut, tile_cells
from stream_inspector.presets import WORST_CELLS, examiner_grid
from stream_inspector.verdict import Image


@dataclass(frozen=True, eq=False)
class Examiner:
    """Of one category: the Gaussians of good features, and the end of the normal range."""

    features: Run  # uint8 tiles [T, h, w, 3] -> [T, C, h', w']
    view: View
    scale: Array  # [C]
    mean: Array  # [T, bh, bw, C]
    factor: Array  # [T, bh, bw, C, C]
    limit: float

    def of(self, images: Sequence[Image]) -> list[float]:
        """The distance of each canvas [H, W, 3]: the mean of its worst cells."""
        cells = tile_cells(self.view, examiner_grid(self.view.tile))
        found = []
        for image in images:  # one at a time: of few large tiles already a batch
            (features,) = self.features(np.stack(cut(self.view, [self.view.prepare(image)])))
            maps = self._distances(features) * cells
            found.append(float(np.sort(maps, axis=None)[-WORST_CELLS:].mean()))
        return found

    def _distances(self, features: Array) -> Array:
        """Mean squared distance per channel, [T, C, h, w] -> [T, h, w]."""
        tiles, c, h, w = features.shape
        rows, columns = self.mean.shape[1:3]
        f = (features / self.scale[:, None, None]).reshape(
            tiles, c, rows, h // rows, columns, w // columns
        )
        f = f.transpose(0, 2, 4, 1, 3, 5).reshape(tiles, rows, columns, c, -1)
        squared = np.square(self.factor @ (f - self.mean[..., None])).mean(3)
        blocks = squared.reshape(tiles, rows, columns, h // rows, w // columns)
        return np.asarray(blocks.transpose(0, 1, 3, 2, 4).reshape(tiles, h, w))


def unpacked(features: Run, view: View, tensors: Mapping[str, NDArray[Any]], name: str) -> Examiner:
    """A category's, from a model version's arrays. Raises KeyError when one is missing."""
    scale, mean, factor, limit = (
        tensors[f"{name}/examiner.{part}"] for part in ("scale", "mean", "factor", "limit")
    )
    return Examiner(
        features,
        view,
        scale,
        mean.astype(np.float32),
        unpacked_triangles(factor.astype(np.float32)),
        float(limit),
    )
