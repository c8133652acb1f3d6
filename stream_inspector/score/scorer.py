"""One preprocessing and one network forward for all members: images in, raw grid maps out.

Training measures the normalisation on these maps, the detector scores with them, so both see the
same numbers.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from stream_inspector.diffusion.denoiser import Denoiser
from stream_inspector.diffusion.schedule import diffuse
from stream_inspector.features import resized
from stream_inspector.presets import Preset
from stream_inspector.score.kl import kl_maps
from stream_inspector.score.mahalanobis import Gaussians, pooled
from stream_inspector.score.reconstruction import reconstruction_maps
from stream_inspector.score.whitening import Whitening, control_maps

MEMBERS = ("kl", "features", "mahalanobis", "control")


@dataclass(frozen=True, eq=False)
class Statistics:
    """What is known of one category's features."""

    whitening: Whitening
    gaussians: Gaussians


@dataclass(frozen=True, eq=False)
class Scorer:
    """The members of one model, ready to map."""

    preset: Preset
    denoiser: Denoiser
    statistics: Sequence[Statistics]  # by class label
    noise: Mapping[int, Tensor]  # score step -> [C, H, W]; the same for every image

    def maps(self, x: Tensor, features: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """Images in [-1, 1] [B, 3, H, W], their features [B, C, h, w] and class labels [B]
        -> member -> [B, h, w]; one forward whatever the categories.

        KL comes per step, as "kl.<t>": each step is normalised before they are averaged.
        """
        white = by_label(labels, features, lambda k, f: self.statistics[k].whitening.whiten(f))
        distance = by_label(labels, features, lambda k, f: self.statistics[k].gaussians.maps(f))
        maps = {"mahalanobis": distance, "control": control_maps(white)}
        denoiser = self.denoiser.given(labels if self.preset.scoring.network.classes else None)
        errors = []
        for step in self.preset.scoring.score_steps:
            kl, error = self._diffusion_maps(denoiser, x, white, step)
            maps[f"kl.{step}"] = pooled(kl, self.preset.grid)
            errors.append(error)
        maps["features"] = torch.stack(errors).mean(0)
        return maps

    def _diffusion_maps(
        self, denoiser: Denoiser, x: Tensor, white: Tensor, step: int
    ) -> tuple[Tensor, Tensor]:
        """KL map and feature error of one noise level."""
        x0 = white if self.preset.feature else resized(x, self.preset.pixel.size)
        t = torch.full((len(x0),), step, device=x0.device)
        x_t = diffuse(denoiser.schedule, x0, t, self.noise[step].expand_as(x0))
        seen = denoiser(x_t, t)
        kl = kl_maps(denoiser, x0, x_t, t, seen)
        predicted = seen.x0 if self.preset.feature else seen.features
        if predicted is None:
            raise ValueError(f"preset {self.preset.name} predicts no features")
        return kl, reconstruction_maps(predicted, white)


def by_label(labels: Tensor, x: Tensor, f: Callable[[int, Tensor], Tensor]) -> Tensor:
    """f(k, the rows of x labelled k) for each label, in the order of x [B, ...]."""
    present = sorted(set(labels.tolist()))
    if len(present) == 1:
        return f(present[0], x)
    rows = [torch.nonzero(labels == k)[:, 0] for k in present]
    done = torch.cat([f(k, x[picked]) for k, picked in zip(present, rows, strict=True)])
    return done[torch.cat(rows).argsort()]


def draw_noise(preset: Preset, seed: int) -> dict[int, Tensor]:
    """The fixed standard normal noise of each score step, [C, H, W]."""
    generator = torch.Generator().manual_seed(seed)
    diffusion = preset.scoring
    shape = (diffusion.channels, *diffusion.size)
    return {step: torch.randn(shape, generator=generator) for step in diffusion.score_steps}
