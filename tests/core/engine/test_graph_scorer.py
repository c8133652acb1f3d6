"""A graph says what PyTorch says: every map and score of the whole detector."""

from dataclasses import replace

import numpy as np
import pytest
from core.conftest import good_images, scratched

from stream_inspector.engine.choice import Choice
from stream_inspector.engine.graph_scorer import GraphScorer
from stream_inspector.engine.scorer import Scores
from stream_inspector.engine.sessions import SESSIONS
from stream_inspector.engine.torch_scorer import TorchScorer
from stream_inspector.errors import EngineMissing, ModelCorrupt
from stream_inspector.image.view.canvas import View, runs
from stream_inspector.model.version import Model
from stream_inspector.verdict import Image

GAP = 1e-3  # of a map's deviation
IMAGES = [scratched(good_images(1, seed=4)[0]), *good_images(9, seed=3)]


def graph(model: Model, engine: str = "onnxruntime") -> GraphScorer:
    try:
        return GraphScorer(model, Choice(engine, ""), 1)
    except EngineMissing:
        pytest.skip(f"{engine} is an extra")


def assert_alike(found: Scores, expected: Scores) -> None:
    finite = np.isfinite(expected.maps)
    assert (np.isfinite(found.maps) == finite).all()
    spread = expected.maps[finite].std()
    assert np.abs(found.maps[finite] - expected.maps[finite]).max() < GAP * spread
    scale = max(1.0, float(np.abs(expected.image_scores).max()))
    np.testing.assert_allclose(found.image_scores, expected.image_scores, atol=GAP * scale)
    assert list(found.members) == [*expected.members] or set(found.members) == {*expected.members}
    for name, maps in expected.members.items():
        gap = np.abs(found.members[name] - maps)[finite].max()
        assert gap < GAP * maps[finite].std(), name
        own = expected.member_image_scores[name]
        np.testing.assert_allclose(
            found.member_image_scores[name], own, atol=GAP * max(1.0, float(np.abs(own).max()))
        )


@pytest.mark.parametrize("engine", SESSIONS)
def test_it_scores_as_pytorch_does(fitted: Model, engine: str) -> None:
    labels = [0] * len(IMAGES)
    found, expected = graph(fitted, engine).score(IMAGES, labels), TorchScorer(fitted)
    assert_alike(found, expected.score(IMAGES, labels))
    assert (found.maps.dtype, found.image_scores.dtype) == (np.float32, np.float64)


def test_any_number_of_images_scores_as_each_alone(fitted: Model) -> None:
    scorer = graph(fitted)
    together = scorer.score(IMAGES, [0] * len(IMAGES))  # more than one run takes
    for i in (0, 9):
        alone = scorer.score(IMAGES[i : i + 1], [0])
        np.testing.assert_allclose(alone.maps[0], together.maps[i], rtol=1e-3, atol=1e-3)


def test_places_that_stay_empty_in_a_run_change_nothing(fitted: Model) -> None:
    costs = {1: 3.0, 4: 4.0}  # five images: one run of four, and one that is filled up
    padded = GraphScorer(fitted, Choice("onnxruntime", "", False, costs), 1)
    found = padded.score(IMAGES[:6], [0] * 6)
    assert len(found.maps) == len(found.image_scores) == 6
    assert_alike(found, graph(fitted).score(IMAGES[:6], [0] * 6))


def test_results_outlive_the_next_run(fitted: Model) -> None:
    scorer = graph(fitted)
    first = scorer.score(IMAGES[:1], [0])
    before = first.maps.copy()
    scorer.score(IMAGES[1:2], [0])
    assert np.array_equal(first.maps, before)


def test_what_a_view_leaves_out_is_left_out(fitted: Model) -> None:
    ignored = np.zeros((64, 64), bool)
    ignored[20:40, 37:60] = True  # its edges lie within cells, its pixels in no groups of 64
    masked = replace(fitted, views={"disc": View((64, 64), ignored=runs(ignored))})
    labels = [0] * 3
    expected = TorchScorer(masked).score(IMAGES[:3], labels)
    found = graph(masked).score(IMAGES[:3], labels)
    assert (np.isneginf(found.maps[0]) == ignored).all()
    assert_alike(found, expected)


def tiled(model: Model) -> Model:
    """The model looking at two tiles side by side that share a quarter."""
    view = View((64, 64), columns=2, overlap=(0, 16))

    def widened(name: str, array: np.ndarray) -> np.ndarray:
        if name.startswith("disc/normalise.") and array.ndim == 2:
            return np.concatenate([array, array[:, 2:]], axis=1)
        twice = name in {"disc/mixture.seen", "disc/nearby.bank"}
        return np.concatenate([array, array[:, ::-1]]) if twice else array

    tensors = {name: widened(name, array) for name, array in model.tensors.items()}
    return replace(model, views={"disc": view}, tensors=tensors)


def wide(count: int) -> list[Image]:
    pairs = zip(good_images(count, 5), IMAGES, strict=False)
    return [np.concatenate([left, right[:, 16:]], axis=1) for left, right in pairs]


def test_tiles_are_merged_without_seams(fitted: Model) -> None:
    model, images = tiled(fitted), wide(3)
    found = graph(model).score(images, [0] * 3)
    assert found.maps.shape == (3, 64, 112)
    assert_alike(found, TorchScorer(model).score(images, [0] * 3))


def test_a_unified_model_has_a_graph_for_each_category(fitted: Model) -> None:
    """The classes of a network are told apart in test_unet.py; here their statistics are."""
    other = {k.replace("disc/", "dark/"): v for k, v in fitted.tensors.items() if "disc/" in k}
    other["dark/normalise.mahalanobis.overall"] = (
        2 * fitted.tensors["disc/normalise.mahalanobis.overall"]
    )
    both = replace(fitted, categories=("dark", "disc"), tensors={**fitted.tensors, **other})
    labels = [1, 0, 1, 0]
    found, expected = (each.score(IMAGES[:4], labels) for each in (graph(both), TorchScorer(both)))
    assert_alike(found, expected)
    assert not np.allclose(found.maps, graph(both).score(IMAGES[:4], [0] * 4).maps)


def test_a_missing_statistic_is_named(fitted: Model) -> None:
    tensors = {k: v for k, v in fitted.tensors.items() if k != "disc/views.kl.spread"}
    with pytest.raises(ModelCorrupt, match=r"lacks the tensor views\.kl\.spread"):
        graph(replace(fitted, tensors=tensors))
