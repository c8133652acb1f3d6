"""How far an image is from normal to a frozen network, and where its normal range ends.

Mahalanobis distance of deep features to Gaussians fitted on good images (RAN section D). One
network guides gradient denoising; another, which never guided, examines its counterparts.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from stream_inspector.features import (
    FeatureNet,
    load_feature_net,
    resized,
    to_images,
    to_tensor,
)
from stream_inspector.image.view.canvas import View
from stream_inspector.image.view.cutting import cut
from stream_inspector.image.view.tiles import tile_cells
from stream_inspector.presets import EXAMINER, WORST_CELLS, GaussianPlan, Preset, examiner_grid
from stream_inspector.score.mahalanobis import Gaussians, fit_gaussians
from stream_inspector.score.mixture import Mixture
from stream_inspector.verdict import Image

EXAMINER_MARGIN, EXAMINER_SHRINK = 2, 0.2
EXAMINER_IMAGES = 200  # 12 800 features a Gaussian of 192 channels; more only cost memory
NORMAL_SHARE = 0.95  # of held-out good images lie inside the normal range
_CHUNK = 8  # images a forward


@dataclass(frozen=True, eq=False)
class Distance:
    """Frozen features, the Gaussians of good ones through a view, the end of the normal range."""

    net: FeatureNet
    gaussians: Gaussians | Mixture
    view: View
    limit: float = float("inf")

    @cached_property
    def cells(self) -> Tensor:
        """[T, h, w], true where the view looks."""
        return tile_cells(self.view, self.net.grid).to(self.gaussians.mean.device)

    def maps(self, x: Tensor) -> Tensor:
        """Tiles in [-1, 1] -> distance a channel, at least 0; 0 where nothing is inspected.

        [B * T, 3, h, w] -> [B * T, h', w']; differentiable. Tiles of another size are resized.
        """
        maps = self.gaussians.maps(self.net(resized(x, self.view.tile)))
        return maps * self.cells.repeat(len(maps) // len(self.cells), 1, 1)

    def of(self, images: Sequence[Image]) -> list[float]:
        """The distance of each canvas [H, W, 3]: the mean of its worst cells."""
        found = []
        with torch.inference_mode():
            for image in images:  # one at a time: of few large tiles already a batch
                x = to_tensor(cut(self.view, [self.view.prepare(image)]))
                maps = self.maps(x.to(self.gaussians.mean.device))
                found.append(float(worst(maps.flatten()[None, :, None])))
        return found


def examiner_plan(grid: tuple[int, int]) -> GaussianPlan:
    """About 64 to 100 Gaussians a tile: 2 to 4 MB in half precision."""
    block = next((n for n in (4, 5, 6, 3, 2) if not any(side % n for side in grid)), 1)
    return GaussianPlan(block, EXAMINER_MARGIN, EXAMINER_SHRINK)


def fit_examiner(
    images: Sequence[Image],
    held_out: Sequence[Image],
    view: View,
    on_images: Callable[[int, int], None],
) -> Distance:
    """Fit to good canvases [H, W, 3]; the normal range is that of good ones held out.

    `on_images` hears how many images of how many are done.
    """
    images = images[: max(1, EXAMINER_IMAGES // len(view.corners))]
    grid = examiner_grid(view.tile)
    net, features = load_feature_net(grid, EXAMINER), []
    with torch.inference_mode():
        for start in range(0, len(images), _CHUNK):
            chunk = [view.prepare(image) for image in images[start : start + _CHUNK]]
            features.append(net(to_tensor(cut(view, chunk))))
            on_images(start + len(chunk), len(images))
    cells = tile_cells(view, grid)
    gaussians = fit_gaussians(torch.cat(features), examiner_plan(grid), cells)
    return _ranged(Distance(net, gaussians, view), held_out)


def fit_guide(
    mixture: Mixture, held_out: Sequence[Image], view: View, preset: Preset, net: FeatureNet
) -> Distance:
    """The mixture that scores, as a guide on its features: wherever its components were seen.

    Its normal range is that of good canvases held out, at the detail that denoising leaves them.
    """
    coarse = [
        round(side * seen / tile)
        for side, seen, tile in zip(view.canvas, preset.pixel.size, view.tile, strict=True)
    ]
    seen = [_through(image, (coarse[0], coarse[1])) for image in held_out]
    return _ranged(Distance(net, mixture, view), seen)


def _through(image: Image, size: tuple[int, int]) -> Image:
    """An image shrunk and enlarged again."""
    h, w = image.shape[:2]
    return to_images(resized(resized(to_tensor([image]), size), (h, w)))[0]


def _ranged(distance: Distance, held_out: Sequence[Image]) -> Distance:
    found = torch.tensor(distance.of(held_out), dtype=torch.float64)
    return replace(distance, limit=float(torch.quantile(found, NORMAL_SHARE)))


def worst(maps: Tensor) -> Tensor:
    """Mean of the largest cells of each map, [B, h, w] -> [B]."""
    flat = maps.flatten(1)
    return flat.topk(min(WORST_CELLS, flat.shape[1]), dim=1).values.mean(1)
