"""What a training begins with: weights that were learned elsewhere, and where they come from."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import Tensor


@dataclass(frozen=True, slots=True)
class Start:
    """Nothing: a packaged backbone, and networks with random weights."""

    backbone: Mapping[str, Tensor] = field(default_factory=dict)  # of `backbones.body`
    network: Mapping[str, Tensor] = field(default_factory=dict)  # of the pixel diffusion's U-Net
    origin: Mapping[str, str] = field(default_factory=dict)  # what provenance says of both
