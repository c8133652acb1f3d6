"""Counterparts that are made without PyTorch are those that PyTorch makes."""

from dataclasses import replace
from importlib.resources import as_file, files
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from stream_inspector.counterpart import gradient_denoising, masked
from stream_inspector.counterpart.variants import COUNTERPARTS, Array, box_mean
from stream_inspector.detector import Detector
from stream_inspector.diffusion.denoiser import Denoiser
from stream_inspector.diffusion.schedule import linear_schedule
from stream_inspector.engine.sessions import SESSIONS
from stream_inspector.errors import ModelCorrupt
from stream_inspector.features import to_images, to_tensor
from stream_inspector.image.planes import from_planes, to_planes
from stream_inspector.image.view import cutting, tiles
from stream_inspector.image.view.canvas import View
from stream_inspector.model.version import Model, ModelFiles, load_model
from stream_inspector.synthetic.overlay import paint_defect
from stream_inspector.verdict import Image

MASKED = COUNTERPARTS["masked"]
RNG = np.random.default_rng(1)


def noisy(*shape: int) -> Array:
    return RNG.standard_normal(shape, np.float32)


def same_noise(x: Tensor, _: torch.Generator) -> Tensor:
    """PyTorch begins with the noise of the arrays."""
    drawn = np.random.default_rng(0).standard_normal(x.shape[1:], np.float32)
    return torch.from_numpy(drawn).expand_as(x)


@pytest.fixture(scope="module")
def shipped() -> Model:
    with as_file(files("configs").joinpath("models", "flange")) as folder:
        names = ("manifest.json", "tensors.safetensors")
        manifest, tensors = (Path(folder, name).read_bytes() for name in names)
    return load_model(ModelFiles(manifest=manifest, tensors=tensors))


def damaged(model: Model) -> Image:
    return paint_defect(model.self_test_image("flange"), "scratch", 3)[0]


def test_a_counterpart_on_graphs_is_that_of_pytorch(
    shipped: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gradient_denoising, "_drawn", same_noise)
    image, seen = damaged(shipped), list[Array]()
    graphs = Detector(shipped, engine="onnxruntime", threads=1)
    in_torch = Detector(shipped, engine="torch", threads=1)
    verdicts = graphs.inspect([image], [(256, 256)])
    assert (graphs.explains_in_torch, in_torch.explains_in_torch) == (False, True)

    (found,) = graphs.explain([image], verdicts, on_round=lambda _, x: seen.append(x))
    (wanted,) = in_torch.explain([image], verdicts)

    assert len(seen) == found.rounds == wanted.rounds == len(MASKED.steps)
    assert np.abs(found.image.astype(int) - wanted.image).max() <= 2
    assert np.abs(found.image.astype(int) - image).max() > 20  # the defect is gone
    scores = (found.score_before, found.score_after, found.normal_limit)
    expected = (wanted.score_before, wanted.score_after, wanted.normal_limit)
    assert scores == pytest.approx(expected, rel=1e-3)
    assert graphs.examine([image]) == [pytest.approx((scores[0], scores[2]))]


def test_counterparts_are_made_on_the_engine_that_scores(
    shipped: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("openvino")
    monkeypatch.setitem(SESSIONS, "onnxruntime", lambda *_: pytest.fail("another engine"))
    image, rounds = damaged(shipped), list[int]()
    detector = Detector(shipped, engine="openvino", threads=1)
    verdicts = detector.inspect([image], [(256, 256)])
    detector.explain([image], verdicts, on_round=lambda n, _: rounds.append(n))
    assert len(rounds) == len(MASKED.steps)


def test_what_descends_a_distance_is_made_in_pytorch(
    shipped: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    graphs = Detector(shipped, engine="onnxruntime", threads=1)
    asked = list[str]()
    explainer = graphs._in_torch
    monkeypatch.setattr(explainer, "explain", lambda *_: asked.append("torch") or [])
    for name, settings in COUNTERPARTS.items():
        assert settings.needs_gradients == (name != "masked")
    graphs.explain([], [], settings=COUNTERPARTS["released"])
    assert asked == ["torch"]


def test_a_model_without_its_networks_tensors_is_refused_by_name(shipped: Model) -> None:
    few = {k: v for k, v in shipped.tensors.items() if k != "flange/examiner.mean"}
    graphs = Detector(replace(shipped, tensors=few), engine="onnxruntime", threads=1)
    with pytest.raises(ModelCorrupt, match=r"flange/examiner\.mean"):
        graphs.examine([damaged(shipped)])


def test_the_rounds_are_those_of_pytorch() -> None:
    x, weight = noisy(2, 3, 8, 12) / 3, np.abs(noisy(2, 1, 8, 12)).clip(0, 1)
    denoiser = Denoiser(lambda x_t, _: (0.5 * x_t, None), linear_schedule(), "edm", 0.4)
    seen = list[Array]()

    def estimate(x_t: Array, step: int) -> Array:
        t = torch.full((len(x_t),), step)
        return denoiser(torch.from_numpy(x_t), t).x0.numpy()

    noise = np.random.default_rng(0).standard_normal(x.shape[1:], np.float32)
    found = masked.denoised(
        x, weight, estimate, MASKED, noise=noise, on_round=lambda _, y: seen.append(y)
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gradient_denoising, "_drawn", same_noise)
        wanted, _ = gradient_denoising.gradient_denoise(
            *(torch.from_numpy(each) for each in (x, weight)), denoiser, MASKED, torch.Generator()
        )
    np.testing.assert_allclose(found, wanted.numpy(), atol=1e-4)
    assert len(seen) == len(MASKED.steps)


@pytest.mark.parametrize("size", [(16, 24), (40, 60), (32, 48)])
def test_resizing_is_pytorchs(size: tuple[int, int]) -> None:
    x = noisy(2, 3, 32, 48)
    wanted = gradient_denoising._resized(torch.from_numpy(x), size)
    np.testing.assert_allclose(masked.resized(x, size), wanted.numpy(), atol=1e-4)


def test_a_clear_change_is_one_to_pytorch() -> None:
    change, estimate = noisy(1, 3, 20, 30) * 0.1, noisy(1, 3, 20, 30) * 0.2
    wanted = gradient_denoising._clear(torch.from_numpy(change), torch.from_numpy(estimate), 0.05)
    found = masked._clear(change, estimate, 0.05)
    assert 0 < found.mean() < 1
    np.testing.assert_allclose(found, wanted.numpy(), atol=1e-5)


def test_a_mean_of_what_is_there_is_pytorchs_and_nothing_stays_nothing() -> None:
    x = np.zeros((2, 9, 11), np.float32)
    x[:, :3, 2:5] = 0.3
    wanted = torch.nn.functional.avg_pool2d(
        torch.from_numpy(x), 5, 1, 2, count_include_pad=False
    ).numpy()
    found = box_mean(x, 2)
    np.testing.assert_allclose(found, wanted, atol=1e-6)
    assert ((found == 0) == (wanted == 0)).all()


def test_pictures_and_planes_are_those_of_pytorch() -> None:
    images = [RNG.integers(0, 256, (6, 7, 3), np.uint8) for _ in range(3)]
    planes = to_planes(images)
    np.testing.assert_allclose(planes, to_tensor(images).numpy(), atol=1e-6)
    assert all((a == b).all() for a, b in zip(from_planes(planes), images, strict=True))
    wide = noisy(2, 3, 4, 5) * 2
    both = zip(from_planes(wide), to_images(torch.from_numpy(wide)), strict=True)
    assert all((a == b).all() for a, b in both)


def test_tiles_are_cut_and_merged_as_by_pytorch() -> None:
    view = View((32, 48), rows=2, columns=2, overlap=(16, 16))
    image = RNG.integers(0, 256, (*view.canvas, 3), np.uint8)
    cut = cutting.cut(view, [image])
    assert (cutting.merged(view, cut) == image).all()
    one, other = cut[0], [255 - each for each in cut[1:]]
    (wanted,) = to_images(tiles.merge(view, to_tensor([one, *other])))
    assert np.abs(cutting.merged(view, [one, *other]).astype(int) - wanted).max() <= 1
    maps = noisy(1, *view.canvas)
    wanted_maps = tiles.cut_maps(view, torch.from_numpy(maps)[None])
    assert (cutting.cut_maps(view, maps) == wanted_maps.numpy()).all()
