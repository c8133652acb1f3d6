"""The columns of a preset: every row of numbers that decides what a model computes, as JSON too."""

import math
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any

CHAIN = 1000  # steps of the chain that networks are trained on
GOOD_IMAGES, PER_IMAGE = "good-images", "per-image"  # normalisations
MULTIPLE = 16  # pixels: the input divides by it, the deepest stride of the features

_LATER = {"later": True}  # columns that models of before do not have: left out at their default


@dataclass(frozen=True, slots=True)
class Backbone:
    """A frozen network, and how its features are taken."""

    architecture: str  # timm's name
    levels: tuple[int, ...]  # of its feature maps, as timm counts them
    channels: int  # of these levels together
    mean: tuple[float, ...] = (0.5, 0.5, 0.5)  # of the pixels (0..1) that it was trained on
    deviation: tuple[float, ...] = (0.5, 0.5, 0.5)  # of them; both by channel
    patch: int = 1  # pixels: sides that it sees divide by it; above 1 a transformer


LITE0 = Backbone("tf_efficientnet_lite0", (1, 2, 3), 176)  # 24 + 40 + 112 at strides 4, 8, 16
LITE2 = Backbone("tf_efficientnet_lite2", (1, 2, 3), 192)  # 24 + 48 + 120
EXAMINER = LITE2  # of counterparts, which it neither guides nor scores
WORST_CELLS = 10  # that it judges an image by: a small defect must not drown in a large one
# Of a transformer a block in its middle tells most; pixels as ImageNet's networks see them.
DINOV2 = Backbone(
    "vit_small_patch14_dinov2", (7,), 384, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), patch=14
)
# RAN section C: strides 2 to 16, and pixels in [-1, 1], whatever it was trained on.
B4 = Backbone("tf_efficientnet_b4.aa_in1k", (0, 1, 2, 3), 272)  # 24 + 32 + 56 + 160


def examiner_grid(tile: tuple[int, int]) -> tuple[int, int]:
    """The examiner's cells on a tile [h, w]: one for every eight pixels."""
    return tile[0] // 8, tile[1] // 8


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
    # Blocks of that level after the one that the head reads.
    feature_early: int = field(default=0, metadata=_LATER)

    @property
    def deepest(self) -> int:
        """Pixels of x by which its sides divide."""
        return self.patch << (len(self.multipliers) - 1)


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
    backbone: Backbone = LITE0  # the frozen network that makes the features
    counterpart: str = "masked"  # variant of gradient denoising
    normalisation: str = GOOD_IMAGES  # whose mean and deviation the z-scores of maps have
    # The nearest good feature of the same neighbourhood, where it is a member.
    nearby: MemoryPlan | None = field(default=None, metadata=_LATER)
    # The features that networks see are whitened; else they are the backbone's own.
    whitened: bool = field(default=True, metadata=_LATER)
    # KL is averaged over the cells of the grid; else it keeps the network's own resolution.
    pooled_kl: bool = field(default=True, metadata=_LATER)

    @property
    def trained(self) -> bool:
        """Whether a trained network scores; without one frozen features tell good from bad."""
        return bool(self.scoring.score_steps)

    @property
    def scoring(self) -> Diffusion:
        """The diffusion whose KL and reconstruction error are scored."""
        return self.feature or self.pixel

    @property
    def pixel_prefix(self) -> str:
        """Where the pixel network's weights are: it is the scoring one unless features score."""
        return "network" if self.feature is None else "pixel"

    @property
    def multiple(self) -> int:
        """Pixels by which the input's sides divide, so that all parts of it fit each other."""
        h, w = self.input_size
        if not self.pixel.network.feature_channels:
            return MULTIPLE
        steps = [
            self.pixel.network.deepest * side // math.gcd(side, seen)
            for side, seen in zip((h, w), self.pixel.size, strict=True)
        ]
        return math.lcm(MULTIPLE, *steps)

    def to_dict(self) -> dict[str, Any]:
        """JSON-safe form; `preset_from_dict` reads it back."""
        plain: dict[str, Any] = _plain(self)
        return plain


def _plain(row: Any) -> Any:
    """A row and the rows in it; later columns only where they say something."""
    if row == LITE0:
        return LITE0.architecture  # as models of before say it
    return {
        column.name: _plain(value) if is_dataclass(value) else value
        for column in fields(row)
        for value in [getattr(row, column.name)]
        if not (column.metadata == _LATER and value == column.default)
    }


def preset_from_dict(data: dict[str, Any]) -> Preset:
    """Read `Preset.to_dict` back, also after a trip through JSON.

    Raises KeyError, TypeError or ValueError.
    """
    given = {name: _tuples(value) for name, value in data.items()}
    given["pixel"] = _diffusion(data["pixel"])
    given["feature"] = None if data["feature"] is None else _diffusion(data["feature"])
    given["backbone"] = _backbone(data["backbone"])
    given["mixture"] = MixturePlan(**data["mixture"])
    given["nearby"] = MemoryPlan(**data["nearby"]) if data.get("nearby") else None
    return Preset(**given)


def _backbone(data: dict[str, Any] | str) -> Backbone:
    if isinstance(data, dict):
        return Backbone(**{name: _tuples(value) for name, value in data.items()})
    if data != LITE0.architecture:
        raise ValueError(f"nothing is known of the backbone {data}")
    return LITE0


def _diffusion(data: dict[str, Any]) -> Diffusion:
    given = {name: _tuples(value) for name, value in data.items()}
    given["network"] = NetworkShape(**{k: _tuples(v) for k, v in data["network"].items()})
    given["plan"] = TrainingPlan(**{k: _tuples(v) for k, v in data["plan"].items()})
    return Diffusion(**given)


def _tuples(value: Any) -> Any:
    """JSON arrays become tuples again, at any depth."""
    return tuple(_tuples(item) for item in value) if isinstance(value, list | tuple) else value
