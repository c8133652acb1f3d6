"""The model in configs/models/flange, as everybody gets it."""

from importlib.resources import files

import numpy as np
import pytest

from stream_inspector.detector import Detector
from stream_inspector.image.decode import DecodeLimits, decode
from stream_inspector.image.pictures import encode_png
from stream_inspector.synthetic import DEFECT_KINDS, render
from stream_inspector.threshold.pro import roc_auc
from workers.demo.settings import SYNTHETIC_CATEGORY
from workers.demo.stage.model_source import shipped_model

MOST_BYTES = 10_000_000


def test_it_is_small() -> None:
    folder = files("configs").joinpath("models", SYNTHETIC_CATEGORY)

    assert sum(len(file.read_bytes()) for file in folder.iterdir()) <= MOST_BYTES


@pytest.mark.slow
def test_it_tells_good_parts_from_defective_ones() -> None:
    model = shipped_model(SYNTHETIC_CATEGORY)
    assert model is not None
    assert "flange" in model.calibrations
    kinds = [None, *DEFECT_KINDS] * 3 + [None] * 9
    frames = [render(9000 + n, 0, kind).image for n, kind in enumerate(kinds)]
    view = model.view()
    images = [
        decode(encode_png(frame), "image/png", view, DecodeLimits()).image for frame in frames
    ]

    scores = Detector(model, engine="torch").score(images).image_scores

    defective = np.array([kind is not None for kind in kinds])
    assert roc_auc(scores, defective) > 0.85  # 0.97 on hundreds of frames
    assert (scores[~defective] > model.calibrations["flange"].image_threshold).sum() <= 3
