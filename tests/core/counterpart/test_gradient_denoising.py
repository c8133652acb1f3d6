"""Algorithm 1 on a world where the normal image is known: every pixel is NORMAL."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from core.conftest import good_images, scratched
from torch import Tensor

from stream_inspector.counterpart.gradient_denoising import (
    DISTANCES,
    gradient_denoise,
    gradient_step,
    make_counterparts,
    usual_change,
)
from stream_inspector.counterpart.variants import (
    COUNTERPARTS,
    Array,
    Counterpart,
    CounterpartSettings,
    anomaly_weights,
)
from stream_inspector.detector import Detector
from stream_inspector.diffusion.denoiser import Denoiser
from stream_inspector.diffusion.posterior import posterior_mean
from stream_inspector.diffusion.sample import ddim_step
from stream_inspector.diffusion.schedule import diffuse, linear_schedule, respace
from stream_inspector.model.version import Model
from stream_inspector.threshold.budget import Budget
from stream_inspector.training.fit import calibrate
from stream_inspector.verdict import Grade, Image, ScoreMap, Verdict

NORMAL = 0.5
MASKED, RELEASED, PAPER = (COUNTERPARTS[name] for name in ("masked", "released", "paper"))


def all_normal(x: Tensor, t: Tensor) -> tuple[Tensor, None]:
    """A network that always sees the normal image (with sigma_data 1, x0 is its output)."""
    del t
    return torch.full_like(x, NORMAL), None


def maps(x: Tensor) -> Tensor:
    """One cell: the distance of the whole image."""
    return (x - NORMAL).square().mean(dim=(1, 2, 3), keepdim=True)[:, 0]


def distance(x: Tensor) -> Tensor:
    return maps(x)[:, 0, 0]


DENOISER = Denoiser(all_normal, linear_schedule(), "x0", 1.0)


def defective(batch: int = 2) -> tuple[Tensor, Tensor]:
    """Normal images with a dark square, and where they may change."""
    x, weight = torch.full((batch, 3, 8, 8), NORMAL), torch.zeros(batch, 1, 8, 8)
    x[:, :, 2:5, 3:6], weight[:, :, 2:5, 3:6] = -0.8, 1.0
    return x, weight


def denoised(
    x: Tensor, weight: Tensor, settings: CounterpartSettings = MASKED, **more: object
) -> tuple[Tensor, list[int]]:
    generator = torch.Generator().manual_seed(0)
    return gradient_denoise(x, weight, DENOISER, settings, generator, **more)  # type: ignore[arg-type]


def test_the_defect_becomes_normal() -> None:
    x, weight = defective()
    found, rounds = denoised(x, weight)
    assert (found == NORMAL).all()
    assert rounds == [8, 8]


def test_what_may_not_change_stays_bit_for_bit() -> None:
    x, weight = defective()
    x += 0.1 * torch.randn(x.shape, generator=torch.Generator().manual_seed(1))
    found, _ = denoised(x, weight)
    untouched = (weight == 0).expand_as(x)
    assert (found[untouched] == x[untouched]).all()


def test_the_rim_is_blended() -> None:
    x, weight = defective(1)
    found, _ = denoised(x, weight / 2, replace(MASKED, steps=(100,)))
    assert found[0, 0, 3, 4].item() == pytest.approx((NORMAL - 0.8) / 2)


def test_a_gradient_step_follows_the_algorithm() -> None:
    x, s = torch.rand(2, 3, 4, 4), 0.02
    gradient = 2 * (x - NORMAL) / (3 * 4 * 4)
    found = gradient_step(x, maps, replace(PAPER, strength=s))
    torch.testing.assert_close(found, math.sqrt(1 - s**2) * x - s * gradient)


def test_the_released_step_scales_the_gradient_to_unit_deviation() -> None:
    x, s = torch.rand(2, 3, 4, 4), 0.1
    found = gradient_step(x, maps, replace(RELEASED, strength=s))
    gradient = (math.sqrt(1 - s**2) * x - found) / s
    torch.testing.assert_close(gradient.std(dim=(1, 2, 3)), torch.ones(2))


def test_gradient_steps_descend_the_distance() -> None:
    x, _ = defective()
    moved = x
    for _ in range(20):
        moved = gradient_step(moved, maps, RELEASED)
    assert (distance(moved) < 0.7 * distance(x)).all()


def test_the_released_round_ends_on_the_posterior_mean() -> None:
    x, weight = defective()
    settings = replace(RELEASED, steps=(8,), gradient_steps=1)
    found, _ = denoised(x, weight, settings, guide=maps)
    chain, t = respace(linear_schedule(), 250), torch.full((2,), 8)
    moved = gradient_step(x, maps, settings)
    torch.testing.assert_close(
        found, posterior_mean(chain, torch.full_like(x, NORMAL), moved, t), atol=1e-5, rtol=1e-5
    )


@pytest.mark.parametrize("name", ["paper", "released"])
def test_the_guided_variants_come_nearer(name: str) -> None:
    x, weight = defective()
    settings = replace(COUNTERPARTS[name], steps=(8,) * 20)
    found, rounds = denoised(x, weight, settings, guide=maps)
    assert (distance(found) < 0.5 * distance(x)).all()
    assert rounds == [20, 20]


def test_images_in_the_normal_range_are_left_alone() -> None:
    x, weight = defective()
    x[1] = NORMAL
    found, rounds = denoised(x, weight, RELEASED, guide=maps, normal=0.05)
    assert (found[1] == NORMAL).all()
    assert rounds[1] == 0
    assert 0 < rounds[0] < 100  # it stopped when it was near enough
    assert distance(found)[0] <= 0.05


def test_a_guided_variant_needs_a_guide() -> None:
    with pytest.raises(ValueError, match="guide"):
        denoised(*defective(), PAPER)


def test_every_round_is_reported() -> None:
    seen: list[int] = []
    denoised(*defective(), on_round=lambda number, x: seen.append(number))
    assert seen == list(range(8))


def grey(level: float, side: int) -> Image:
    return np.full((side, side, 3), round((level + 1) * 127.5), np.uint8)


def test_fine_detail_outside_the_defect_survives_a_small_denoiser() -> None:
    image = grey(NORMAL, 32)
    image[::2] -= 20  # stripes that the denoiser's 8 pixels cannot hold
    weights = torch.zeros(1, 1, 32, 32)
    weights[:, :, :, :8] = 1.0
    ((found,), _) = make_counterparts([image], weights, DENOISER, (8, 8))
    assert (found[:, 16:] == image[:, 16:]).all()


def test_fine_detail_of_a_strong_defect_goes_with_it() -> None:
    image = grey(NORMAL, 32)
    image[8:24, 8:24] = 0
    image[8:24:2, 8:24] = 60
    weights = torch.zeros(1, 1, 32, 32)
    weights[:, :, 4:28, 4:28] = 1.0
    ((found,), rounds) = make_counterparts([image], weights, DENOISER, (8, 8))
    assert np.abs(found[12:20, 12:20].astype(int) - grey(NORMAL, 1)).max() <= 2
    assert rounds == [8]


def test_what_differs_no_more_than_usual_keeps_its_detail() -> None:
    image, weights = grey(NORMAL, 32), torch.ones(1, 1, 32, 32)
    image[:, :16] -= 4  # a shade darker, as good parts may be
    image[8:24, 20:28] = 0
    ((found,), _) = make_counterparts([image], weights, DENOISER, (32, 32), usual=0.1)
    assert (found[:, :10] == image[:, :10]).all()
    assert np.abs(found[12:20, 22:26].astype(int) - grey(NORMAL, 1)).max() <= 2


def test_less_is_clear_on_a_smooth_surface_than_at_an_edge() -> None:
    image, weights = grey(NORMAL, 32), torch.ones(1, 1, 32, 32)
    image[8:16, 8:16] -= 10

    def striped(x: Tensor, t: Tensor) -> tuple[Tensor, None]:
        stripes = torch.where(torch.arange(32) % 2 == 0, 0.3, -0.3)
        return torch.full_like(x, NORMAL) + stripes, None

    ((found,), _) = make_counterparts([image], weights, DENOISER, (32, 32), usual=0.08)
    assert np.abs(found[10:14, 10:14].astype(int) - grey(NORMAL, 1)).max() <= 2
    rough = Denoiser(striped, linear_schedule(), "x0", 1.0)
    stripes = (127.5 * 0.3 * np.where(np.arange(32) % 2 == 0, 1, -1))[:, None]
    textured = (image + stripes).round().clip(0, 255).astype(np.uint8)
    ((kept,), _) = make_counterparts([textured], weights, rough, (32, 32), usual=0.08)
    assert np.abs(kept.astype(int) - textured).max() <= 2


def test_the_usual_change_is_the_error_on_good_images() -> None:
    images = [grey(NORMAL, 8), grey(NORMAL, 8)]
    images[1][...] += 20
    usual = usual_change(images, DENOISER, (8, 8), torch.device("cpu"))
    assert usual == pytest.approx(20 / 127.5, abs=0.01)


def test_the_noise_that_was_found_is_carried_on() -> None:
    x, weight = torch.rand(1, 3, 8, 8) - 0.5, torch.ones(1, 1, 8, 8)
    denoiser = Denoiser(copying, linear_schedule(), "x0", 1.0)
    start = torch.randn(x.shape[1:], generator=torch.Generator().manual_seed(0)).expand_as(x)
    found, _ = gradient_denoise(
        x,
        weight,
        denoiser,
        replace(MASKED, steps=(400, 200)),
        torch.Generator().manual_seed(0),
    )
    before, t = torch.tensor([200]), torch.tensor([400])
    x_t = ddim_step(denoiser, diffuse(denoiser.schedule, x, t, start), t, before)
    torch.testing.assert_close(found, denoiser(x_t, before).x0)


def copying(x: Tensor, t: Tensor) -> tuple[Tensor, None]:
    del t
    return 0.5 * x, None


def test_an_image_does_not_depend_on_its_batch_and_repeats() -> None:
    denoiser = Denoiser(copying, linear_schedule(), "x0", 1.0)
    images, weights = [grey(0.1, 8), grey(-0.7, 8)], torch.ones(2, 1, 8, 8)
    together, _ = make_counterparts(images, weights, denoiser, (8, 8), seed=3)
    alone, _ = make_counterparts(images[1:], weights[1:], denoiser, (8, 8), seed=3)
    assert (together[1] == alone[0]).all()
    other, _ = make_counterparts(images, weights, denoiser, (8, 8), seed=4)
    assert (other[1] != together[1]).any()


def verdict(score_map: ScoreMap, pixel_threshold: float = 1.0) -> Verdict:
    return Verdict(Grade.DEFECT, 9.0, 1.0, pixel_threshold, (), score_map)


def test_weights_cover_the_anomaly_softly() -> None:
    scores = np.zeros((64, 64), np.float32)
    scores[20:30, 20:30] = 2.0
    weights = anomaly_weights([verdict(scores)])[0, 0]
    assert (weights[20:30, 20:30] == 1).all()
    assert 0 < weights[18, 25] < 1
    assert (weights[:17] == 0).all()


def test_weights_without_a_pixel_above_cover_the_peak() -> None:
    scores = np.zeros((64, 64), np.float32)
    scores[40, 40:43] = [0.9, 0.6, 0.2]
    weights = anomaly_weights([verdict(scores)])[0, 0]
    assert weights[40, 40] == weights[40, 41] == 1
    assert weights[40, 45] == 0


@pytest.mark.parametrize(
    ("after", "convincing"), [(0.9, True), (1.0, True), (1.1, False), (2.5, False)]
)
def test_a_counterpart_convinces_when_the_examiner_finds_it_normal(
    after: float, convincing: bool
) -> None:
    assert Counterpart(grey(0, 2), 2.0, after, 1.0, 3).convincing == convincing


def test_a_counterpart_that_is_no_better_does_not_convince() -> None:
    assert not Counterpart(grey(0, 2), 0.5, 0.5, 1.0, 3).convincing


@pytest.mark.parametrize("variant", ["masked", "released"])
@pytest.mark.slow
def test_the_detector_explains_its_defects(fitted: Model, variant: str) -> None:
    model = calibrate(fitted, good_images(30, seed=9), Budget(confidence=0.5))
    detector = Detector(model, engine="torch")
    image = scratched(good_images(1, seed=4)[0])
    verdicts = detector.inspect([image], [(64, 64)])
    seen: list[int] = []
    (found,) = detector.explain(
        [image],
        verdicts,
        settings=replace(COUNTERPARTS[variant], steps=COUNTERPARTS[variant].steps[:2]),
        on_round=lambda number, _: seen.append(number),
    )
    assert found.image.shape == image.shape
    assert seen == list(range(found.rounds)) == [0, 1]
    (before, limit), (after, _) = detector.examine([image, found.image])
    assert (found.score_before, found.score_after) == pytest.approx((before, after))
    assert found.normal_limit == limit
    if variant == "masked":
        changed = (found.image != image).any(axis=2)
        assert not changed[anomaly_weights(verdicts)[0, 0] == 0].any()


@pytest.mark.slow
def test_no_defect_needs_no_explanation(fitted: Model) -> None:
    assert Detector(fitted, engine="torch").explain([], []) == []


def _slope(distance: str, cells: Tensor) -> Tensor:
    """The gradient of L by the cells [B, h, w] of squared distances."""
    at = cells.clone().requires_grad_()
    (slope,) = torch.autograd.grad(DISTANCES[distance](at).sum(), at)
    return slope


def test_squares_and_roots_are_the_printed_and_the_released_distance() -> None:
    cells = torch.tensor([[[4.0, 9.0], [0.0, 1.0]], [[16.0, 0.0], [0.0, 0.0]]])
    assert DISTANCES["squares"](cells).tolist() == [14.0, 16.0]
    assert DISTANCES["roots"](cells).tolist() == pytest.approx([6 / 4, 4 / 4], abs=1e-5)
    assert (_slope("squares", cells) == 1).all()
    # d sqrt(m) / dm = 1 / (2 sqrt(m)), over four cells; none where nothing is inspected
    expected = [[[1 / 16, 1 / 24], [0.0, 1 / 8]], [[1 / 32, 0.0], [0.0, 0.0]]]
    torch.testing.assert_close(_slope("roots", cells), torch.tensor(expected))
    assert (RELEASED.distance, PAPER.distance) == ("roots", "squares")


def test_the_named_distance_is_what_a_step_descends() -> None:
    """Two cells, of which one is nine times as far: roots pull both alike, squares by distance."""

    def halves(x: Tensor) -> Tensor:
        left, right = (x - NORMAL).square().mean(1).chunk(2, dim=2)
        return torch.stack([left.mean((1, 2)), right.mean((1, 2))], 1)[:, None]

    x = torch.full((1, 3, 4, 4), NORMAL)
    x[..., :2] += 0.1
    x[..., 2:] += 0.3
    moved = {
        name: (x - gradient_step(x, halves, replace(PAPER, distance=name)) / _kept(PAPER)).flatten()
        for name in DISTANCES
    }
    ratio = {name: float(step[2] / step[0]) for name, step in moved.items()}
    assert ratio == pytest.approx({"squares": 3.0, "roots": 1.0}, rel=1e-3)


def _kept(settings: CounterpartSettings) -> float:
    return math.sqrt(1 - settings.strength**2)


@pytest.mark.slow
@pytest.mark.parametrize("variant", ["masked", "released"])
def test_a_counterpart_does_not_depend_on_its_batch(fitted: Model, variant: str) -> None:
    """To the bit: networks round otherwise in another batch."""
    model = calibrate(fitted, good_images(20, seed=9), Budget(confidence=0.5))
    detector, images = Detector(model, engine="torch"), [scratched(i) for i in good_images(3)]
    verdicts = detector.inspect(images, [(64, 64)] * 3)
    settings = replace(COUNTERPARTS[variant], steps=COUNTERPARTS[variant].steps[:2])
    seen = list[Array]()

    def made(picked: slice) -> list[Counterpart]:
        return detector.explain(
            images[picked],
            verdicts[picked],
            settings=settings,
            on_round=lambda _, x: seen.append(x.copy()),
        )

    together = made(slice(None))
    assert [len(x) for x in seen] == [1] * 6
    of_all, seen = seen, []
    alone = made(slice(1, 2))
    assert all(np.array_equal(x, y) for x, y in zip(of_all[2:4], seen, strict=True))
    assert np.array_equal(together[1].image, alone[0].image)
    assert together[1].score_after == alone[0].score_after
