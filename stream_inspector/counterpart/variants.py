"""The variants of gradient denoising, and what all of them make; no PyTorch."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from stream_inspector.presets import CHAIN, EXAMINER
from stream_inspector.verdict import Image, Verdict

Array = NDArray[np.float32]
OnRound = Callable[[int, Array], None]  # round and images [B, 3, H, W] in [-1, 1] after it

USUAL_SHARE = 0.95  # of good pixels change by at most the usual amount when all are denoised
EDGE = 0.1  # deviation around a pixel, of [-1, 1]: an edge
SMOOTH_SHARE = 0.4  # of the usual change is clear where there is none
NEAR = 5  # pixels over which a change is averaged before it is compared with the usual


@dataclass(frozen=True, slots=True)
class CounterpartSettings:
    """One variant: each round is `gradient_steps` steps of descent and one denoising."""

    steps: tuple[int, ...]  # the chain's step at which each round denoises
    chain: int  # steps the chain is respaced to
    gradient_steps: int  # N_d; 0: nothing guides
    strength: float  # s: a gradient step has the variance of a diffusion step, s^2
    unit_gradient: bool  # scale g to unit deviation
    distance: str  # what of the guide's cells descends: a key of DISTANCES
    estimate: str  # "sample" of p(x_{t-1} | x_t), its "mean", or "clean" x_0
    masked: bool  # noise the image first, and change only where it is anomalous
    carried: bool = False  # the noise found goes on to the next step (DDIM); else all are alike

    @property
    def needs_gradients(self) -> bool:
        """Whether PyTorch has to make it: the masked variant needs a network and nothing else."""
        unguided = self.masked and self.carried and not self.gradient_steps
        return not (unguided and self.estimate == "clean" and self.chain == CHAIN)


COUNTERPARTS = {
    # as printed: the image itself is taken for x_t
    "paper": CounterpartSettings((8,) * 20, 250, 5, 0.02, False, "squares", "sample", False),
    # as released by its authors
    "released": CounterpartSettings((8,) * 100, 250, 5, 0.02, True, "roots", "mean", False),
    # what works with small networks, whose gradients are adversarial: start far away, where a
    # network cannot copy the defect, and follow what it sees down to fine detail
    "masked": CounterpartSettings(
        (400, 350, 300, 250, 200, 120, 60, 20), 1000, 0, 0.0, False, "squares", "clean", True, True
    ),
}


@dataclass(frozen=True, slots=True)
class Counterpart:
    """The normal counterpart of one defective image, and how it fared before its judge."""

    image: Image  # [H, W, 3], input size
    score_before: float  # by the examiner
    score_after: float
    normal_limit: float  # the end of the examiner's normal range
    rounds: int  # it took
    examiner: str = EXAMINER.architecture

    @property
    def convincing(self) -> bool:
        """Whether it came nearer to normal and arrived there."""
        return self.score_after < self.score_before and self.score_after <= self.normal_limit


def anomaly_weights(verdicts: Sequence[Verdict]) -> Array:
    """Where each image may change, [N, 1, H, W] in [0, 1]: its anomalous pixels, soft at the rim.

    An image without a pixel above its threshold may change around its peak, down to half height.
    """
    masks = np.stack([_anomalous(verdict) for verdict in verdicts])
    reach = max(1, min(masks.shape[1:]) // 64)  # pixels by which the region grows
    grown = ndimage.maximum_filter(masks, (1, 2 * reach + 1, 2 * reach + 1), mode="constant")
    return box_mean(grown.astype(np.float32), reach)[:, None]


def box_mean(x: Array, reach: int) -> Array:
    """The mean around each pixel of [..., H, W], of those within `reach` that there are."""
    kernel = np.ones(2 * reach + 1, np.float32)
    total, count = x, np.ones(x.shape[-2:], np.float32)
    for axis in (-2, -1):
        total = ndimage.correlate1d(total, kernel, axis, mode="constant")
        count = ndimage.correlate1d(count, kernel, axis, mode="constant")
    return np.asarray(total / count, np.float32)


def _anomalous(verdict: Verdict) -> NDArray[np.bool_]:
    scores = verdict.score_map
    above = scores > verdict.pixel_threshold
    if above.any():
        return above
    return np.asarray(scores >= (scores.max() + np.median(scores[np.isfinite(scores)])) / 2)
