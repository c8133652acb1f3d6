"""Which model version inspects each category: loaded beside the old one, then swapped.

Redis or the artefact store may be away at any time: what is loaded stays in use.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import structlog

from stream_inspector.view.canvas import View
from workers.inspector.work import LoadedModel
from workers.runtime.categories import Category, asks_for_another
from workers.runtime.errors import WorkerError
from workers.runtime.registry import Registry

_log = structlog.get_logger(__name__)

LoadModel = Callable[[bytes, bytes], LoadedModel]  # manifest, tensors -> ready on the device


@dataclass(frozen=True, slots=True)
class Models:
    """A consistent view: what each category is inspected with, and why some cannot be."""

    loaded: Mapping[str, LoadedModel] = field(default_factory=dict)
    missing: Mapping[str, str] = field(default_factory=dict)  # category -> reason and remedy

    def versions(self) -> dict[str, str]:
        """Category -> version."""
        return {category: model.version for category, model in self.loaded.items()}

    def version(self, version: str) -> LoadedModel:
        """The model of a version that this view names."""
        return next(model for model in self.loaded.values() if model.version == version)

    def view(self, category: str) -> View | None:
        """What the category's model wants to see of a frame; None without a model."""
        model = self.loaded.get(category)
        return None if model is None else model.views[category]


class ModelSource(Protocol):
    """Where the loop gets its models from."""

    @property
    def models(self) -> Models:
        """The view of this moment."""

    def refresh(self) -> None:
        """Look for new activations once."""


class FixedModels:
    """Models that never change: the null detector of benchmarks."""

    def __init__(self, loaded: Mapping[str, LoadedModel]):
        self.models = Models(loaded)

    def refresh(self) -> None:
        """Nothing to look for."""


class ModelKeeper:
    """Keeps the categories' active versions loaded."""

    def __init__(
        self,
        registry: Registry,
        load: LoadModel,
        categories: Iterable[str],
        configured: Mapping[str, Category] | None = None,
    ):
        self._registry, self._load, self._configured = registry, load, configured or {}
        self._categories = sorted(categories)
        self._models = Models(missing=dict.fromkeys(self._categories, "not looked for yet"))

    @property
    def models(self) -> Models:
        """The view of this moment."""
        return self._models

    def refresh(self) -> None:
        """Look for new activations once and load them. Never raises for a single category."""
        for category in self._categories:
            loaded, missing = dict(self._models.loaded), dict(self._models.missing)
            try:
                model = self._wanted(category)
            except Exception as error:  # a version that cannot be loaded must not stop the others
                self._complain(category, f"{type(error).__name__}: {error}", missing)
            else:
                missing.pop(category, None)
                if loaded.get(category) is not model:
                    _log.info("model in use", category=category, version=model.version)
                    self._compare_views(category, model)
                loaded[category] = model
            self._models = Models(loaded, missing)

    def _wanted(self, category: str) -> LoadedModel:
        version = self._registry.active(category)
        if version is None:
            raise WorkerError(
                f"{category} has no active model: train and calibrate one, then "
                f"`stream-inspector model push` and `model activate`"
            )
        model = self._loaded(version)
        if category not in model.calibrations:
            raise WorkerError(
                f"the active version {version} is for {', '.join(model.calibrations)}, "
                f"not for {category}: activate another or calibrate it for {category}"
            )
        return model

    def _loaded(self, version: str) -> LoadedModel:
        for model in self._models.loaded.values():
            if model.version == version:
                return model
        manifest, tensors = self._registry.fetch(version)
        return self._load(manifest, tensors)

    def _compare_views(self, category: str, model: LoadedModel) -> None:
        """The model looks as it was trained to; say so when the category's file wants otherwise."""
        configured = self._configured.get(category)
        if configured and asks_for_another(configured, model.trained_views.get(category)):
            _log.warning(
                "the category's file asks for another view than the model was trained with; frames "
                "are inspected through the model's own: train again with --categories",
                category=category,
                version=model.version,
            )

    def _complain(self, category: str, reason: str, missing: dict[str, str]) -> None:
        """A category that has a model keeps it; one that has none stays missing."""
        if category in self._models.loaded:
            _log.warning("keeping the loaded model", category=category, reason=reason)
            return
        if missing.get(category) != reason:
            _log.error("category cannot be inspected", category=category, reason=reason)
        missing[category] = reason
