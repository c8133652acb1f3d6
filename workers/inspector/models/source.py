"""Which model version inspects each category, as the stages see it."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from stream_inspector.image.view.canvas import View
from workers.runtime.detectors.loaded import LoadedModel


@dataclass(frozen=True, slots=True)
class Models:
    """A consistent view: what each category is inspected with, and why some cannot be.

    A category that is in neither has a model that is not in memory now: it comes when it is wanted.
    """

    loaded: Mapping[str, LoadedModel] = field(default_factory=dict)
    missing: Mapping[str, str] = field(default_factory=dict)  # category -> reason and remedy
    held_back: Mapping[str, str] = field(default_factory=dict)  # goes on with an older version: why

    def versions(self) -> dict[str, str]:
        """Category -> version."""
        return {category: model.version for category, model in self.loaded.items()}

    def version(self, version: str) -> LoadedModel:
        """The model of a version that this view names."""
        return next(model for model in self.loaded.values() if model.version == version)

    def view(self, category: str) -> View | None:
        """What the category's model wants to see of a frame; None while it is not in memory."""
        model = self.loaded.get(category)
        return None if model is None else model.views[category]


class ModelSource(Protocol):
    """Where the loop gets its models from."""

    @property
    def models(self) -> Models:
        """The view of this moment."""

    @property
    def asking_s(self) -> float:
        """For how long an answer of the stores has been waited for (seconds)."""

    def refresh(self) -> None:
        """Look for new activations once."""

    def follow(self, stop: threading.Event, every_s: float) -> None:
        """Look for them every so often and when there is news, and load what is wanted."""

    def listen(self, stop: threading.Event) -> None:
        """Hear of activations."""

    def want(self, category: str) -> None:
        """A frame waits for the category's model. Any thread; never blocks."""

    def turn(self, waiting: Mapping[str, float], version: str | None) -> None:
        """Between two batches: since when admitted frames wait, and which version is next."""


class FixedModels:
    """Models that never change: the null detector of benchmarks."""

    def __init__(self, loaded: Mapping[str, LoadedModel]):
        self.models = Models(loaded)
        self.asking_s = 0.0

    def refresh(self) -> None:
        """Nothing to look for."""

    def follow(self, stop: threading.Event, every_s: float) -> None:
        """Nothing to follow."""

    def listen(self, stop: threading.Event) -> None:
        """Nothing to hear."""

    def want(self, category: str) -> None:
        """Whatever there is is loaded."""

    def turn(self, waiting: Mapping[str, float], version: str | None) -> None:
        """Nothing leaves."""
