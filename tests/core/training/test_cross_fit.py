"""Cross-fitted scores: each image by statistics that have not seen it."""

import numpy as np
import pytest
from core.conftest import good_images, scratched

from stream_inspector.engine.torch_scorer import TorchScorer
from stream_inspector.errors import TooFewImages
from stream_inspector.model.version import Model
from stream_inspector.score.scorer import members
from stream_inspector.training.cross_fit import cross_fit


@pytest.mark.slow
def test_scores_come_back_in_the_order_of_the_images(fitted: Model) -> None:
    images = good_images(20, seed=3)
    images[7] = scratched(images[7])
    done = []
    scorer = TorchScorer(fitted)

    found = cross_fit(scorer, images, "disc", 4, lambda n, of: done.append((n, of)))

    assert found.maps.shape == (20, 64, 64)
    assert found.image_scores.argmax() == 7
    assert found.maps.max((1, 2)).argmax() == 7
    assert set(found.member_image_scores) == set(members(fitted.preset))
    assert done[-1] == (20, 20)


@pytest.mark.slow
def test_an_image_does_not_make_itself_look_normal(fitted: Model) -> None:
    """Fitted to its own defect a mixture would forgive it; a fold's has not seen it."""
    images = good_images(20, seed=3)
    images[7] = scratched(images[7])
    scorer = TorchScorer(fitted)

    apart = cross_fit(scorer, images, "disc", 4).member_image_scores["mahalanobis"]
    others = cross_fit(scorer, [*images, *[images[7]] * 4], "disc", 4).member_image_scores[
        "mahalanobis"
    ]

    good = np.delete(apart, 7)
    assert (apart[7] - good.mean()) / good.std() > 5
    copies = others[[7, *range(20, 24)]]  # copies lie in other folds
    assert copies.max() < apart[7]


@pytest.mark.parametrize(("count", "folds"), [(7, 4), (10, 1)])
def test_folds_need_images(fitted: Model, count: int, folds: int) -> None:
    with pytest.raises(TooFewImages, match="at least 2 folds"):
        cross_fit(TorchScorer(fitted), good_images(count), "disc", folds)
