from dataclasses import replace

import numpy as np
import pytest
import torch
from core.conftest import good_images, scratched, tiny_pixel_preset

from stream_inspector.detector import Detector
from stream_inspector.engine.torch_scorer import TorchScorer
from stream_inspector.errors import ModelCorrupt, ModelUnsupported
from stream_inspector.model.version import Model, load_model, save_model
from stream_inspector.score.scorer import members
from stream_inspector.threshold.budget import Budget
from stream_inspector.training.fit import calibrate

IMAGES = [*good_images(9, seed=3), scratched(good_images(1, seed=4)[0])]


def test_scores_have_the_stated_shapes(fitted: Model) -> None:
    scores = Detector(fitted, engine="torch").score(IMAGES)
    assert scores.maps.shape == (10, 64, 64)
    assert scores.maps.dtype == np.float32
    assert scores.image_scores.dtype == np.float64
    assert set(scores.members) == set(members(fitted.preset))
    assert all(maps.shape == (10, 64, 64) for maps in scores.members.values())


@pytest.mark.slow
def test_batch_size_changes_scores_only_within_float_noise(fitted: Model) -> None:
    detector = Detector(fitted, engine="torch")
    together = detector.score(IMAGES)
    alone = [detector.score([image]) for image in IMAGES]
    spread = float(together.maps.std())
    for i, one in enumerate(alone):
        assert np.abs(one.maps[0] - together.maps[i]).max() < 1e-3 * spread
        assert one.image_scores[0] == pytest.approx(together.image_scores[i], abs=1e-3 * spread)


@pytest.mark.slow
def test_a_loaded_model_scores_like_the_one_that_was_saved(fitted: Model) -> None:
    read = load_model(save_model(fitted))
    found = Detector(read, engine="torch").score(IMAGES[:2])
    expected = Detector(fitted, engine="torch").score(IMAGES[:2])
    assert np.array_equal(found.maps, expected.maps)


def test_the_ensemble_is_the_weighted_mean_of_its_members(fitted: Model) -> None:
    scores = Detector(fitted, engine="torch").score(IMAGES[:3])
    weights = dict(fitted.preset.weights)
    mean = sum(weights[name] * scores.members[name] for name in weights) / sum(weights.values())
    np.testing.assert_allclose(scores.maps, mean, rtol=1e-4, atol=1e-4)
    total = sum(weights[name] * scores.member_image_scores[name] for name in weights)
    np.testing.assert_allclose(scores.image_scores, total / sum(weights.values()), rtol=1e-6)


@pytest.mark.slow
def test_inspection_gives_each_frame_its_verdict(fitted: Model) -> None:
    model = calibrate(fitted, good_images(30, seed=9), Budget(confidence=0.5))
    detector = Detector(model, engine="torch")
    scores = detector.score(IMAGES)
    verdicts = detector.inspect(IMAGES, [(128, 96)] * 10)
    assert [verdict.image_score for verdict in verdicts] == scores.image_scores.tolist()
    assert verdicts[-1].member_scores["kl"] == scores.member_image_scores["kl"][-1]
    region = max(verdicts[-1].regions, key=lambda found: found.area_px)
    assert region.x + region.width <= 128
    assert region.y + region.height <= 96


def test_without_thresholds_there_is_no_verdict(fitted: Model) -> None:
    with pytest.raises(ModelUnsupported, match="calibrate it first"):
        Detector(fitted, engine="torch").inspect(IMAGES[:1], [(32, 32)])


def test_nothing_to_score_is_an_error(fitted: Model) -> None:
    with pytest.raises(ValueError, match="no image"):
        Detector(fitted, engine="torch").score([])


@pytest.mark.slow
def test_out_of_memory_fewer_images_are_taken_at_a_time(
    fitted: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = (IMAGES * 7)[:7]
    scorer, labels = TorchScorer(fitted), [0] * 7
    expected, inner, taken = scorer.score(images, labels), scorer._score, []

    def small(some: list[np.ndarray], labels: list[int]) -> object:
        taken.append(len(some))
        if len(some) > 2:
            raise torch.OutOfMemoryError("no memory")
        return inner(some, labels)

    monkeypatch.setattr(scorer, "_score", small)
    np.testing.assert_allclose(scorer.score(images, labels).maps, expected.maps, atol=1e-3)
    assert taken == [7, 4, 2, 2, 2, 1]
    scorer.score(images[:3], labels[:3])
    assert taken[6:] == [2, 1]


def test_no_memory_for_a_single_image_is_an_error(
    fitted: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    scorer = TorchScorer(fitted)

    def refuse(*_: object) -> None:
        raise torch.OutOfMemoryError("no memory")

    monkeypatch.setattr(scorer, "_score", refuse)
    with pytest.raises(torch.OutOfMemoryError):
        scorer.score(IMAGES[:2], [0, 0])


def test_a_model_without_a_network_is_corrupt() -> None:
    empty = Model(("disc",), tiny_pixel_preset(), {}, {})
    with pytest.raises(ModelCorrupt, match=r"network\.\* do not fit"):
        Detector(empty, engine="torch")


def test_a_missing_statistic_is_named(fitted: Model) -> None:
    tensors = {k: v for k, v in fitted.tensors.items() if k != "disc/views.kl.spread"}
    with pytest.raises(ModelCorrupt, match=r"lacks the tensor views\.kl\.spread"):
        Detector(replace(fitted, tensors=tensors), engine="torch").score(IMAGES[:1])
