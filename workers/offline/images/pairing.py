"""Which model is to be measured on which category of a dataset."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from stream_inspector.errors import DataError
from workers.offline.images.datasets import CategoryFolder


@dataclass(frozen=True, slots=True)
class Pair:
    """A category of a dataset and the model for it."""

    data: CategoryFolder
    model: Path
    category: str  # as the model knows it


@dataclass(frozen=True, slots=True)
class Pairing:
    """Pairs by category, and the names of categories that no model is for."""

    pairs: tuple[Pair, ...]
    without: tuple[str, ...]


def pair(
    data: Sequence[CategoryFolder],
    models: Mapping[Path, Sequence[str]],
    wanted: str | None = None,
) -> Pairing:
    """Pair by name. A single folder and a single model need no common name, or `wanted` says which.

    Raises DataError when nothing fits, or two models are for the same category.
    """
    if len(data) == 1 and len(models) == 1:
        ((folder, known),) = models.items()
        category = wanted or (known[0] if len(known) == 1 else data[0].name)
        if category not in known:
            raise DataError(
                f"{folder}: is not for {category}, it knows {', '.join(known)}; give --category"
            )
        return Pairing((Pair(data[0], folder, category),), ())
    chosen = [each for each in data if wanted in {None, each.name}]
    found = {
        each.name: [folder for folder, known in models.items() if each.name in known]
        for each in chosen
    }
    for name, folders in found.items():
        if len(folders) > 1:
            raise DataError(f"{folders[0]}, {folders[1]}: both are for {name}; give one of them")
    pairs = tuple(Pair(each, found[each.name][0], each.name) for each in chosen if found[each.name])
    if not pairs:
        known = ", ".join(name for names in models.values() for name in names)
        names = ", ".join(each.name for each in chosen) or wanted
        raise DataError(f"no model for {names}; the models given are for {known}")
    return Pairing(pairs, tuple(name for name, folders in found.items() if not folders))
