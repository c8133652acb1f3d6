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
from stream_inspector.score.memory import Memory
from stream_inspector.score.mixture import Mixture
from stream_inspector.score.names import has_feature_error, members
from stream_inspector.score.reconstruction import reconstruction_maps
from stream_inspector.score.whitening import Whitening, control_maps


@dataclass(frozen=True, eq=False)
class Statistics:
    """What is known of one category's features."""

    whitening: Whitening
    mixture: Mixture
    nearby: Memory | None = None

    def distances(self, features: Tensor) -> dict[str, Tensor]:
        """Member -> maps of features [B, C, h, w], [B, h, w]: what no network is bound to."""
        maps = {"mahalanobis": self.mixture.maps(features)}
        if self.nearby:
            maps["nearby"] = self.nearby.maps(features)
        return maps


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
        told = by_label(labels, features, lambda k, f: _stacked(self.statistics[k].distances(f)))
        names = [name for name in members(self.preset) if name in {"mahalanobis", "nearby"}]
        return dict(zip(names, told.unbind(1), strict=True)) | self.network_maps(
            x, features, labels
        )

    def network_maps(self, x: Tensor, features: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """The same of the network's members, and of the control: one whitening for all."""
        white = by_label(labels, features, lambda k, f: self.statistics[k].whitening.whiten(f))
        if not self.preset.trained:
            return {"control": control_maps(white)}
        kls, errors = self._diffusion_maps(x, white, labels)
        steps = zip(self.preset.scoring.score_steps, kls, strict=True)
        maps = {f"kl.{step}": self._kept(kl) for step, kl in steps}
        maps["control"] = control_maps(white)
        if has_feature_error(self.preset):
            maps["features"] = errors.mean(0)
        return maps

    def _kept(self, kl: Tensor) -> Tensor:
        """KL maps at the resolution that is scored, [B, h, w]: a mean hides what a pixel shows."""
        return pooled(kl, self.preset.grid) if self.preset.pooled_kl else kl

    def _diffusion_maps(self, x: Tensor, white: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """KL maps and feature errors of all noise levels, [T, B, h, w] each; one forward."""
        x0 = (white if self.preset.feature else resized(x, self.preset.pixel.size))[None]
        steps, schedule = self.preset.scoring.score_steps, self.denoiser.schedule
        t = torch.tensor(steps, device=x0.device)
        x_t = diffuse(schedule, x0, t, self._noise(x0)).flatten(0, 1)
        classes = self.preset.scoring.network.classes
        denoiser = self.denoiser.given(labels.repeat(len(steps)) if classes else None)
        seen = denoiser(x_t, t.repeat_interleave(len(white)))
        by_step = by_level(seen, len(steps))
        predicted = by_step.x0 if self.preset.feature else by_step.features
        if predicted is None:
            raise ValueError(f"preset {self.preset.name} predicts no features")
        return kl_maps(schedule, x0, t, by_step), reconstruction_maps(predicted, white[None])

    def _noise(self, x0: Tensor) -> Tensor:
        """[T, 1, C, H, W] for x0 [1, B, C, H, W]; 0 puts x_t at the mean of q(x_t | x_0)."""
        steps = self.preset.scoring.score_steps
        if not self.preset.scoring.sampled:
            return x0.new_zeros(len(steps), 1, *x0.shape[2:])
        return torch.stack([self.noise[step] for step in steps])[:, None]


def _stacked(maps: Mapping[str, Tensor]) -> Tensor:
    """Maps [B, h, w] of all members, [B, M, h, w], in the order of `members`."""
    return torch.stack(list(maps.values()), 1)


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
    if not diffusion.sampled:
        return {}
    shape = (diffusion.channels, *diffusion.size)
    return {step: torch.randn(shape, generator=generator) for step in diffusion.score_steps}
