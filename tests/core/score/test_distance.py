import numpy as np
import pytest
import torch
from core.conftest import good_images, scratched

from stream_inspector.features import to_tensor
from stream_inspector.image.view.canvas import View, runs
from stream_inspector.score.distance import Distance, examiner_plan, fit_examiner, worst
from stream_inspector.verdict import Image

VIEW = View((64, 64))
HELD_OUT = good_images(21, seed=1)


def fitted(view: View, images: list[Image] | None = None) -> Distance:
    return fit_examiner(images or good_images(10), HELD_OUT, view, lambda done, total: None)


@pytest.fixture(scope="module")
def examiner() -> Distance:
    return fitted(VIEW)


def test_the_examiner_tells_a_defect_from_good_images(examiner: Distance) -> None:
    good = good_images(4, seed=2)
    assert max(examiner.of(good)) < min(examiner.of([scratched(image) for image in good]))


@pytest.mark.slow
def test_the_normal_range_ends_at_a_quantile_of_held_out_images(examiner: Distance) -> None:
    assert examiner.limit == pytest.approx(np.quantile(examiner.of(HELD_OUT), 0.95))


@pytest.mark.slow
def test_what_the_view_ignores_is_not_examined() -> None:
    ignored = np.zeros((64, 64), bool)
    ignored[16:48, 8:56] = True
    examiner = fitted(View((64, 64), ignored=runs(ignored)))
    image = good_images(1, seed=4)[0]
    assert examiner.of([scratched(image)]) == examiner.of([image])


@pytest.mark.slow
def test_every_tile_of_a_canvas_is_examined() -> None:
    def wide(images: list[Image]) -> list[Image]:
        return [np.concatenate([image, image], axis=1) for image in images]

    view = View((64, 64), columns=2)
    examiner = fit_examiner(wide(good_images(10)), wide(HELD_OUT), view, lambda done, total: None)
    left, right = good_images(1, seed=4)[0], good_images(1, seed=5)[0]
    good = np.concatenate([left, right], axis=1)
    for halves in ([scratched(left), right], [left, scratched(right)]):
        assert examiner.of([np.concatenate(halves, axis=1)])[0] > 1.5 * examiner.of([good])[0]


@pytest.mark.parametrize(
    ("grid", "block"), [((40, 40), 4), ((32, 48), 4), ((42, 36), 6), ((40, 30), 5), ((46, 34), 2)]
)
def test_blocks_divide_the_grid(grid: tuple[int, int], block: int) -> None:
    assert examiner_plan(grid).block == block


def test_the_size_that_was_fitted_is_restored(examiner: Distance) -> None:
    x = to_tensor(good_images(1))
    small = torch.nn.functional.avg_pool2d(x, 2)
    back = torch.nn.functional.interpolate(small, scale_factor=2, mode="bilinear")
    torch.testing.assert_close(examiner.maps(small), examiner.maps(back), rtol=1e-3, atol=1e-3)


def test_a_descent_needs_its_gradient(examiner: Distance) -> None:
    x = to_tensor(good_images(1)).requires_grad_()
    (gradient,) = torch.autograd.grad(examiner.maps(x).sum(), x)
    assert float(gradient.abs().max()) > 0


def test_progress_counts_images() -> None:
    seen: list[tuple[int, int]] = []
    fit_examiner(good_images(9), HELD_OUT[:3], VIEW, lambda *done: seen.append(done))
    assert seen == [(8, 9), (9, 9)]


def test_a_small_defect_does_not_drown() -> None:
    cells = torch.zeros(1, 40, 40)
    cells[0, 0, :10] = 5.0
    assert worst(cells).tolist() == [5.0]
    assert worst(torch.full((1, 1, 1), 2.0)).tolist() == [2.0]
