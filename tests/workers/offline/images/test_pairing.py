import json
from pathlib import Path

import pytest

from stream_inspector.errors import DataError, ModelCorrupt
from workers.offline.images.datasets import CategoryFolder
from workers.offline.images.pairing import pair
from workers.offline.model_folder import MANIFEST, TENSORS, models_in, read_model
from workers.runtime.datasets.mvtec import MVTEC

A, B = Path("models/a"), Path("models/b")


def data(*names: str) -> list[CategoryFolder]:
    return [CategoryFolder(name, Path(name), MVTEC) for name in names]


def test_categories_and_models_are_paired_by_name() -> None:
    pairing = pair(data("nut", "bolt", "ring"), {A: ["bolt"], B: ["nut"]})

    assert [(each.data.name, each.model) for each in pairing.pairs] == [("nut", B), ("bolt", A)]
    assert pairing.without == ("ring",)


def test_a_single_model_is_for_the_single_folder_whatever_their_names() -> None:
    (only,) = pair(data("photos"), {A: ["bolt"]}).pairs

    assert (only.data.name, only.category) == ("photos", "bolt")


def test_a_unified_model_is_for_each_of_its_categories() -> None:
    pairing = pair(data("nut", "bolt"), {A: ["bolt", "nut"]})

    assert [(each.category, each.model) for each in pairing.pairs] == [("nut", A), ("bolt", A)]


def test_a_category_of_a_unified_model_can_be_named() -> None:
    (only,) = pair(data("photos"), {A: ["bolt", "nut"]}, "nut").pairs

    assert only.category == "nut"
    with pytest.raises(DataError, match=r"not for photos, it knows bolt, nut; give --category"):
        pair(data("photos"), {A: ["bolt", "nut"]})


def test_one_category_of_a_dataset_can_be_picked() -> None:
    pairing = pair(data("nut", "bolt"), {A: ["bolt"], B: ["nut"]}, "nut")

    assert [each.data.name for each in pairing.pairs] == ["nut"]
    assert pairing.without == ()


def test_models_for_other_categories_are_named() -> None:
    with pytest.raises(DataError, match=r"no model for nut, ring; the models given are for bolt"):
        pair(data("nut", "ring"), {A: ["bolt"]})


def test_two_models_for_one_category_are_not_chosen_between() -> None:
    with pytest.raises(DataError, match="both are for nut"):
        pair(data("nut", "bolt"), {A: ["nut"], B: ["nut"]})


def model(folder: Path, *categories: str) -> Path:
    folder.mkdir(parents=True)
    (folder / MANIFEST).write_text(json.dumps({"categories": categories}))
    (folder / TENSORS).write_bytes(b"")
    return folder


def test_models_are_found_in_a_folder_or_one_below(tmp_path: Path) -> None:
    bolts, nuts = model(tmp_path / "bolts", "bolt"), model(tmp_path / "nuts", "nut", "ring")
    (tmp_path / "notes").mkdir()

    assert models_in(tmp_path) == {bolts: ("bolt",), nuts: ("nut", "ring")}
    assert models_in(nuts) == {nuts: ("nut", "ring")}


def test_a_folder_without_models_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ModelCorrupt, match=r"no model here.*stream-inspector train"):
        models_in(tmp_path)


def test_a_folder_without_a_model_is_named_once(tmp_path: Path) -> None:
    with pytest.raises(ModelCorrupt, match=r"^\S+: no model here \(No such file") as error:
        read_model(tmp_path / "gone")
    assert str(error.value).startswith(f"{tmp_path / 'gone'}: no model here")
