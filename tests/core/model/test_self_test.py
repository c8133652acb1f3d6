"""A device that computes something else is found before it inspects."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from core.conftest import good_images

from stream_inspector.detector import Detector
from stream_inspector.errors import ModelCorrupt, SelfTestFailed
from stream_inspector.model.self_test import SelfTest, choose
from stream_inspector.model.version import Model, ModelFiles, load_model, save_model
from stream_inspector.threshold.budget import Budget
from stream_inspector.training.fit import calibrate


@pytest.fixture(scope="module")
def calibrated(fitted: Model) -> Model:
    model = calibrate(fitted, good_images(30, seed=9), Budget(confidence=0.5))
    return load_model(save_model(model))


def test_calibration_chooses_the_image_of_the_median_score(calibrated: Model) -> None:
    test, thresholds = calibrated.self_tests["disc"], calibrated.calibrations["disc"]
    median = np.median(thresholds.image_scores)
    assert abs(test.score - median) == min(abs(s - median) for s in thresholds.image_scores)
    assert test.tolerance == pytest.approx(0.01 * (thresholds.image_threshold - median))
    image = calibrated.self_test_image("disc")
    assert any(np.array_equal(image, other) for other in good_images(30, seed=9))


@pytest.mark.parametrize("engine", ["torch", "onnxruntime"])
def test_the_same_model_passes_whatever_runs_it(calibrated: Model, engine: str) -> None:
    Detector(calibrated, engine=engine).self_test()


def test_a_device_that_computes_something_else_is_found(calibrated: Model) -> None:
    detector = Detector(calibrated, engine="torch")
    detector._scorer.features_net.register_forward_hook(lambda _net, _x, y: 1.05 * y)
    with pytest.raises(SelfTestFailed, match=r"scores .* on this device; .* is expected"):
        detector.self_test()


def test_a_score_that_is_no_number_fails() -> None:
    with pytest.raises(SelfTestFailed, match="nan"):
        SelfTest(1.0, 0.1).check(float("nan"))


def test_the_tolerance_ends_at_one_percent_of_the_way_to_the_threshold() -> None:
    index, test = choose(np.array([4.0, 1.0, 2.0, 3.0, 0.0]), threshold=12.0)
    assert (index, test) == (2, SelfTest(2.0, pytest.approx(0.1)))  # type: ignore[arg-type]
    test.check(2.099)
    for wrong in (1.899, 2.101):
        with pytest.raises(SelfTestFailed):
            test.check(wrong)


def test_a_threshold_at_the_median_leaves_room_for_single_precision() -> None:
    choose(np.array([50.0, 50.0]), threshold=50.0)[1].check(50.004)


def test_a_self_test_without_its_image_is_corrupt(calibrated: Model) -> None:
    rest = {n: t for n, t in calibrated.tensors.items() if n != "disc/self_test.image"}
    with pytest.raises(ModelCorrupt, match=r"disc/self_test\.image"):
        Detector(replace(calibrated, tensors=rest), engine="torch").self_test()


def test_a_self_test_is_a_part_of_the_version(calibrated: Model) -> None:
    image = torch.zeros(64, 64, 3, dtype=torch.uint8).numpy()
    other = calibrated.with_self_test("disc", image, calibrated.self_tests["disc"])
    looser = replace(calibrated, self_tests={"disc": SelfTest(0.0, 1e9)})
    assert len({calibrated.version, other.version, looser.version}) == 3


def test_a_model_from_before_there_were_self_tests_keeps_its_version() -> None:
    folder = Path(__file__).parents[3] / "configs/models/flange"
    files = ModelFiles(
        (folder / "manifest.json").read_bytes(), (folder / "tensors.safetensors").read_bytes()
    )
    model = replace(load_model(files), self_tests={})
    assert load_model(save_model(model)).version == model.version
    assert b'"format":7' in save_model(model).manifest
