"""8 bits are used where they say the same and take less time; why not is said."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from core.conftest import fitted_as, good_images, scratched
from trained import trained_once

from stream_inspector.engine import measure as measuring
from stream_inspector.engine.choice import Choice
from stream_inspector.engine.choose import choose
from stream_inspector.engine.eight_bits import RANGES, gaps, refusal, with_eight_bits
from stream_inspector.engine.graph_scorer import GraphScorer
from stream_inspector.engine.measure import measure
from stream_inspector.engine.scorer import Scores
from stream_inspector.engine.sessions import installed
from stream_inspector.model.self_test import SelfTest
from stream_inspector.model.version import Model
from stream_inspector.threshold.budget import Budget
from stream_inspector.training.fit import calibrate

GOOD = good_images(12, seed=5)


@pytest.fixture(scope="module")
def ranged() -> Model:
    def made() -> Model:
        budget = Budget(image_false_reject=0.1)
        return with_eight_bits(
            calibrate(fitted_as("feature"), good_images(40, seed=9), budget), "disc", GOOD
        )

    return trained_once("disc-eight-bits", made)


def moved(model: Model, score_gap: float, map_gap: float = 0.0) -> Model:
    """As if 8 bits moved scores and maps by so much."""
    said = {"disc/eight_bits.score_gap": score_gap, "disc/eight_bits.map_gap": map_gap}
    return replace(model, provenance={**model.provenance, **said})


def way(model: Model) -> float:
    return model.calibrations["disc"].image_threshold - model.self_tests["disc"].score


def test_eight_bits_are_near_single_precision_and_not_the_same(ranged: Model) -> None:
    images = [*GOOD[:3], scratched(GOOD[3])]
    exact, coarse = (
        GraphScorer(ranged, Choice("onnxruntime", "", bits), 1).score(images, [0] * 4)
        for bits in (False, True)
    )
    assert not np.array_equal(exact.maps, coarse.maps)
    assert np.corrcoef(exact.maps.ravel(), coarse.maps.ravel())[0, 1] > 0.97
    assert coarse.image_scores.argmax() == exact.image_scores.argmax() == 3
    assert GraphScorer(ranged, Choice("onnxruntime", "", True), 1).engine == "onnxruntime, 8 bits"


def test_scores_that_are_no_numbers_are_far_apart_and_finite() -> None:
    maps, none = np.zeros((1, 2, 2), np.float32), np.full((1, 2, 2), np.inf, np.float32)
    exact, coarse = Scores(maps, np.zeros(1), {}, {}), Scores(none, np.array([np.nan]), {}, {})
    assert gaps(exact, coarse) == (1e9, 1e9)
    assert gaps(Scores(none, np.zeros(1), {}, {}), coarse)[1] == 0  # nothing is inspected there


def test_ranges_are_those_of_good_images(ranged: Model) -> None:
    ranges = ranged.tensors[f"disc/{RANGES}"]
    assert ranges.shape[1] == 2
    assert (ranges[:, 0] <= ranges[:, 1]).all()
    assert -1 <= ranges[0, 0] < 0 < ranges[0, 1] <= 1  # the pixels
    assert ranged.provenance["disc/eight_bits.images"] == 24  # as many with a painted defect
    assert ranged.provenance["disc/eight_bits.score_gap"] > 0


def test_what_moves_little_on_the_way_to_the_threshold_passes(ranged: Model) -> None:
    assert refusal(moved(ranged, 0.009 * way(ranged))) is None


@pytest.mark.parametrize(
    ("model", "why"),
    [
        (lambda m: moved(m, 0.03 * way(m)), r"move scores .* by 3\.0%.*1% are allowed"),
        (lambda m: moved(m, 0.0, 1e9), "move maps"),
        (lambda m: replace(m, provenance={}), "no ranges of good images"),
        (lambda m: replace(m, calibrations={}), "not calibrated"),
    ],
)
def test_what_is_refused_says_why(ranged: Model, model: object, why: str) -> None:
    found = refusal(model(ranged))  # type: ignore[operator]
    assert found is not None
    assert __import__("re").search(why, found), found


def test_equal_times_leave_the_plain_choice_and_the_reason_names_the_others(ranged: Model) -> None:
    found = measure(moved(ranged, 1e9), 1, itertools.count().__next__)  # each run takes a second
    assert (found.choice.name, found.choice.eight_bits) == (installed()[0], False)
    assert "8 bits refused: 8 bits move scores" in found.choice.reason
    assert list(found.choice.batch_ms) == [1, 2, 4, 8]


def test_other_verdicts_on_this_machine_refuse_it(
    ranged: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measuring, "_turned", lambda *_: 2)
    monkeypatch.setattr(SelfTest, "check", lambda *_: None)
    found = measure(moved(ranged, 0.0), 1, itertools.count().__next__)
    assert "refused: 2 verdicts are others on this machine" in found.choice.reason


def test_what_takes_less_is_chosen_and_used(ranged: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measuring, "_differs", lambda *_: None)
    ends = itertools.accumulate(1 / n for n in range(1, 10_000))  # whoever comes later is faster
    model = moved(ranged, 0.0)
    found = measure(model, 1, ends.__next__)
    assert (found.choice.name, found.choice.eight_bits) == (installed()[-1], True)
    assert choose(model, "auto", "cpu", found.choice) == found.choice
    assert choose(model, "auto", "cuda", found.choice).name == "torch"
    assert not choose(model, "onnxruntime", "cpu", found.choice).eight_bits  # asked for


def test_a_choice_survives_as_json_and_nonsense_does_not() -> None:
    choice = Choice("openvino", "9 ms an image here", True, {1: 9.0, 4: 30.5})
    assert Choice.from_dict(choice.to_dict()) == choice
    for broken in ({"4": 1.0}, {"1": 0.0}, {"0": 1.0, "1": 1.0}, {"1": "x"}):
        with pytest.raises(ValueError, match=r"batch_ms|could not convert"):
            Choice.from_dict({**choice.to_dict(), "batch_ms": broken})


def test_an_engine_that_is_not_here_is_not_taken(ranged: Model) -> None:
    elsewhere = Choice("tensorrt", "measured elsewhere")
    assert choose(ranged, "auto", "cpu", elsewhere).name == installed()[0]
