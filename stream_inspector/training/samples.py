"""Good images of a model's categories -> what its networks are trained on.

Whitening and mixture are each category's own: the features of every category then have the unit
variance that the denoiser expects, and one that varies much hides no defects of another.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from stream_inspector.features import FeatureNet, load_feature_net, resized, to_tensor
from stream_inspector.image.view.canvas import View
from stream_inspector.image.view.cutting import cut
from stream_inspector.image.view.tiles import tile_cells
from stream_inspector.presets import Preset
from stream_inspector.score.mixture import fit_mixture
from stream_inspector.score.scorer import Statistics, by_label
from stream_inspector.score.whitening import fit_whitening, unchanged
from stream_inspector.training.networks import Fixed, Rotating
from stream_inspector.training.progress import OnProgress, Progress
from stream_inspector.verdict import Image

CHUNK = 8  # images a forward


@dataclass(frozen=True, eq=False)
class Material:
    """All categories' training images, one after the other, and what was measured of them."""

    preset: Preset
    images: Sequence[Image]  # N of [h, w, 3] at preset.input_size: tiles of canvases
    labels: Tensor  # [N]
    statistics: Sequence[Statistics]  # by label
    white: Tensor  # whitened features [N, C, h, w]; none where they are made anew for each batch
    x: Tensor  # at the pixel network's size [N, 3, h, w]
    sigma_data: float  # deviation of x
    net: FeatureNet

    def features(self) -> Fixed:
        """What the feature diffusion sees."""
        return Fixed(self.white, self.labels)

    def pixels(self) -> Fixed | Rotating:
        """What the pixel diffusion sees, with white features when it has a head for them."""
        pixel, head = self.preset.pixel, bool(self.preset.pixel.network.feature_channels)
        if not pixel.plan.rotation:
            return Fixed(self.x, self.labels, self.white if head else None)
        net, device = self.net, next(self.net.parameters()).device

        def white(images: Tensor, labels: Tensor) -> Tensor | None:
            if not head:
                return None
            with torch.no_grad():
                seen = net(images.to(device)).cpu()
            return by_label(labels, seen, lambda k, f: self.statistics[k].whitening.whiten(f))

        return Rotating(self.images, self.labels, pixel.size, pixel.plan.rotation, white)


def gather(
    good: Mapping[str, Sequence[Image]],
    views: Mapping[str, View],
    preset: Preset,
    on_progress: OnProgress,
    *,
    seed: int,
    device: str = "cpu",
    net: FeatureNet | None = None,
) -> Material:
    """Measure each category's canvases [H, W, 3] and bring their tiles together.

    `net` is the preset's backbone; None: the packaged one.
    """
    net = (net or load_feature_net(preset.grid, preset.backbone)).to(device)
    tiles = _tiles(good, views)
    everything = [tile for each in tiles.values() for tile in each]
    turning = not preset.feature and preset.pixel.plan.rotation  # features are made anew then
    done, statistics, white = 0, [], []
    for name, images in tiles.items():
        features = _features(net, device, images, (done, len(everything)), on_progress)
        done += len(images)
        cells = tile_cells(views[name], preset.grid)
        whitening = (fit_whitening if preset.whitened else unchanged)(features, cells)
        mixture = fit_mixture(features, preset.mixture, seed, cells)
        statistics.append(Statistics(whitening, mixture))
        chunks = () if turning else torch.split(features, CHUNK)
        white += [whitening.whiten(chunk) for chunk in chunks]
        del features  # hundreds of megabytes
    x = _pixels(everything, preset.pixel.size)
    labels = [torch.full((len(images),), k) for k, images in enumerate(tiles.values())]
    whole = torch.cat(white) if white else torch.empty(0)
    told = (torch.cat(labels), statistics, whole, x, float(x.std()))
    return Material(preset, everything, *told, net)


def _tiles(
    good: Mapping[str, Sequence[Image]], views: Mapping[str, View]
) -> dict[str, list[Image]]:
    """What the networks see of each category, [h, w, 3]."""
    return {
        name: cut(views[name], [views[name].prepare(image) for image in images])
        for name, images in good.items()
    }


def _features(
    net: FeatureNet,
    device: str,
    images: Sequence[Image],
    so_far: tuple[int, int],
    on_progress: OnProgress,
) -> Tensor:
    """Features of all images [N, C, h, w]; `so_far` images of all are done."""
    chunks, (done, total) = [], so_far
    with torch.no_grad():
        for start in range(0, len(images), CHUNK):
            x = to_tensor(images[start : start + CHUNK])
            chunks.append(net(x.to(device)).cpu())
            on_progress(Progress("statistics", done + min(start + CHUNK, len(images)), total))
    return torch.cat(chunks)


def _pixels(images: Sequence[Image], size: tuple[int, int]) -> Tensor:
    """All images at the pixel network's size [N, 3, h, w]; never all of them at full size."""
    return torch.cat(
        [resized(to_tensor(images[i : i + CHUNK]), size) for i in range(0, len(images), CHUNK)]
    )
