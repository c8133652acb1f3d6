"""One preprocessing and one network forward for all members: images in, raw grid maps out.

Training measures the normalisation on these maps, the detector scores with them, so both see the
same numbers.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from stream_inspector.diffusion.denoiser import Denoiser, Prediction
from stream_inspector.diffusion.schedule import diffuse
from stream_inspector.features import resized
from stream_inspector.presets import Preset
from stream_inspector.score.kl import kl_maps
from stream_inspector.score.mahalanobis import pooled
from stream_inspector.score.mixture import Mixture
from stream_inspector.score.reconstruction import reconstruction_maps
from stream_inspector.score.whitening import Whitening, control_maps

MEMBERS = ("kl", "features", "mahalanobis", "control")


def raw_names(preset: Preset) -> list[str]:
    """The raw maps of a preset."""
    return ["mahalanobis", "control", "features", *(f"kl.{t}" for t in preset.scoring.score_steps)]


@dataclass(frozen=True, eq=False)
class Statistics:
    """What is known of one category's features."""

    whitening: Whitening
    mixture: Mixture


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
        distance = by_label(labels, features, lambda k, f: self.statistics[k].mixture.maps(f))
        maps = {"mahalanobis": distance, "control": control_maps(white)}
        kls, errors = self._diffusion_maps(x, white, labels)
        for step, kl in zip(self.preset.scoring.score_steps, kls, strict=True):
            maps[f"kl.{step}"] = pooled(kl, self.preset.grid)
        maps["features"] = errors.mean(0)
        return maps

    def _diffusion_maps(self, x: Tensor, white: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """KL maps and feature errors of all noise levels, [T, B, h, w] each; one forward."""
        x0 = (white if self.preset.feature else resized(x, self.preset.pixel.size))[None]
        steps, schedule = self.preset.scoring.score_steps, self.denoiser.schedule
        t = torch.tensor(steps, device=x0.device)
        noise = torch.stack([self.noise[step] for step in steps])[:, None]
        x_t = diffuse(schedule, x0, t, noise).flatten(0, 1)
        classes = self.preset.scoring.network.classes
        denoiser = self.denoiser.given(labels.repeat(len(steps)) if classes else None)
        seen = denoiser(x_t, t.repeat_interleave(len(white)))
        by_step = by_level(seen, len(steps))
        predicted = by_step.x0 if self.preset.feature else by_step.features
        if predicted is None:
            raise ValueError(f"preset {self.preset.name} predicts no features")
        return kl_maps(schedule, x0, t, by_step), reconstruction_maps(predicted, white[None])


def by_level(seen: Prediction, levels: int) -> Prediction:
    """Tensors [T B, ...] of a joint forward as [T, B, ...]."""

    def split(y: Tensor) -> Tensor:
        return y.reshape(levels, -1, *y.shape[1:])

    return Prediction(
        split(seen.x0),
        None if seen.log_variance is None else split(seen.log_variance),
        None if seen.features is None else split(seen.features),
    )


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
