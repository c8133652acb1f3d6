from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
from conftest import good_images, scratched, tiny_feature_preset, tiny_pixel_preset

from stream_inspector import training
from stream_inspector.detector import Detector
from stream_inspector.errors import CalibrationRefused, TooFewImages
from stream_inspector.model import Model, load_model, save_model
from stream_inspector.presets import Preset
from stream_inspector.threshold.budget import Budget
from stream_inspector.training import Progress, calibrate, fit
from stream_inspector.verdict import Image

GOOD, SELECT = good_images(12), good_images(6, seed=1)


def _quiet(_: Progress) -> None:
    return None


def test_a_scratch_scores_above_every_good_image(fitted: Model) -> None:
    fresh = good_images(10, seed=5)
    scores = Detector(fitted, engine="torch").score([*fresh, *(scratched(i) for i in fresh[:3])])
    assert scores.image_scores[10:].min() > scores.image_scores[:10].max()
    y, x = np.unravel_index(scores.maps[10].argmax(), (64, 64))
    assert 16 <= y < 48  # the scratch is on rows 28..35, columns 16..47
    assert 8 <= x < 56


def test_good_images_have_z_scores_near_zero(fitted: Model) -> None:
    scores = Detector(fitted, engine="torch").score(SELECT)
    for values in scores.members.values():
        assert abs(float(values.mean())) < 0.2


def test_the_same_seed_gives_the_same_model_and_another_does_not() -> None:
    preset = tiny_pixel_preset()
    first, again, other = (
        fit(GOOD, SELECT, "disc", preset, seed, _quiet, iterations=2) for seed in (1, 1, 2)
    )
    assert first.version == again.version
    assert save_model(first) == save_model(again)
    assert first.version != other.version


def test_training_leaves_the_global_random_state_alone() -> None:
    torch.manual_seed(11)
    expected = torch.rand(1)
    torch.manual_seed(11)
    fit(GOOD, SELECT, "disc", tiny_pixel_preset(), 1, _quiet, iterations=1)
    assert torch.equal(torch.rand(1), expected)


@pytest.mark.parametrize(
    ("preset", "stages"),
    [
        (tiny_pixel_preset(), ["statistics", "pixels", "normalisation"]),
        (tiny_feature_preset(), ["statistics", "features", "pixels", "normalisation"]),
    ],
)
def test_progress_names_every_stage_and_reaches_its_end(preset: Preset, stages: list[str]) -> None:
    seen: list[Progress] = []
    fit(GOOD, SELECT, "disc", preset, 1, seen.append, iterations=2)
    assert list(dict.fromkeys(progress.stage for progress in seen)) == stages
    for stage in stages:
        last = [progress for progress in seen if progress.stage == stage][-1]
        assert last.step == last.total
        assert (last.loss is None) == (stage in ("statistics", "normalisation"))


@pytest.mark.parametrize(
    ("train", "select", "message"),
    [(GOOD[:5], SELECT, "5 good images to train.*add 3"), (GOOD, SELECT[:1], "1 good images to s")],
)
def test_too_few_images_are_counted(
    train: Sequence[Image], select: Sequence[Image], message: str
) -> None:
    with pytest.raises(TooFewImages, match=message):
        fit(train, select, "disc", tiny_pixel_preset(), 1, _quiet)


def test_an_image_of_another_size_is_refused() -> None:
    odd = [*GOOD[:11], np.zeros((16, 64, 3), np.uint8)]
    with pytest.raises(ValueError, match=r"\(16, 64\) where pixel-small takes \(64, 64\)"):
        fit(odd, SELECT, "disc", tiny_pixel_preset(), 1, _quiet)


def test_calibration_stores_thresholds_and_keeps_the_weights(fitted: Model) -> None:
    calibrated = calibrate(fitted, good_images(30, seed=9), Budget(confidence=0.5))
    read = load_model(save_model(calibrated))
    assert read.calibrations["disc"].n_images == 30
    assert read.tensors.keys() == fitted.tensors.keys()
    verdicts = Detector(read, engine="torch").inspect([scratched(GOOD[0])], [(128, 128)])
    assert verdicts[0].grade == "defect"


def test_calibration_refuses_a_single_image(fitted: Model) -> None:
    with pytest.raises(CalibrationRefused):
        calibrate(fitted, GOOD[:1], Budget())


def test_a_pixel_model_may_look_at_features_of_a_larger_image() -> None:
    preset = tiny_pixel_preset()
    pixel = replace(preset.pixel, size=(32, 32), network=replace(preset.pixel.network, patch=4))
    model = fit(GOOD, SELECT, "disc", replace(preset, pixel=pixel), 1, _quiet, iterations=1)
    assert Detector(model, engine="torch").score(GOOD[:1]).maps.shape == (1, 64, 64)


def test_memory_is_bounded_by_drawing_from_many_images(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "MAX_IMAGES", 9)
    model = fit(GOOD, SELECT, "disc", tiny_pixel_preset(), 1, _quiet, iterations=1)
    assert model.provenance["train_images"] == 9
