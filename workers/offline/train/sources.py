"""Where the good images of a training come from: folders, or the renderer."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from stream_inspector.errors import DataError
from stream_inspector.image.view.canvas import View
from stream_inspector.presets import FEW_IMAGES, Preset
from stream_inspector.synthetic import DEFAULT_SIZE
from workers.offline.fit import FEWEST, GoodImages, load_good, synthetic_good
from workers.offline.images.datasets import categories_in, good_files
from workers.offline.images.views import (
    find_category,
    folder_view,
    refuse_different_tiles,
    view_for,
)
from workers.offline.progress import OnWork
from workers.offline.settings import BudgetSettings, TrainerSettings
from workers.runtime.categories import CategoriesSection, Category
from workers.runtime.datasets.files import name_of
from workers.runtime.errors import SettingsError
from workers.runtime.registry.registry import check_name

OnSkip = Callable[[str], None]
_PRESET = "trainer.preset"


@dataclass(frozen=True, slots=True)
class Source:
    """What the command line says about them."""

    data: tuple[Path, ...]
    synthetic: int
    categories: tuple[str, ...]
    unified: bool

    def read(
        self,
        preset: Preset,
        settings: TrainerSettings,
        categories: CategoriesSection,
        on_skip: OnSkip,
        on_work: OnWork = lambda _stage, _done, _of: None,
    ) -> dict[str, GoodImages]:
        """All good images, by category, each through its category's view.

        Raises SettingsError, and DataError or TooFewImages for a folder.
        """
        if bool(self.data) == bool(self.synthetic):
            raise SettingsError("give either --data FOLDER or --synthetic COUNT")
        if self.synthetic:
            category = find_category(self._only_name(None), categories)
            view = view_for(category, preset.input_size, DEFAULT_SIZE[::-1], preset.multiple)
            return {
                category.name: _of(category, synthetic_good(self.synthetic, settings.seed, view))
            }
        layout, on_corrupt = settings.layout, settings.on_corrupt
        folders = self._folders(layout)
        known = {name: find_category(name, categories) for name in folders}
        views = {n: self._view(known[n], preset, folders[n], layout) for n in folders}
        refuse_different_tiles(views)

        def load(name: str) -> GoodImages:
            on_read = partial(on_work, "reading" if len(folders) == 1 else f"reading {name}")
            return load_good(
                folders[name], views[name], on_corrupt, on_skip, layout, on_read=on_read
            )

        return {name: _of(known[name], load(name)) for name in folders}

    def few(
        self, settings: TrainerSettings, budget: BudgetSettings, stated: Collection[str]
    ) -> tuple[str, Path] | None:
        """The category and its folder, when its images are too few for a network and nobody asked
        for one; or when place and memory alone were asked for.
        """
        if self.unified or self.synthetic or len(self.data) != 1:
            if settings.preset == FEW_IMAGES.name:
                raise SettingsError(f"preset {FEW_IMAGES.name}: give one --data FOLDER")
            return None
        folder = self.data[0]
        asked = settings.preset == FEW_IMAGES.name
        begins = settings.backbone is not None or settings.init is not None
        if asked and begins:
            raise SettingsError(
                f"preset {FEW_IMAGES.name}: has no network to begin with and looks with a packaged "
                "backbone; leave trainer.backbone and trainer.init out"
            )
        if not asked and (_PRESET in stated or budget.strict or begins):
            return None
        on_unreadable = None if settings.on_corrupt == "fail" else _ignored
        files = good_files(folder, 1, settings.layout, on_unreadable)
        wanted = asked or len(files.digests) < FEWEST
        return (self._only_name(folder), folder) if wanted else None

    def _view(self, category: Category, preset: Preset, folder: Path, layout: str) -> View:
        """One network for several categories has one input size, whatever the frames' shapes."""
        if self.unified and category.view is None:
            return View(preset.input_size, upright=True, bits=0)
        return folder_view(category, preset, folder, layout)

    def _folders(self, layout: str) -> dict[str, Path]:
        if not self.unified:
            if len(self.data) > 1:
                raise SettingsError("several --data: one model for all of them needs --unified")
            return {self._only_name(self.data[0]): self.data[0]}
        found = [each for folder in self.data for each in categories_in(folder, layout)]
        folders = {each.name: each.folder for each in found}
        if len(folders) < len(found):
            raise DataError("--data: two folders are of one category; its name is the folder's")
        missing = [name for name in self.categories if name not in folders]
        if missing:
            raise DataError(
                f"--category: no {', '.join(missing)} in --data; there are {', '.join(folders)}"
            )
        chosen = {name: folders[name] for name in folders if name in (self.categories or folders)}
        if len(chosen) < 2:
            raise DataError(
                f"--unified: {', '.join(chosen)} is one category; give a folder of several, "
                "or several --data"
            )
        return {_valid(name): folder for name, folder in chosen.items()}

    def _only_name(self, folder: Path | None) -> str:
        if len(self.categories) > 1:
            raise SettingsError("--category: several names need --unified")
        if self.categories:
            return _valid(self.categories[0])
        if folder is None:
            raise SettingsError("--category: give the name of the category")
        return _valid(name_of(folder))


def _ignored(_: DataError) -> None:
    """It is told when the image is read."""


def _of(category: Category, images: GoodImages) -> GoodImages:
    return replace(images, view_settings=category.fingerprint)


def _valid(name: str) -> str:
    """A name that the model store takes: better said before training than after."""
    try:
        return check_name(name)
    except ValueError as error:
        raise SettingsError(f"--category: {error}") from None
