"""What a loaded model takes: said beforehand, and given back at once."""

import gc
import weakref

import pytest
import torch
from core.conftest import good_images

from stream_inspector.detector import Detector
from stream_inspector.errors import ModelCorrupt
from stream_inspector.model.footprint import footprint, footprint_of
from stream_inspector.model.version import Model, load_model, save_model
from stream_inspector.threshold.budget import Budget
from stream_inspector.training.fit import calibrate

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("footprint")]


def _storages() -> dict[int, int]:
    """Address -> bytes of every tensor that lives."""
    gc.collect()
    tensors = [each for each in gc.get_objects() if isinstance(each, torch.Tensor)]
    storages = [each.untyped_storage() for each in tensors if not each.is_meta]
    return {each.data_ptr(): each.nbytes() for each in storages}


def _loaded(fitted: Model) -> Detector:
    """Ready, as after its first defect."""
    model = calibrate(fitted, good_images(10), Budget(confidence=0.5))
    detector = Detector(load_model(save_model(model)), engine="torch")
    detector.inspect(good_images(1), [(64, 64)])
    detector.examine(good_images(1))
    explainer = detector._in_torch
    assert explainer._denoiser
    assert explainer._guides
    return detector


def test_it_is_what_the_tensors_take(fitted: Model) -> None:
    first = _loaded(fitted)  # with it come the backbones that all models share
    before = _storages()
    second = _loaded(fitted)
    after = _storages()
    taken = sum(size for address, size in after.items() if address not in before)
    assert 0.7 * second.bytes < taken < second.bytes  # a part of the backbone is shared
    assert first.bytes == second.bytes


def test_on_an_accelerator_the_backbones_count_too(fitted: Model) -> None:
    assert footprint(fitted, "cuda:1") > footprint(fitted, "cpu")


def test_the_manifest_alone_says_it(fitted: Model) -> None:
    assert footprint_of(save_model(fitted).manifest, "cpu") == footprint(fitted, "cpu")
    with pytest.raises(ModelCorrupt, match="tensors"):
        footprint_of(b"{}", "cpu")


def test_a_detector_is_gone_when_nobody_holds_it(fitted: Model) -> None:
    gc.disable()
    try:
        detector = _loaded(fitted)
        gone = weakref.ref(detector)
        del detector
        assert gone() is None
    finally:
        gc.enable()
