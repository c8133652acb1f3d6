"""What every engine does: canvases in, maps and image scores out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from stream_inspector.verdict import Image


@dataclass(frozen=True)
class Scores:
    """Maps of the canvas and image scores, of the ensemble and of each member alone."""

    maps: NDArray[np.float32]  # [N, H, W]
    image_scores: NDArray[np.float64]  # [N]
    members: dict[str, NDArray[np.float32]]  # each [N, H, W]
    member_image_scores: dict[str, NDArray[np.float64]]  # each [N]


@dataclass(frozen=True, slots=True)
class Forward:
    """How PyTorch runs the diffusion network: fp32 or bf16, as CUDA graphs or eagerly."""

    precision: str = "fp32"
    graphs: bool = False


EXACT = Forward()


class Scorer(Protocol):
    """A model version on an engine. Not safe for concurrent calls."""

    @property
    def name(self) -> str:
        """The engine's, as settings have it."""

    @property
    def engine(self) -> str:
        """The same and its precision, for people."""

    def score(self, images: Sequence[Image], labels: Sequence[int]) -> Scores:
        """Score canvases uint8 [H, W, 3], at least one, each of the category with its label."""
