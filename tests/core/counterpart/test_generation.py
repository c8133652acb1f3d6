import numpy as np
import pytest
from core.conftest import good_images, tiny_feature_preset

from stream_inspector.counterpart.generation import SAMPLERS, sample_images
from stream_inspector.diffusion.schedule import linear_schedule, respace, respaced_step
from stream_inspector.errors import UnknownCategory
from stream_inspector.model.version import Model
from stream_inspector.training.fit import Good, fit_unified

# Their models are trained first; in one process, which trains them once.
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("generation")]


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_samples_are_pictures_of_the_networks_size_and_follow_the_seed(
    fitted: Model, sampler: str
) -> None:
    one, again, other = (
        sample_images(fitted, count=2, steps=10, sampler=sampler, seed=seed) for seed in (1, 1, 2)
    )
    assert [image.shape for image in one] == [(*fitted.preset.pixel.size, 3)] * 2
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)
    assert not np.array_equal(one[0], one[1])


@pytest.mark.slow
def test_a_unified_model_draws_the_category_that_is_asked_for() -> None:
    good = {name: Good(good_images(8, seed), good_images(4, 9)) for seed, name in enumerate("ab")}
    model = fit_unified(good, tiny_feature_preset(), 0, lambda _: None)
    a, b = (sample_images(model, name, count=1, steps=5) for name in "ab")
    assert not np.array_equal(a, b)
    with pytest.raises(UnknownCategory, match="it knows a, b"):
        sample_images(model)


def test_an_unknown_sampler_is_named(fitted: Model) -> None:
    with pytest.raises(ValueError, match="'euler' is none of ancestral, ddim"):
        sample_images(fitted, sampler="euler")


def test_the_chain_starts_at_the_highest_noise_that_was_trained() -> None:
    short = respace(linear_schedule(), 250)
    assert respaced_step(short, 999) == 249
    start = respaced_step(short, 450)
    assert short.original[start] <= 450 < short.original[start + 1]
