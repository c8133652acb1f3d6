"""Which layout a folder has, and which categories a dataset's root holds."""

from dataclasses import dataclass
from pathlib import Path

from stream_inspector.errors import DataError
from workers.runtime.datasets.btad import BTAD
from workers.runtime.datasets.files import child, folders_in, name_of, shown
from workers.runtime.datasets.layout import Layout
from workers.runtime.datasets.mvtec import MVTEC
from workers.runtime.datasets.plain import PLAIN
from workers.runtime.datasets.reviewed import REVIEWED
from workers.runtime.datasets.visa import VISA
from workers.runtime.datasets.words import is_good

LAYOUTS: dict[str, Layout] = {each.name: each for each in (MVTEC, BTAD, VISA, PLAIN, REVIEWED)}
AUTO = "auto"
_LABELLED: tuple[Layout, ...] = (REVIEWED, VISA, BTAD, MVTEC)
_PARTS = ("train", "test", "ground_truth", "Data")  # of a category, never a category
_PART_NAMES = frozenset(part.casefold() for part in _PARTS)


@dataclass(frozen=True, slots=True)
class CategoryFolder:
    """A category of a dataset."""

    name: str
    folder: Path
    layout: Layout


def layout_of(folder: Path, forced: str = AUTO) -> Layout:
    """The layout of one category's folder. Raises DataError, saying which folder to give."""
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; give the folder of one category")
    if forced != AUTO and not REVIEWED.fits(folder):
        return _named(forced)
    found = labelled_layout(folder)
    if found is not None:
        return found
    if any(child(folder, part).is_dir() for part in _PARTS):
        return MVTEC  # its reader says what is missing
    _refuse_wrong_level(folder)
    _refuse_sorted(folder)
    return PLAIN


def categories_in(folder: Path, forced: str = AUTO) -> list[CategoryFolder]:
    """The categories of a dataset's root, or the one that the folder is. Raises DataError."""
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; give a category's folder or a dataset's root")
    inside = [] if forced == PLAIN.name else _categories_below(folder)
    if not inside or labelled_layout(folder) is not None:
        layout = layout_of(folder, forced)
        named = folder.resolve().parent if layout is REVIEWED else folder
        return [CategoryFolder(name_of(named), folder, layout)]
    found = [(each, _named(forced) if forced != AUTO else labelled_layout(each)) for each in inside]
    return [CategoryFolder(each.name, each, layout) for each, layout in found if layout]


def _named(name: str) -> Layout:
    if name not in LAYOUTS:
        raise DataError(f"--layout: there is no {name!r}; allowed: {', '.join(LAYOUTS)}")
    return LAYOUTS[name]


def labelled_layout(folder: Path) -> Layout | None:
    """The layout of a folder that has labelled images, or good ones in a folder of theirs."""
    return next((layout for layout in _LABELLED if layout.fits(folder)), None)


def _categories_below(folder: Path) -> list[Path]:
    return [each for each in folders_in(folder) if labelled_layout(each) is not None]


def _refuse_sorted(folder: Path) -> None:
    """Good and defective pictures side by side: say which folder to give."""
    kinds = [] if PLAIN.fits(folder) else folders_in(folder)
    good = [each for each in kinds if is_good(each.name)]
    if good:
        raise DataError(
            f"{folder}: holds {shown(each.name for each in kinds)}; give {good[0]}, the good "
            "images, to train on. To evaluate as well, put most of the good images into "
            f"{folder.name}/train/good, the others into test/good, and the defective ones into "
            "test/<kind>"
        )


def _refuse_wrong_level(folder: Path) -> None:
    """One level too deep, or one or two too high."""
    if folder.resolve().name.casefold() in _PART_NAMES and folders_in(folder):
        raise DataError(f"{folder}: is a part of a category; give {folder.resolve().parent}")
    categories = _categories_below(folder)
    if categories:
        names = shown(path.name for path in categories)
        raise DataError(f"{folder}: holds categories; give one of them: {names}")
    roots = [each for each in folders_in(folder) if _categories_below(each)]
    if roots:
        names = shown(path.name for path in roots)
        raise DataError(f"{folder}: holds datasets; give one of them, or a category: {names}")
