"""Good images of a model's categories -> what its networks are trained on.

Whitening and Gaussians are each category's own: the features of every category then have the unit
variance that the denoiser expects, and one that varies much hides no defects of another.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from stream_inspector.features import FeatureNet, load_feature_net, resized, to_tensor
from stream_inspector.learning import Fixed, OnProgress, Progress, Rotating
from stream_inspector.presets import Preset
from stream_inspector.score.mahalanobis import fit_gaussians
from stream_inspector.score.scorer import Statistics, by_label
from stream_inspector.score.whitening import fit_whitening
from stream_inspector.verdict import Image

CHUNK = 8  # images a forward


@dataclass(frozen=True, eq=False)
class Material:
    """All categories' training images, one after the other, and what was measured of them."""

    preset: Preset
    images: Sequence[Image]  # N of [h, w, 3] at preset.input_size
    labels: Tensor  # [N]
    statistics: Sequence[Statistics]  # by label
    white: Tensor  # whitened features [N, C, h, w]
    x: Tensor  # at the pixel network's size [N, 3, h, w]
    sigma_data: float  # deviation of x

    def features(self) -> Fixed:
        """What the feature diffusion sees."""
        return Fixed(self.white, self.labels)

    def pixels(self) -> Fixed | Rotating:
        """What the pixel diffusion sees, with white features when it has a head for them."""
        pixel, head = self.preset.pixel, bool(self.preset.pixel.network.feature_channels)
        if not pixel.plan.rotation:
            return Fixed(self.x, self.labels, self.white if head else None)
        net = load_feature_net(self.preset.grid) if head else None

        def white(images: Tensor, labels: Tensor) -> Tensor | None:
            if net is None:
                return None
            with torch.no_grad():
                seen = net(images)
            return by_label(labels, seen, lambda k, f: self.statistics[k].whitening.whiten(f))

        return Rotating(self.images, self.labels, pixel.size, pixel.plan.rotation, white)


def gather(
    good: Mapping[str, Sequence[Image]],
    preset: Preset,
    on_progress: OnProgress,
    device: str = "cpu",
) -> Material:
    """Measure each category's training images [h, w, 3] and bring them together."""
    net = load_feature_net(preset.grid).to(device)
    everything = [image for images in good.values() for image in images]
    done, statistics, white = 0, [], []
    for images in good.values():
        features = _features(net, device, images, (done, len(everything)), on_progress)
        done += len(images)
        statistics.append(
            Statistics(fit_whitening(features), fit_gaussians(features, preset.gaussian))
        )
        whiten = statistics[-1].whitening.whiten
        white += [whiten(chunk) for chunk in torch.split(features, CHUNK)]
        del features  # hundreds of megabytes
    x = _pixels(everything, preset.pixel.size)
    labels = [torch.full((len(images),), k) for k, images in enumerate(good.values())]
    return Material(
        preset, everything, torch.cat(labels), statistics, torch.cat(white), x, float(x.std())
    )


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
