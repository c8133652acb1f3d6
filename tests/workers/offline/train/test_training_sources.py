import shutil
from pathlib import Path

import pytest

from stream_inspector.errors import DataError, TooFewImages
from stream_inspector.image.view.canvas import View
from stream_inspector.presets import PIXEL_SMALL, Preset, at_size
from workers.offline.fit import GoodImages
from workers.offline.settings import TrainerSettings
from workers.offline.train.sources import Source
from workers.runtime.categories import CategoriesSection
from workers.runtime.errors import SettingsError

SMALL: Preset = at_size(PIXEL_SMALL, (32, 32))


@pytest.fixture(scope="module")
def root(flanges: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two categories that differ by one image."""
    root = tmp_path_factory.mktemp("root")
    shutil.copytree(flanges, root / "nuts")
    shutil.copytree(flanges, root / "bolts")
    (root / "bolts/train/good/000.png").unlink()
    return root


def read(source: Source) -> dict[str, GoodImages]:
    return source.read(SMALL, TrainerSettings(), CategoriesSection(), lambda _: None)


def unified(*data: Path, categories: tuple[str, ...] = ()) -> Source:
    return Source(data, 0, categories, unified=True)


def test_a_folder_names_its_category(root: Path) -> None:
    assert list(read(Source((root / "nuts",), 0, (), unified=False))) == ["nuts"]
    assert list(read(Source((root / "nuts",), 0, ("hex",), unified=False))) == ["hex"]


def test_a_root_gives_all_its_categories_in_order(root: Path) -> None:
    good = read(unified(root))
    assert {name: len(images) for name, images in good.items()} == {"bolts": 29, "nuts": 30}
    assert good["bolts"].digest != good["nuts"].digest


@pytest.mark.slow
def test_categories_can_be_chosen_or_given_one_by_one(root: Path, flanges: Path) -> None:
    good = read(unified(root / "nuts", flanges))
    assert list(good) == ["nuts", "flanges"]
    assert list(read(unified(root, flanges, categories=("flanges", "bolts")))) == [
        "bolts",
        "flanges",
    ]


@pytest.mark.parametrize(
    ("categories", "message"),
    [
        (("gears",), "no gears in --data; there are bolts, nuts"),
        (("nuts",), "nuts is one category"),
    ],
)
def test_a_choice_that_is_none_is_explained(
    root: Path, categories: tuple[str, ...], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        read(unified(root, categories=categories))


def test_two_folders_of_one_name_are_refused(root: Path) -> None:
    with pytest.raises(DataError, match="two folders are of one category"):
        read(unified(root, root / "nuts"))


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (Source((Path("a"), Path("b")), 0, (), unified=False), "needs --unified"),
        (Source((Path("a"),), 0, ("b", "c"), unified=False), "several names need --unified"),
        (Source((Path("a"),), 9, (), unified=False), "either --data FOLDER or --synthetic"),
        (Source((), 0, (), unified=False), "either --data FOLDER or --synthetic"),
        (Source((Path("a"),), 0, ("a b",), unified=False), "--category: 'a b': use letters"),
    ],
)
def test_flags_that_do_not_fit_are_explained(source: Source, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        read(source)


def test_an_empty_folder_and_too_few_images_name_the_folder(root: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=f"{tmp_path}: no images"):
        read(Source((tmp_path,), 0, (), unified=False))
    for n in range(3):
        shutil.copy(root / f"nuts/train/good/00{n}.png", tmp_path)
    with pytest.raises(TooFewImages, match=f"{tmp_path}: 3 different good images.*add 21"):
        read(Source((tmp_path,), 0, (), unified=False))


def test_each_category_is_read_through_its_own_view(root: Path, tmp_path: Path) -> None:
    region = "{left: 0, top: 0, width: 0.5, height: 1}"
    (tmp_path / "nuts.yaml").write_text(f"view: {{input_size: preset, region: {region}}}")
    section = CategoriesSection(folder=tmp_path)
    good = unified(root).read(SMALL, TrainerSettings(), section, lambda _: None)
    half = View((32, 32), region=(0.0, 0.0, 0.5, 1.0), upright=True, bits=0)
    assert good["nuts"].view == half
    assert good["nuts"].view_settings
    assert good["bolts"].view == View((32, 32), upright=True, bits=0)
    assert good["bolts"].view_settings is None
    assert (good["nuts"].train[0] != good["bolts"].train[0]).any()


def test_one_model_has_tiles_of_one_kind(root: Path, tmp_path: Path) -> None:
    (tmp_path / "nuts.yaml").write_text("view: {tiles: {columns: 2}}")
    with pytest.raises(SettingsError, match="bolts 1 x 1 of 32 x 32 pixels, nuts 1 x 2 of"):
        unified(root).read(
            SMALL, TrainerSettings(), CategoriesSection(folder=tmp_path), lambda _: None
        )
