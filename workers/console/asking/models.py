"""Model versions as pages show them: where they come from, who made them active."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from workers.console.versions import ModelVersions
from workers.runtime.names import is_name
from workers.runtime.registry.registry import Activation
from workers.runtime.registry.switching import version_before

_VERSIONS, _ACTIVATIONS = 50, 50  # on one page
_REVIEWS = "/reviews"  # in a version's provenance: what it has learnt from


@dataclass(frozen=True, slots=True)
class Summary:
    """One category in the list."""

    category: str
    versions: int
    last: Activation | None


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a category. `made`, `calibration`, `reviews`, `digests`: name -> value."""

    version: str
    state: str  # active, on trial, or empty
    preset: str
    provisional: bool
    promise: str | None
    threshold: float | None
    calibration: Mapping[str, Any]
    made: Mapping[str, Any]
    reviews: Mapping[str, Any]
    digests: Mapping[str, str]
    pushed_at: str | None
    megabytes: float | None


@dataclass(frozen=True, slots=True)
class Category:
    """A category's page."""

    category: str
    versions: tuple[Version, ...]
    more: int  # versions that have no room
    history: tuple[Activation, ...]  # the newest first
    back_to: str | None  # what a rollback would activate

    @property
    def last(self) -> Activation | None:
        """The activation that holds."""
        return self.history[0] if self.history else None


def summaries(store: ModelVersions) -> list[Summary]:
    """All categories that have a version. Raises StoreUnavailable."""
    registry = store.store
    return [
        Summary(name, len(registry.versions(name)), registry.activations.newest(name))
        for name in registry.categories()
    ]


def find_category(store: ModelVersions, category: str) -> Category | None:
    """A category; None: the store has none of that name. Raises StoreUnavailable."""
    registry = store.store
    known = registry.versions(category) if is_name(category) else []
    if not known:
        return None
    history = registry.history(category)
    order = _order(known, history)
    shown = tuple(_version(store, category, each, history) for each in order[:_VERSIONS])
    return Category(
        category,
        shown,
        max(0, len(order) - _VERSIONS),
        tuple(reversed(history))[:_ACTIVATIONS],
        version_before(history),
    )


def _order(known: Sequence[str], history: Sequence[Activation]) -> list[str]:
    """In use first, then those that were in use last, then the others."""
    used = chain.from_iterable(
        (each.version, *([each.trial.version] if each.trial else [])) for each in reversed(history)
    )
    return [name for name in dict.fromkeys([*used, *known]) if name in known]


def _version(
    store: ModelVersions, category: str, version: str, history: Sequence[Activation]
) -> Version:
    about, noted = store.about(version), store.store.digests(version)
    provenance = about.get("provenance") or {}
    preset = about.get("preset") or {}
    calibration = about.get("calibrations", {}).get(category) or {}
    mine = f"{category}{_REVIEWS}"
    size = noted.get("bytes")
    return Version(
        version,
        _state(version, history),
        str(preset.get("name", "not readable: see `stream-inspector model verify`")),
        bool(provenance.get("provisional")),
        calibration.get("promise"),
        calibration.get("image_threshold"),
        _flat(calibration),
        {name: value for name, value in provenance.items() if _REVIEWS not in name},
        {
            name.removeprefix(f"{category}/").replace("_", " "): value
            for name, value in provenance.items()
            if name.startswith(mine)
        },
        {part: str(noted[part]) for part in ("manifest", "tensors") if part in noted},
        noted.get("pushed_at"),
        size / 1e6 if isinstance(size, int) else None,
    )


def _flat(calibration: Mapping[str, Any]) -> dict[str, Any]:
    """Its values and those of its budget; lists are left out."""
    budget = calibration.get("budget")
    every = {**calibration, **(budget if isinstance(budget, dict) else {})}
    return {
        name: value
        for name, value in every.items()
        if name != "promise" and isinstance(value, str | int | float)
    }


def _state(version: str, history: Sequence[Activation]) -> str:
    last = history[-1] if history else None
    if last is not None and last.version == version:
        return "active"
    if last is not None and last.trial is not None and last.trial.version == version:
        return "on trial"
    return ""
