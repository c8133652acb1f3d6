"""A good image and the score that it has: shows whether a device computes what calibration saw.

Chosen by `calibrate`, stored in the model version, asked for before a version comes into use.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from stream_inspector.errors import SelfTestFailed

TOLERANCE = 0.01  # of the threshold less the median good score: far from turning a verdict
_FLOOR = 1e-4  # of the score: what single precision and another batch size change anyway


@dataclass(frozen=True, slots=True)
class SelfTest:
    """What a category's self-test image has to score."""

    score: float
    tolerance: float

    def check(self, score: float) -> None:
        """Raises SelfTestFailed when a device's score is another one."""
        if not abs(score - self.score) <= self.tolerance:  # also when it is not a number
            raise SelfTestFailed(
                f"the self-test image scores {score:.6g} on this device; {self.score:.6g} +- "
                f"{self.tolerance:.2g} is expected"
            )

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        return asdict(self)

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Self:
        """The inverse of `to_dict`."""
        return cls(float(plain["score"]), float(plain["tolerance"]))


def choose(image_scores: NDArray[np.float64], threshold: float) -> tuple[int, SelfTest]:
    """The good image [index] of the median score, and what is asked of it."""
    median = float(np.median(image_scores))
    index = int(np.abs(image_scores - median).argmin())
    score = float(image_scores[index])
    tolerance = max(TOLERANCE * (threshold - median), _FLOOR * max(1.0, abs(score)))
    return index, SelfTest(score, tolerance)
