"""A provisional model of a handful of images: it tells good from bad, says so, and grows."""

import numpy as np
import pytest

from stream_inspector.detector import Detector
from stream_inspector.errors import ModelUnsupported, TooFewImages
from stream_inspector.image.view.canvas import View
from stream_inspector.model.version import Model, load_model, save_model
from stream_inspector.presets import FEW_IMAGES, at_size
from stream_inspector.synthetic import render
from stream_inspector.threshold.budget import Budget
from stream_inspector.training.few import MOST, fit_few, kept_images
from stream_inspector.verdict import Image

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("few")]

SIZE = (128, 128)
VIEW = View(SIZE)


def picture(index: int, kind: str | None = None) -> Image:
    return render(index, 0, kind, SIZE).image


def kept(count: int) -> dict[str, Image]:
    return {f"{index:064x}": picture(index) for index in range(count)}


def fit(count: int) -> Model:
    preset, steps = at_size(FEW_IMAGES, SIZE), list[str]()
    return fit_few(
        kept(count),
        "flange",
        preset,
        VIEW,
        seed=0,
        budget=Budget(0.1, None),
        on_progress=lambda step: steps.append(step.stage),
    )


@pytest.fixture(scope="module")
def model() -> Model:
    return fit(8)


def test_no_network_is_trained_and_the_model_says_that_it_is_provisional(model: Model) -> None:
    assert not model.preset.trained
    assert not [name for name in model.tensors if name.startswith(("network.", "pixel."))]
    assert model.provisional
    assert model.calibrations["flange"].promise.startswith("Provisional: ")
    assert "networks that may have" not in model.calibrations["flange"].promise
    assert load_model(save_model(model)).version == model.version


@pytest.mark.parametrize("engine", ["torch", "onnxruntime"])
def test_it_tells_defects_from_good_parts_and_passes_its_self_test(
    model: Model, engine: str
) -> None:
    detector = Detector(model, engine=engine)
    detector.self_test()
    good = detector.score([picture(100 + n) for n in range(6)]).image_scores
    bad = detector.score([picture(200 + n, "stain") for n in range(6)]).image_scores

    assert np.median(bad) > good.max()
    assert set(detector.score([picture(1)]).members) == {"mahalanobis", "nearby", "control"}


def test_it_makes_no_counterparts_and_says_why(model: Model) -> None:
    detector = Detector(model, engine="torch")

    assert not detector.explains
    with pytest.raises(ModelUnsupported, match="provisional: it has no network"):
        detector.explain([picture(1)], [])


def test_it_keeps_its_images(model: Model) -> None:
    found = kept_images(model, "flange")

    assert list(found) == list(kept(8))
    assert all((found[digest] == image).all() for digest, image in kept(8).items())


@pytest.mark.parametrize("count", [0, 1, 4])
def test_fewer_than_five_are_refused_with_the_number_that_is_missing(count: int) -> None:
    with pytest.raises(TooFewImages, match=f"add {5 - count}"):
        fit(count)


def test_five_are_enough() -> None:
    made = fit(5)

    assert made.calibrations["flange"].n_images == 5
    assert np.isfinite(made.calibrations["flange"].image_threshold)


def test_more_than_it_can_keep_are_refused() -> None:
    with pytest.raises(ValueError, match=f"keeps {MOST} at most"):
        fit(MOST + 1)
