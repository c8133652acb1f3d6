"""One row per preset: everything that decides what a model computes, and nothing else.

The paper's own row is complete but for two things that are not packaged yet: the ImageNet weights
of its feature network, and the pretrained weights its training starts from.
"""

import math
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import Any

LITE0 = "tf_efficientnet_lite0"
CHAIN = 1000  # steps of the chain that networks are trained on
GOOD_IMAGES, PER_IMAGE = "good-images", "per-image"  # normalisations
MULTIPLE = 16  # pixels: the input divides by it, the deepest stride of the features

_LATER = {"later": True}  # columns that models of before do not have: left out at their default


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

    iterations: int  # per category
    batch: int
    learning_rate: float  # annealed linearly to 0
    steps: tuple[int, int]  # original steps are drawn uniformly from this range, both included
    weight_decay: float = 1e-2
    ema: float = 0.997  # exponential average of the weights, warmed up
    clip_norm: float = 1.0  # of the gradient
    feature_weight: float = 1.0  # of the feature head's squared error
    bound_weight: float = 1e-3  # of the variational bound, beside a mean squared error near 1
    rotation: float = 0.0  # degrees, either way, at random
    crop: int | None = None  # side of the random squares that are trained on; None: all of x
    unified_iterations: int | None = None  # of a network for several; None: iterations for each

    def total(self, categories: int) -> int:
        """Iterations of a network for so many categories."""
        if categories == 1:
            return self.iterations
        return self.unified_iterations or self.iterations * categories


@dataclass(frozen=True, slots=True)
class Diffusion:
    """A denoiser: the space it lives in, its network, how it is trained and read."""

    channels: int  # 3: pixels in [-1, 1]; else whitened features
    size: tuple[int, int]  # [h, w] of x
    parameterisation: str  # eps, v, edm or x0
    network: NetworkShape
    plan: TrainingPlan
    score_steps: tuple[int, ...]  # steps of the score chain at which the scores are read
    score_chain: int = CHAIN  # steps that chain is respaced to; all of them: original steps
    # Scored at one x_t of fixed noise; else at the mean of q(x_t | x_0).
    sampled: bool = field(default=True, metadata=_LATER)


@dataclass(frozen=True, slots=True)
class GaussianPlan:
    """Per-position Gaussians of the features (Mahalanobis distance)."""

    block: int  # grid cells, each way, that share one Gaussian
    margin: int  # cells around a block that also inform it: parts do not lie exactly alike
    shrink: float  # share of the identity in the covariance of standardised features


@dataclass(frozen=True, slots=True)
class MixturePlan:
    """A mixture of Gaussians of the features (Mahalanobis distance)."""

    components: int
    shrink: float  # share of the identity in the covariances of standardised features
    # Cells within which a component must have been seen to count; None: wherever it was.
    place: int | None = field(default=None, metadata=_LATER)


@dataclass(frozen=True, slots=True)
class MemoryPlan:
    """Good features that are kept to compare with, as far apart as can be."""

    vectors: int  # of each block
    candidates: int  # that they are chosen from, drawn at random
    block: int  # grid cells, each way, that share a memory
    margin: int  # cells around a block that also inform it: parts do not lie exactly alike


@dataclass(frozen=True, slots=True)
class Preset:
    """Everything that decides what a model of this kind computes."""

    name: str
    input_size: tuple[int, int]  # [h, w] in pixels
    grid: tuple[int, int]  # [h, w] of features and score maps before enlarging
    pixel: Diffusion  # makes the counterparts; scores too when `feature` is None
    feature: Diffusion | None  # scores in the space of whitened features
    mixture: MixturePlan
    weights: tuple[tuple[str, float], ...]  # of the members in the ensemble
    smoothing: float  # sigma of the score map's final blur, input pixels
    top_pixels: int = 64  # image score: mean of the largest pixels (RAN section D)
    backbone: str = LITE0  # timm's name of the frozen network that makes the features
    counterpart: str = "masked"  # variant of gradient denoising
    normalisation: str = GOOD_IMAGES  # whose mean and deviation the z-scores of maps have
    # The nearest good feature of the same neighbourhood, where it is a member.
    nearby: MemoryPlan | None = field(default=None, metadata=_LATER)

    @property
    def trained(self) -> bool:
        """Whether networks are trained; without any only frozen features tell good from bad."""
        return bool(self.scoring.score_steps)

    @property
    def scoring(self) -> Diffusion:
        """The diffusion whose KL and reconstruction error are scored."""
        return self.feature or self.pixel

    def to_dict(self) -> dict[str, Any]:
        """JSON-safe form; `preset_from_dict` reads it back."""
        return _plain(self)


def _plain(row: Any) -> dict[str, Any]:
    """A row and the rows in it; later columns only where they say something."""
    return {
        column.name: _plain(value) if is_dataclass(value) else value
        for column in fields(row)
        for value in [getattr(row, column.name)]
        if not (column.metadata == _LATER and value == column.default)
    }


def for_categories(preset: Preset, count: int) -> Preset:
    """The preset of a unified model for so many categories: the networks are told which one."""

    def unified(diffusion: Diffusion) -> Diffusion:
        network = replace(diffusion.network, classes=count if count > 1 else 0)
        plan = replace(diffusion.plan, iterations=diffusion.plan.total(count))
        return replace(diffusion, network=network, plan=plan)

    feature = preset.feature and unified(preset.feature)
    return replace(preset, pixel=unified(preset.pixel), feature=feature)


def shortened(preset: Preset, iterations: int | None) -> Preset:
    """The preset with every network trained for so many steps; None: as it is."""
    if iterations is None:
        return preset

    def short(diffusion: Diffusion) -> Diffusion:
        return replace(diffusion, plan=replace(diffusion.plan, iterations=iterations))

    return replace(
        preset, pixel=short(preset.pixel), feature=preset.feature and short(preset.feature)
    )


def at_size(preset: Preset, size: tuple[int, int]) -> Preset:
    """The preset for images of another size or shape, [h, w] in pixels.

    What depends on the size follows: the grid, the feature diffusion on it with its position
    input, and the pixel diffusion at the same reduction. Raises ValueError unless both sides
    divide by 16.
    """
    if any(side <= 0 or side % MULTIPLE for side in size):
        raise ValueError(f"the input size {size[0]} x {size[1]} does not divide by {MULTIPLE}")
    grid = _scaled(preset.grid, preset.input_size, size, 1)
    network = preset.pixel.network
    deepest = network.patch * 2 ** (len(network.multipliers) - 1)
    pixel_size = _scaled(preset.pixel.size, preset.input_size, size, deepest)
    return replace(
        preset,
        input_size=size,
        grid=grid,
        pixel=_diffusion_at(preset.pixel, pixel_size),
        feature=preset.feature and _diffusion_at(preset.feature, grid),
    )


def _scaled(
    size: tuple[int, int], before: tuple[int, int], after: tuple[int, int], multiple: int
) -> tuple[int, int]:
    """A size that grows as the input does, rounded to a multiple."""
    h, w = (
        max(1, round(side * new / (old * multiple))) * multiple
        for side, old, new in zip(size, before, after, strict=True)
    )
    return h, w


def _diffusion_at(diffusion: Diffusion, size: tuple[int, int]) -> Diffusion:
    network = replace(diffusion.network, position=diffusion.network.position and size)
    return replace(diffusion, size=size, network=network)


def preset_from_dict(data: dict[str, Any]) -> Preset:
    """Read `Preset.to_dict` back, also after a trip through JSON. Raises KeyError or TypeError."""
    given = {name: _tuples(value) for name, value in data.items()}
    given["pixel"] = _diffusion(data["pixel"])
    given["feature"] = None if data["feature"] is None else _diffusion(data["feature"])
    given["mixture"] = MixturePlan(**data["mixture"])
    given["nearby"] = MemoryPlan(**data["nearby"]) if data.get("nearby") else None
    return Preset(**given)


def _diffusion(data: dict[str, Any]) -> Diffusion:
    given = {name: _tuples(value) for name, value in data.items()}
    given["network"] = NetworkShape(**{k: _tuples(v) for k, v in data["network"].items()})
    given["plan"] = TrainingPlan(**{k: _tuples(v) for k, v in data["plan"].items()})
    return Diffusion(**given)


def _tuples(value: Any) -> Any:
    """JSON arrays become tuples again, at any depth."""
    return tuple(_tuples(item) for item in value) if isinstance(value, list | tuple) else value


_PIXEL = Diffusion(
    channels=3,
    size=(128, 128),
    parameterisation="x0",
    network=NetworkShape(
        channels=48,
        multipliers=(1, 2),
        res_blocks=1,
        attention=(2,),
        head_channels=48,
        patch=4,
        feature_channels=176,
    ),
    plan=TrainingPlan(iterations=500, batch=8, learning_rate=1e-3, steps=(20, 450)),
    score_steps=(100, 200),
)

PIXEL_SMALL = Preset(
    name="pixel-small",
    input_size=(256, 256),
    grid=(32, 32),
    pixel=_PIXEL,
    feature=None,
    mixture=MixturePlan(components=48, shrink=0.2),
    weights=(("kl", 0.125), ("features", 0.125), ("mahalanobis", 1.0)),
    smoothing=4.0,
)

FEATURE_FAST = Preset(
    name="feature-fast",
    input_size=(320, 320),
    grid=(40, 40),
    pixel=replace(
        _PIXEL,
        size=(256, 256),
        network=replace(_PIXEL.network, feature_channels=0, learned_variance=False),
        plan=replace(_PIXEL.plan, crop=128),  # as cheap as 128 pixels, and sharper
    ),
    feature=Diffusion(
        channels=176,
        size=(40, 40),
        parameterisation="v",
        network=NetworkShape(
            channels=96,
            multipliers=(1, 1),
            res_blocks=1,
            attention=(2,),
            head_channels=48,
            position=(40, 40),
        ),
        plan=TrainingPlan(iterations=400, batch=4, learning_rate=1e-3, steps=(0, 999)),
        score_steps=(500,),
        sampled=False,
    ),
    mixture=MixturePlan(components=256, shrink=0.2, place=2),
    nearby=MemoryPlan(vectors=512, candidates=8192, block=4, margin=3),
    weights=(("kl", 0.125), ("mahalanobis", 1.0), ("nearby", 0.5)),
    smoothing=4.0,
)

# For 5 to 20 good images: no network is scored or trained; place and memory do it alone.
FEW_IMAGES = replace(
    FEATURE_FAST,
    name="few-images",
    feature=FEATURE_FAST.feature and replace(FEATURE_FAST.feature, score_steps=()),
    mixture=MixturePlan(components=48, shrink=0.2, place=2),
    weights=(("mahalanobis", 1.0), ("nearby", 1.0)),
)

# RAN sections A to D. T = {5, 50, 100} counts on the 250 steps: original steps 20, 201 and 401.
PAPER = Preset(
    name="paper",
    input_size=(256, 256),
    grid=(64, 64),
    pixel=Diffusion(
        channels=3,
        size=(256, 256),
        parameterisation="eps",
        network=NetworkShape(
            channels=256,
            multipliers=(1, 1, 2, 2, 4, 4),
            res_blocks=2,
            attention=(8, 16, 32),  # at 32, 16 and 8 pixels
            head_channels=64,
            feature_channels=272,  # 24 + 32 + 56 + 160
            feature_level=4,  # 64 pixels
        ),
        plan=TrainingPlan(
            iterations=10_000,
            unified_iterations=20_000,
            batch=2,
            learning_rate=1e-4,
            steps=(0, 999),
            bound_weight=1 / math.log(2),  # 1 in bits, as in guided diffusion
            rotation=5.0,
        ),
        score_steps=(5, 50, 100),
        score_chain=250,
    ),
    feature=None,
    mixture=MixturePlan(components=128, shrink=0.2),
    weights=(("kl", 0.5), ("features", 0.5)),
    smoothing=0.0,
    backbone="tf_efficientnet_b4",
    counterpart="paper",
)

PRESETS = {preset.name: preset for preset in (PIXEL_SMALL, FEATURE_FAST, FEW_IMAGES, PAPER)}
