"""One row per preset: everything that decides what a model computes, and nothing else.

The paper's own row (256 px, 553 M parameters, EfficientNet-B4) fits the same columns; it waits for
a device that can run it.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class NetworkShape:
    """A U-Net in the layout of improved/guided diffusion."""

    channels: int  # width of level 0
    multipliers: tuple[int, ...]  # width of each level in units of `channels`
    res_blocks: int  # per level
    attention: tuple[int, ...]  # levels' down-sampling factors that attend
    head_channels: int  # channels of one attention head
    patch: int = 1  # pixel-unshuffle before level 0, in pixels
    updown: bool = True  # residual up- and down-sampling
    scale_shift: bool = True  # time embedding as scale and shift
    learned_variance: bool = True  # a second half of output channels
    classes: int = 0  # class labels; 0: one category, no label
    feature_channels: int = 0  # output channels of the feature head; 0: none
    feature_level: int = 1  # decoder level (down-sampling factor) the head reads
    position: tuple[int, int] | None = None  # grid [h, w] of a learned position input


@dataclass(frozen=True, slots=True)
class TrainingPlan:
    """How a network is trained."""

    iterations: int
    batch: int
    learning_rate: float  # annealed linearly to 0
    steps: tuple[int, int]  # original steps are drawn uniformly from this range, both included
    weight_decay: float = 1e-2
    ema: float = 0.997  # exponential average of the weights, warmed up
    clip_norm: float = 1.0  # of the gradient
    feature_weight: float = 1.0  # of the feature head's squared error
    bound_weight: float = 1e-3  # of the variational bound, beside a mean squared error near 1
