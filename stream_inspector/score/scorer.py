"""One preprocessing and one network forward for all members: images in, raw grid maps out.

Training measures the normalisation on these maps, the detector scores with them, so both see the
same numbers.
"""

from collections.abc import Mapping
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
class Scorer:
    """The members of one model, ready to map."""

    preset: Preset
    denoiser: Denoiser
    whitening: Whitening
    gaussians: Gaussians
    noise: Mapping[int, Tensor]  # score step -> [C, H, W]; the same for every image

    def maps(self, x: Tensor, features: Tensor) -> dict[str, Tensor]:
        """Images in [-1, 1] [B, 3, H, W] and their features [B, C, h, w] -> member -> [B, h, w].

        KL comes per step, as "kl.<t>": each step is normalised before they are averaged.
        """
        white = self.whitening.whiten(features)
        maps = {"mahalanobis": self.gaussians.maps(features), "control": control_maps(white)}
        errors = []
        for step in self.preset.scoring.score_steps:
            kl, error = self._diffusion_maps(x, white, step)
            maps[f"kl.{step}"] = pooled(kl, self.preset.grid)
            errors.append(error)
        maps["features"] = torch.stack(errors).mean(0)
        return maps

    def _diffusion_maps(self, x: Tensor, white: Tensor, step: int) -> tuple[Tensor, Tensor]:
        """KL map and feature error of one noise level."""
        x0 = white if self.preset.feature else resized(x, self.preset.pixel.size)
        t = torch.full((len(x0),), step, device=x0.device)
        x_t = diffuse(self.denoiser.schedule, x0, t, self.noise[step].expand_as(x0))
        seen = self.denoiser(x_t, t)
        kl = kl_maps(self.denoiser, x0, x_t, t, seen)
        predicted = seen.x0 if self.preset.feature else seen.features
        if predicted is None:
            raise ValueError(f"preset {self.preset.name} predicts no features")
        return kl, reconstruction_maps(predicted, white)


def draw_noise(preset: Preset, seed: int) -> dict[int, Tensor]:
    """The fixed standard normal noise of each score step, [C, H, W]."""
    generator = torch.Generator().manual_seed(seed)
    diffusion = preset.scoring
    shape = (diffusion.channels, *diffusion.size)
    return {step: torch.randn(shape, generator=generator) for step in diffusion.score_steps}
