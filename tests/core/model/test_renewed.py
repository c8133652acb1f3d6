"""A version with other thresholds from its manifest alone is the one that the whole model gives."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from stream_inspector.errors import CalibrationRefused, ModelCorrupt
from stream_inspector.image.appearance import Appearance
from stream_inspector.model.renewed import weights_of, with_thresholds
from stream_inspector.model.self_test import SelfTest
from stream_inspector.model.version import Model, ModelFiles, load_model, save_model
from stream_inspector.presets import PRESETS
from stream_inspector.threshold.budget import Budget, Calibration
from stream_inspector.threshold.calibrate import calibrate
from stream_inspector.threshold.production.recalibrate import Accepted, Reviewed, recalibrate

MODEL = Model(
    categories=("bolts", "nuts"),
    preset=PRESETS["pixel-small"],
    tensors={"a": np.ones((2, 3), np.float32)},
    provenance={"seed": 1, "bolts/reviews": 7, "bolts/reviews_digest": "old", "nuts/reviews": 2},
)
LOOK = Appearance(1.0, 1.0, 0.5, 0.5)


def calibrated(seed: int, looks: bool) -> Calibration:
    scores = np.random.default_rng(seed).uniform(0, 1, 40)
    maps = np.repeat(scores[:, None, None], 4, axis=1).astype(np.float32)
    return calibrate(maps, scores, Budget(), looks=[LOOK] * 40 if looks else ())


def whole(looks: bool = True, tested: bool = True) -> Model:
    model = MODEL.with_calibration("bolts", calibrated(0, looks))
    model = model.with_calibration("nuts", calibrated(1, looks))
    image = np.zeros((4, 4, 3), np.uint8)
    return model.with_self_test("bolts", image, SelfTest(0.5, 0.1)) if tested else model


@pytest.mark.parametrize("tested", [True, False])
@pytest.mark.parametrize("looks", [True, False])
def test_it_is_the_version_that_the_whole_model_gives(looks: bool, tested: bool) -> None:
    model = whole(looks, tested)
    files = save_model(model)
    made = recalibrate(
        model.calibrations["bolts"], Reviewed((0.5, 0.7), (0.9, 2.0)), Accepted(0.2)
    ).calibration
    learnt: dict[str, Any] = {"reviews": 2, "reviews_digest": "new"}
    version, manifest = with_thresholds(files.manifest, "bolts", made, learnt)
    read = load_model(ModelFiles(manifest, files.tensors))
    assert read.version == version != model.version
    assert read.calibrations["bolts"] == made
    assert read.calibrations["nuts"] == model.calibrations["nuts"]
    assert read.provenance == {
        "seed": 1,
        "nuts/reviews": 2,
        "bolts/reviews": 2,
        "bolts/reviews_digest": "new",
    }
    expected = replace(model.with_calibration("bolts", made), provenance=read.provenance)
    assert save_model(expected).manifest == manifest


def test_versions_of_the_same_weights_are_known_as_such() -> None:
    model = whole()
    other = model.with_calibration("bolts", calibrated(5, True))
    tested = model.with_self_test("bolts", np.ones((4, 4, 3), np.uint8), SelfTest(0.4, 0.1))
    trained = replace(model, tensors={**model.tensors, "a": np.zeros((2, 3), np.float32)})
    names = [weights_of(save_model(each).manifest) for each in (model, other, tested, trained)]
    assert names[0] == names[1] == names[2] != names[3]


def test_what_cannot_be_renewed_is_refused() -> None:
    made = calibrated(0, True)
    with pytest.raises(CalibrationRefused, match="no thresholds for rings"):
        with_thresholds(save_model(whole()).manifest, "rings", made, {})
    for manifest in (b"{", b"[]", b'{"provenance": 3}'):
        with pytest.raises(ModelCorrupt):
            with_thresholds(manifest, "bolts", made, {})
    plain = json.loads(save_model(whole(looks=False)).manifest)
    plain["calibrations"]["bolts"]["defects"] = {"kinds": [1]}
    with pytest.raises(CalibrationRefused, match="older release"):
        with_thresholds(json.dumps(plain).encode(), "bolts", made, {})
