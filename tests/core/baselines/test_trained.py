"""The methods that learn: CFlow, UniAD, CutPaste and DRAEM, at sizes of seconds."""

import math

import numpy as np
import pytest
import torch
from core.conftest import good_images, scratched
from torch import Tensor

from stream_inspector.baselines import cutpaste, draem
from stream_inspector.baselines.cflow import Flow, fit_cflow, positions
from stream_inspector.baselines.cutpaste import fit_cutpaste
from stream_inspector.baselines.draem import HourGlass, fit_draem, focal, perlin, ssim
from stream_inspector.baselines.training import Training, descend, iterations
from stream_inspector.baselines.uniad import fit_uniad, neighbours


def _features(count: int, odd: bool = False) -> Tensor:
    """Features [N, 8, 4, 4] that depend on the place, one cell of the last image elsewhere."""
    places = torch.randn(8, 4, 4, generator=torch.Generator().manual_seed(9))
    noise = torch.randn(count, 8, 4, 4, generator=torch.Generator().manual_seed(count))
    found = places + 0.1 * noise
    if odd:
        found[-1, :, 1, 2] += 4
    return found


@pytest.mark.parametrize("fit", [fit_cflow, fit_uniad])
def test_what_is_trained_on_features_learns_them_and_finds_what_is_odd(fit: object) -> None:
    before, fitted = (
        fit(_features(20), Training(0, iterations(count)))  # type: ignore[operator]
        for count in (0, 30)
    )
    fresh = _features(3, odd=True)
    with torch.inference_mode():
        maps, scores = fitted.score(fresh)
        unlearned = before.score(fresh).maps
    assert maps.shape == (3, 4, 4)
    assert scores is not None
    assert maps[:2].mean() < unlearned[:2].mean()
    assert scores[2] > scores[:2].max()
    assert divmod(int(maps[2].argmax()), 4) == (1, 2)
    assert fitted.nbytes > 1000


def test_the_flow_s_likelihood_is_a_density() -> None:
    """Its logarithm is the normal's at the image plus log |det J|, by autograd's own Jacobian."""
    torch.manual_seed(0)
    flow = Flow(4)
    place = positions(2, 2)[:1]
    x = torch.randn(4)

    def mapped(row: Tensor) -> Tensor:
        found = row[None]
        for block in flow.blocks:
            found = block(found, place)[0]
        return found[0]

    jacobian = torch.autograd.functional.jacobian(mapped, x)
    normal = -0.5 * (mapped(x).square().sum() + 4 * math.log(2 * math.pi))
    expected = (normal + torch.linalg.slogdet(jacobian)[1]) / 4
    torch.testing.assert_close(flow(x[None], place)[0], expected)


def test_no_two_places_are_encoded_alike() -> None:
    encoded = positions(5, 7)
    assert encoded.shape == (35, 128)
    assert torch.cdist(encoded, encoded).add(torch.eye(35)).min() > 0.1


def test_a_token_does_not_look_near_itself() -> None:
    hidden = neighbours(9, 9).reshape(9, 9, 9, 9)
    assert int(hidden[4, 4].sum()) == 49
    assert bool(hidden[0, 0, 3, 3]) and not bool(hidden[0, 0, 4, 0])
    assert not neighbours(4, 4).any()  # all would be near, so nothing is hidden


@pytest.mark.parametrize("fit", [fit_cutpaste, fit_draem])
def test_what_is_trained_on_pixels_scores_every_place(fit: object) -> None:
    pixels = _pixels(good_images(6))
    fitted = fit(pixels, Training(0, iterations(2)))  # type: ignore[operator]
    again = fit(pixels, Training(0, iterations(2)))  # type: ignore[operator]
    with torch.inference_mode():
        maps, scores = fitted.score(pixels[:2])
        same = again.score(pixels[:2])
    assert maps.shape[0] == len(scores) == 2
    assert torch.isfinite(maps).all()
    torch.testing.assert_close(maps, same.maps)


def test_cutpaste_finds_the_scratch() -> None:
    pixels = _pixels(good_images(12))
    fitted = fit_cutpaste(pixels, Training(0, iterations(8)))
    fresh = good_images(3, seed=8)
    with torch.inference_mode():
        scores = fitted.score(_pixels([*fresh, scratched(fresh[0])])).image_scores
    assert scores is not None
    assert scores[3] > scores[:3].max()


def test_a_pasted_piece_changes_a_part_of_the_patch_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cutpaste, "PATCH", 64)
    generator = torch.Generator().manual_seed(0)
    patches = torch.rand(3, 3, 64, 64, generator=generator) * 2 - 1
    for cut, most in ((cutpaste._piece, 0.2), (cutpaste._scar, 0.06)):
        changed = (cutpaste._pasted(patches, cut, generator) != patches).any(1)
        shares = changed.float().mean((1, 2))
        assert (shares > 0).all() and (shares < most).all(), shares


def test_draem_paints_where_it_says_and_half_of_the_images() -> None:
    generator = torch.Generator().manual_seed(0)
    good = torch.zeros(40, 3, 16, 16)
    painted, where = draem._painted(good, torch.rand(40, 3, 16, 16) * 2 - 1, generator)
    assert bool(((painted != 0).any(1) <= (where > 0)).all())
    assert 8 <= int((where.flatten(1).amax(1) > 0).sum()) <= 30


def test_perlin_noise_is_smooth_and_about_zero() -> None:
    generator = torch.Generator().manual_seed(1)
    fields = torch.stack([perlin(64, 32, generator) for _ in range(20)])
    assert abs(float(fields.mean())) < 0.1
    assert 0.5 < float(fields.abs().max()) <= 1.01


def test_ssim_of_an_image_with_itself_is_one() -> None:
    x = torch.rand(1, 3, 24, 24)
    torch.testing.assert_close(ssim(x, x), torch.ones_like(x), rtol=1e-3, atol=1e-3)
    assert float(ssim(x, 1 - x).mean()) < 0


def test_the_focal_loss_counts_what_is_sure_less() -> None:
    logits = torch.tensor([[[[0.0, 4.0]], [[0.0, 0.0]]]])
    entropy = -torch.log_softmax(logits, 1)[0, 0, 0]
    expected = ((1 - torch.exp(-entropy)) ** 2 * entropy).mean()
    torch.testing.assert_close(focal(logits, torch.zeros(1, 1, 2)), expected)


def test_an_hourglass_keeps_the_size() -> None:
    assert HourGlass(3, 2, 4, skips=True)(torch.zeros(1, 3, 32, 48)).shape == (1, 2, 32, 48)


def test_training_lasts_as_long_as_the_budget() -> None:
    layer = torch.nn.Linear(1, 1)
    rates: list[float] = []
    optimiser = torch.optim.SGD(layer.parameters(), lr=1.0)

    def loss() -> Tensor:
        rates.append(optimiser.param_groups[0]["lr"])
        return layer(torch.ones(1, 1)).square().sum()

    assert descend(layer, loss, optimiser, iterations(4)) == 4
    assert rates == pytest.approx([(1 + math.cos(math.pi * n / 4)) / 2 for n in range(4)])
    assert not layer.training and not next(layer.parameters()).requires_grad


def _pixels(images: list) -> Tensor:
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2)
