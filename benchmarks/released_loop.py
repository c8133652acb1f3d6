"""The paper's released test loop in plain form, on a preset's own networks: what we compare with.

One image at a time, in single precision; for every noise level one forward for the KL map and
another for the features (RAN sections B and C), fresh noise, z-scores per image. No Mahalanobis
distance. Written from the paper's description and what the released code is known to do.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import interpolate

from stream_inspector.diffusion.denoiser import Denoiser, Prediction
from stream_inspector.diffusion.posterior import (
    Gaussian,
    kl_divergence,
    learned_log_variance,
    posterior,
    posterior_mean,
)
from stream_inspector.diffusion.schedule import diffuse
from stream_inspector.features import resized, to_tensor
from stream_inspector.model.assembly import (
    as_tensor,
    bind,
    for_category,
    unpack_features,
    unpack_network,
)
from stream_inspector.model.version import Model
from stream_inspector.score.whitening import Whitening
from stream_inspector.verdict import Image

ALPHA, TOP = 0.5, 64


class ReleasedLoop:
    """The loop for one model version."""

    def __init__(self, model: Model, device: str) -> None:
        self.preset, self.device = model.preset, torch.device(device)
        own = for_category(model.category(), model.tensors)
        self._whitening = Whitening(
            *(as_tensor(own[f"whitening.{n}"]).to(device) for n in ("mean", "matrix"))
        )
        self._features = unpack_features(self.preset, model.tensors).to(self.device)
        scoring = self.preset.scoring
        network = unpack_network("network", scoring, model.tensors).to(self.device)
        self._denoiser: Denoiser = bind(scoring, network, float(model.tensors["sigma_data"]))

    def score(self, image: Image) -> tuple[NDArray[np.float32], float]:
        """Score map [H, W] and image score of one image at the input size."""
        with torch.inference_mode():
            x = to_tensor([image]).to(self.device)
            target = self._whitening.whiten(self._features(x))
            x0 = target if self.preset.feature else resized(x, self.preset.pixel.size)
            steps = self.preset.scoring.score_steps
            total = torch.stack([self._level(x0, target, step) for step in steps]).sum(0)
            return total.cpu().numpy(), float(total.flatten().topk(TOP).values.mean())

    def _level(self, x0: Tensor, target: Tensor, step: int) -> Tensor:
        """alpha * KL + (1 - alpha) * features at one noise level, [H, W]."""
        t = torch.full((1,), step, device=self.device)
        x_t = diffuse(self._denoiser.schedule, x0, t, torch.randn_like(x0))
        kl = self._large(self._kl(x0, x_t, t, self._denoiser(x_t, t)))
        again = self._denoiser(x_t, t)
        predicted = again.x0 if self.preset.feature else again.features
        if predicted is None:
            raise ValueError(f"preset {self.preset.name} predicts no features")
        error = self._large((predicted - target).square().mean(1))
        return ALPHA * (kl - kl.mean()) / kl.std() + (1 - ALPHA) * error

    def _kl(self, x0: Tensor, x_t: Tensor, t: Tensor, seen: Prediction) -> Tensor:
        schedule, log_variance = self._denoiser.schedule, seen.log_variance
        if log_variance is None:
            log_variance = learned_log_variance(schedule, -torch.ones_like(x_t), t)
        model = Gaussian(posterior_mean(schedule, seen.x0, x_t, t), log_variance)
        return kl_divergence(posterior(schedule, x0, x_t, t), model).mean(1)

    def _large(self, small: Tensor) -> Tensor:
        size = self.preset.input_size
        return interpolate(small[None], size=size, mode="bilinear", align_corners=False)[0, 0]
