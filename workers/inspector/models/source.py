"""Which model version inspects each category, as the stages see it."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from schemas.frame import Frame
from stream_inspector.image.view.canvas import View
from workers.inspector.work import LoadedModel
from workers.runtime.registry.trial import Mode, Trial

BESIDE = "\0beside"  # after a category's name: the queue of frames that another version decides


@dataclass(frozen=True, slots=True)
class OnTrial:
    """A version beside the active one, in memory."""

    trial: Trial
    model: LoadedModel

    def takes(self, mode: Mode, frame: Frame) -> bool:
        """Whether it is in this mode, and the frame is one of its."""
        return self.trial.mode is mode and self.trial.takes(frame.camera_id, frame.frame_id)


@dataclass(frozen=True, slots=True)
class Models:
    """A consistent view: what each category is inspected with, and why some cannot be.

    A category that is in neither has a model that is not in memory now: it comes when it is wanted.
    """

    loaded: Mapping[str, LoadedModel] = field(default_factory=dict)
    missing: Mapping[str, str] = field(default_factory=dict)  # category -> reason and remedy
    held_back: Mapping[str, str] = field(default_factory=dict)  # goes on with an older version: why

    trials: Mapping[str, OnTrial] = field(default_factory=dict)  # by category

    def queue_of(self, frame: Frame) -> str:
        """Where a frame waits: its category's queue, or the one beside it."""
        beside = self.trials.get(frame.category)
        canary = beside is not None and beside.takes(Mode.CANARY, frame)
        return frame.category + BESIDE * canary

    def queues(self) -> dict[str, str]:
        """Queue -> version. A canary that is gone leaves its frames to the active version."""
        beside = {
            category + BESIDE: on.model.version
            if (on := self.trials.get(category)) and on.trial.mode is Mode.CANARY
            else model.version
            for category, model in self.loaded.items()
        }
        return self.versions() | beside

    def shadow_of(self, frame: Frame) -> LoadedModel | None:
        """The version that scores a frame beside the one that decides."""
        beside = self.trials.get(frame.category)
        return beside.model if beside is not None and beside.takes(Mode.SHADOW, frame) else None

    def versions(self) -> dict[str, str]:
        """Category -> version."""
        return {category: model.version for category, model in self.loaded.items()}

    def version(self, version: str) -> LoadedModel:
        """The model of a version that this view names."""
        every = (*self.loaded.values(), *(on.model for on in self.trials.values()))
        return next(model for model in every if model.version == version)

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
