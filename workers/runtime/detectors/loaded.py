"""A model version in memory, as those see it who use it. Nothing heavy is imported."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from stream_inspector.image.view.canvas import View
from stream_inspector.threshold.production.drift import Reference
from stream_inspector.verdict import Image, Verdict

# images, their frames' sizes (width, height) and categories -> verdicts
Inspect = Callable[[Sequence[Image], Sequence[tuple[int, int]], Sequence[str]], list[Verdict]]


class Counterpart(Protocol):
    """A normal counterpart, as `stream_inspector.counterpart` makes it."""

    @property
    def image(self) -> Image:
        """[H, W, 3] at the detector's input size."""

    @property
    def examiner(self) -> str:
        """The network that scored it; it did not guide it."""

    @property
    def score_before(self) -> float:
        """Of the image."""

    @property
    def score_after(self) -> float:
        """Of the counterpart."""

    @property
    def normal_limit(self) -> float:
        """The end of the examiner's normal range."""

    @property
    def convincing(self) -> bool:
        """Whether it looks normal to that network."""


class Explain(Protocol):
    """Defective images, their verdicts and categories -> normal counterparts."""

    def __call__(
        self,
        images: Sequence[Image],
        verdicts: Sequence[Verdict],
        categories: Sequence[str],
        *,
        on_round: Callable[[int, Any], None] | None = None,
    ) -> Sequence[Counterpart]:
        """`on_round` hears of every round; what it raises ends the work."""


@dataclass(frozen=True, slots=True)
class ModelName:
    """What messages say of a model. It holds none of the model's memory."""

    version: str
    calibrations: Mapping[str, str]  # category that it inspects -> calibration id


@dataclass(frozen=True, slots=True, weakref_slot=True)
class LoadedModel:
    """A model version on the device, ready to inspect. Its memory is free when nobody holds it."""

    version: str
    calibrations: Mapping[str, str]  # category that it inspects -> calibration id
    views: Mapping[str, View]  # by category that it inspects
    inspect: Inspect
    explain: Explain | None = None
    engine: str = "unknown"
    trained_views: Mapping[str, str | None] = field(default_factory=dict)  # their settings
    bytes: int = 0  # on the device
    references: Mapping[str, Reference] = field(default_factory=dict)  # good images, by category

    @property
    def name(self) -> ModelName:
        """What messages say of it."""
        return ModelName(self.version, self.calibrations)
