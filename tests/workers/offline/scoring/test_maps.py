"""Scores of a whole set, batch by batch, and maps at other sizes."""

from pathlib import Path

import numpy as np
import pytest

from stream_inspector.detector import Detector
from stream_inspector.model.version import Model
from workers.offline.images.datasets import good_files
from workers.offline.images.reader import read_images
from workers.offline.scoring.maps import BATCH, DIFFUSION, ENSEMBLE, enlarged, score_all


@pytest.mark.slow
def test_a_set_of_several_batches_is_scored_as_each_image_alone(
    tiny_model: Model, flanges: Path
) -> None:
    detector = Detector(tiny_model, engine="torch")
    images = read_images(good_files(flanges).train[: BATCH + 2], tiny_model.view())
    told: list[tuple[int, int]] = []

    scored = score_all(detector, images, "flanges", lambda done, total: told.append((done, total)))

    assert told == [(BATCH, BATCH + 2), (BATCH + 2, BATCH + 2)]
    last = detector.score(images[-1:])
    assert scored.maps[ENSEMBLE][-1] == pytest.approx(last.maps[0], abs=1e-3)
    assert scored.image_scores["kl"][-1] == pytest.approx(last.member_image_scores["kl"][0], 1e-3)
    both = (scored.maps["kl"] + scored.maps["features"]) / 2  # equal weights in this preset
    assert scored.maps[DIFFUSION] == pytest.approx(both, abs=1e-5)


def test_a_map_keeps_what_was_not_inspected_at_another_size() -> None:
    score_map = np.arange(16, dtype=np.float32).reshape(4, 4)
    score_map[:, 2:] = -np.inf

    large = enlarged(score_map, (8, 8))

    assert np.isneginf(large[:, 4:]).all()
    assert np.isfinite(large[:, :4]).all()
    assert enlarged(score_map, (4, 4)).tolist() == score_map.tolist()
