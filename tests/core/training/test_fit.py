from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest
import timm
import torch
from core.conftest import (
    fitted_anew,
    fitted_as,
    good_images,
    scratched,
    tiny_feature_preset,
    tiny_pixel_preset,
)
from trained import trained_once

from stream_inspector.backbones import body_weights, look_up
from stream_inspector.detector import Detector
from stream_inspector.diffusion.unet import UNet
from stream_inspector.engine.torch_scorer import TorchScorer
from stream_inspector.errors import CalibrationRefused, ModelUnsupported, TooFewImages
from stream_inspector.features import load_feature_net, to_tensor
from stream_inspector.image.augment import random_degrees, rotated
from stream_inspector.image.view.canvas import View
from stream_inspector.model.version import Model, load_model, save_model
from stream_inspector.presets import B4, Preset, for_categories, with_backbone
from stream_inspector.threshold.budget import Budget
from stream_inspector.training import fit as training
from stream_inspector.training.fit import Good, calibrate, fit, fit_unified
from stream_inspector.training.networks import Checkpoints, Execution
from stream_inspector.training.progress import OnProgress, Progress
from stream_inspector.training.samples import gather
from stream_inspector.training.start import Start
from stream_inspector.verdict import Image

GOOD, SELECT = good_images(12), good_images(6, seed=1)


def _quiet(_: Progress) -> None:
    return None


def test_a_scratch_scores_above_every_good_image(fitted: Model) -> None:
    fresh = good_images(10, seed=5)
    scores = Detector(fitted, engine="torch").score([*fresh, *(scratched(i) for i in fresh[:3])])
    assert scores.image_scores[10:].min() > scores.image_scores[:10].max()
    y, x = np.unravel_index(scores.maps[10].argmax(), (64, 64))
    assert 16 <= y < 48  # the scratch is on rows 28..35, columns 16..47
    assert 8 <= x < 56


def test_good_images_have_z_scores_near_zero(fitted: Model) -> None:
    """Of images that the model has not seen: they are what is to come."""
    scores = Detector(fitted, engine="torch").score(good_images(12, seed=77))
    for name, values in scores.members.items():
        most = 0.5 if name == "mahalanobis" else 1.5  # others are bound to twelve images' whitening
        assert abs(float(values.mean())) < most, name


STAGES = {
    "pixel": ["statistics", "examiner", "pixels", "normalisation", "folds"],
    "feature": ["statistics", "examiner", "features", "pixels", "normalisation", "folds"],
}


@pytest.mark.parametrize("kind", STAGES)
@pytest.mark.slow
def test_the_same_seed_gives_the_same_bytes_and_every_stage_is_told(kind: str) -> None:
    """The global random state, from which nothing is drawn, stays as it was."""
    seen: list[Progress] = []
    torch.manual_seed(11)
    expected = torch.rand(1)
    torch.manual_seed(11)
    again = fitted_anew(kind, seen.append)
    assert torch.equal(torch.rand(1), expected)
    assert save_model(again) == save_model(fitted_as(kind))
    assert list(dict.fromkeys(progress.stage for progress in seen)) == STAGES[kind]
    for stage in STAGES[kind]:
        last = [progress for progress in seen if progress.stage == stage][-1]
        assert last.step == last.total
        assert (last.loss is None) == (stage not in ("features", "pixels"))


@pytest.mark.slow
def test_another_seed_gives_another_model() -> None:
    model, other = fitted_as("pixel"), fitted_anew("pixel", seed=8)
    assert other.version != model.version
    name = "network.input_blocks.0.0.weight"
    assert not np.array_equal(other.tensors[name], model.tensors[name])


@pytest.mark.parametrize(
    ("train", "select", "message"),
    [(GOOD[:5], SELECT, "5 good images to train.*add 3"), (GOOD, SELECT[:1], "1 good images to s")],
)
def test_too_few_images_are_counted(
    train: Sequence[Image], select: Sequence[Image], message: str
) -> None:
    with pytest.raises(TooFewImages, match=message):
        fit(train, select, "disc", tiny_pixel_preset(), 1, _quiet)


def test_an_image_of_another_size_is_refused() -> None:
    odd = [*GOOD[:11], np.zeros((16, 64, 3), np.uint8)]
    with pytest.raises(ValueError, match=r"\(16, 64\) where the view's canvas is \(64, 64\)"):
        fit(odd, SELECT, "disc", tiny_pixel_preset(), 1, _quiet)


@pytest.mark.slow
def test_calibration_stores_thresholds_and_keeps_the_weights(fitted: Model) -> None:
    calibrated = calibrate(fitted, good_images(30, seed=9), Budget(confidence=0.5))
    read = load_model(save_model(calibrated))
    assert read.calibrations["disc"].n_images == 30
    assert read.tensors.keys() == {*fitted.tensors, "disc/self_test.image"}
    verdicts = Detector(read, engine="torch").inspect([scratched(GOOD[0])], [(128, 128)])
    assert verdicts[0].grade == "defect"


def test_calibration_refuses_a_single_image(fitted: Model) -> None:
    with pytest.raises(CalibrationRefused):
        calibrate(fitted, GOOD[:1], Budget())


@pytest.mark.slow
def test_a_pixel_model_may_look_at_features_of_a_larger_image() -> None:
    preset = tiny_pixel_preset()
    pixel = replace(preset.pixel, size=(32, 32), network=replace(preset.pixel.network, patch=4))
    model = fit(GOOD, SELECT, "disc", replace(preset, pixel=pixel), 1, _quiet, iterations=1)
    assert Detector(model, engine="torch").score(GOOD[:1]).maps.shape == (1, 64, 64)


@pytest.mark.slow
def test_memory_is_bounded_by_drawing_from_many_images(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "MAX_IMAGES", 9)
    model = fit(GOOD, SELECT, "disc", tiny_pixel_preset(), 1, _quiet, iterations=1)
    assert model.provenance["train_images"] == 8
    assert model.provenance["select_images"] == 3


@pytest.mark.slow
def test_rotation_is_seen_by_the_network_and_by_its_features() -> None:
    preset = tiny_pixel_preset()
    plan = replace(preset.pixel.plan, rotation=5.0)
    turning = replace(preset, pixel=replace(preset.pixel, plan=plan))
    still, turned = fitted_as("pixel"), fit(GOOD, SELECT, "disc", turning, 7, _quiet)
    changed = {
        name
        for name, tensor in still.tensors.items()
        if name.startswith("network.") and not np.array_equal(tensor, turned.tensors[name])
    }
    assert {"network.input_blocks.0.0.weight", "network.feature_head.2.weight"} <= changed


def test_rotated_samples_come_with_the_features_of_the_rotated_image() -> None:
    preset = tiny_pixel_preset()
    plan = replace(preset.pixel.plan, rotation=5.0)
    material = gather(
        {"disc": GOOD},
        {"disc": View((64, 64))},
        replace(preset, pixel=replace(preset.pixel, plan=plan)),
        _quiet,
        seed=0,
    )
    batch = material.pixels().batch(torch.tensor([3]), torch.Generator().manual_seed(0))
    angle = random_degrees(1, 5.0, torch.Generator().manual_seed(0))
    image = rotated(to_tensor([GOOD[3]]), angle)
    expected = material.statistics[0].whitening.whiten(load_feature_net(preset.grid)(image))
    torch.testing.assert_close(batch.x0, image)
    assert batch.features is not None
    torch.testing.assert_close(batch.features, expected)


TWO = {
    "disc": Good(GOOD, SELECT),
    "dark": Good([255 - image for image in GOOD[:9]], [255 - image for image in SELECT]),
}


# In one process, which trains the models once.
UNIFIED = pytest.mark.xdist_group("unified")


@pytest.fixture(scope="module", params=["pixel", "feature"])
def unified(request: pytest.FixtureRequest) -> Model:
    return unified_as(request.param)


def unified_as(kind: str) -> Model:
    preset = tiny_pixel_preset() if kind == "pixel" else tiny_feature_preset()
    return trained_once(f"two-{kind}", lambda: fit_unified(TWO, preset, 3, _quiet))


@UNIFIED
@pytest.mark.slow
def test_a_unified_model_finds_the_defects_of_each_category(unified: Model) -> None:
    fresh = good_images(6, seed=5)
    dark = [255 - image for image in fresh]
    images = [*fresh, scratched(fresh[0]), *dark, 255 - scratched(fresh[0])]
    categories = ["disc"] * 7 + ["dark"] * 7
    scores = Detector(unified, engine="torch").score(images, categories).image_scores
    assert scores[6] > scores[:6].max()
    assert scores[13] > scores[7:13].max()


@UNIFIED
@pytest.mark.slow
def test_the_same_image_is_judged_as_its_category(unified: Model) -> None:
    detector, image = Detector(unified, engine="torch"), GOOD[0]
    as_disc, as_dark = detector.score([image, image], ["disc", "dark"]).image_scores
    assert as_dark > as_disc + 1


@UNIFIED
@pytest.mark.slow
def test_a_mixed_batch_scores_each_image_as_if_alone(unified: Model) -> None:
    detector, images = Detector(unified, engine="torch"), good_images(3, seed=4)
    mixed = detector.score([images[0], 255 - images[1], images[2]], ["disc", "dark", "disc"])
    for i, (image, name) in enumerate(
        [(images[0], "disc"), (255 - images[1], "dark"), (images[2], "disc")]
    ):
        alone = detector.score([image], [name])
        np.testing.assert_allclose(mixed.maps[i], alone.maps[0], atol=1e-3 * mixed.maps.std())


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["pixel", "feature"])
def test_another_engine_is_told_the_category_too(kind: str) -> None:
    unified = unified_as(kind)
    images, names = [GOOD[0], GOOD[0], 255 - GOOD[1]], ["disc", "dark", "dark"]
    expected = Detector(unified, engine="torch").score(images, names)
    found = Detector(unified, engine="onnxruntime").score(images, names)
    np.testing.assert_allclose(found.maps, expected.maps, atol=1e-3 * expected.maps.std())


@UNIFIED
@pytest.mark.slow
def test_the_network_is_told_the_category(unified: Model) -> None:
    assert unified.preset.scoring.network.classes == 2
    assert unified.tensors["network.label_emb.weight"].shape[0] == 2
    changed = unified.tensors | {
        "network.label_emb.weight": unified.tensors["network.label_emb.weight"] + 1
    }
    detector = Detector(unified, engine="torch")
    other = Detector(replace(unified, tensors=changed), engine="torch")
    before, after = (d.score(GOOD[:1], ["disc"]).members["kl"] for d in (detector, other))
    assert not np.allclose(before, after)


@UNIFIED
@pytest.mark.slow
def test_each_category_is_calibrated_and_explained_on_its_own(unified: Model) -> None:
    held = good_images(30, seed=9)
    model = calibrate(unified, held, Budget(confidence=0.5), category="disc")
    with pytest.raises(ModelUnsupported, match="no thresholds for dark"):
        Detector(model, engine="torch").inspect(GOOD[:1], [(64, 64)], ["dark"])
    model = calibrate(model, [255 - i for i in held], Budget(confidence=0.5), category="dark")
    detector, bad = Detector(model, engine="torch"), scratched(GOOD[0])
    images, names = [bad, 255 - bad], ["disc", "dark"]
    verdicts = detector.inspect(images, [(64, 64)] * 2, names)
    assert [verdict.grade for verdict in verdicts] == ["defect", "defect"]
    assert verdicts[0].image_threshold == model.calibrations["disc"].image_threshold
    assert verdicts[1].image_threshold == model.calibrations["dark"].image_threshold
    assert len(detector.explain(images, verdicts, names)) == 2


def test_a_unified_network_trains_for_the_plans_own_number_of_steps() -> None:
    preset = tiny_pixel_preset()
    plan = replace(preset.pixel.plan, iterations=2, unified_iterations=3)
    preset = replace(preset, pixel=replace(preset.pixel, plan=plan))
    assert for_categories(preset, 2).pixel.plan.iterations == 3
    assert for_categories(preset, 1).pixel.plan.iterations == 2
    assert replace(plan, unified_iterations=None).total(5) == 10


class Stopped(Exception):
    pass


@pytest.mark.slow
@pytest.mark.parametrize(
    ("at", "every"),
    [(("features", 3), 2), (("features", 3), 100), (("pixels", 2), 100), (("pixels", 4), 2)],
)
def test_a_training_taken_up_again_gives_the_same_bytes(at: tuple[str, int], every: int) -> None:
    every_step = [(stage, n) for stage in ("features", "pixels") for n in (1, 2, 3, 4)]
    saved = [dict[str, torch.Tensor]()]

    def stop(progress: Progress) -> None:
        if (progress.stage, progress.step) == at:
            raise Stopped

    def run(on_progress: OnProgress) -> Model:
        def keep(state: Mapping[str, torch.Tensor]) -> None:
            saved.append({name: value.clone() for name, value in state.items()})

        return fitted_anew("feature", on_progress, checkpoints=Checkpoints(every, keep, saved[-1]))

    with pytest.raises(Stopped):
        run(stop)
    steps: list[Progress] = []
    resumed = run(steps.append)
    assert save_model(resumed) == save_model(fitted_as("feature"))
    trained = [(p.stage, p.step) for p in steps if p.loss is not None]
    assert trained == every_step[every_step.index(at) + 1 :]  # nothing is done twice


def test_a_preset_without_packaged_weights_says_what_is_missing() -> None:
    other = with_backbone(tiny_pixel_preset(), B4)
    with pytest.raises(ModelUnsupported, match=r"b4.aa_in1k come in no package: give --backbone-w"):
        fit(GOOD, SELECT, "disc", other, 1, _quiet)


@pytest.mark.parametrize("preset", [tiny_pixel_preset(), tiny_feature_preset()])
def test_any_backbone_travels_in_the_model(preset: Preset) -> None:
    row = look_up("test_vit")
    with torch.random.fork_rng(devices=[]):
        weights = body_weights(row, timm.create_model("test_vit").state_dict())
    start = Start(backbone=weights, origin={"backbone_weights": "random"})
    looking = with_backbone(preset, row)
    model = fit_unified({"disc": Good(GOOD, SELECT)}, looking, 1, _quiet, iterations=1, start=start)
    read = load_model(save_model(model))
    assert read.provenance["backbone_weights"] == "random"
    assert {f"backbone.{name}" for name in weights} <= read.tensors.keys()
    one, other = (Detector(m, engine="torch").score(GOOD[:2]) for m in (model, read))
    assert np.array_equal(one.maps, other.maps)
    changed = dict(read.tensors)
    changed["backbone.model.patch_embed.proj.weight"] = torch.zeros(64, 3, 16, 16)
    blind = Detector(replace(read, tensors=changed), engine="torch").score(GOOD[:2])
    assert not np.array_equal(blind.maps, other.maps)


def test_a_training_begins_with_the_weights_that_it_is_given() -> None:
    preset = tiny_pixel_preset()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        first = UNet(preset.pixel.network, 3).state_dict()
    good, given = {"disc": Good(GOOD, SELECT)}, Start(network=first)
    model = fit_unified(good, preset, 1, _quiet, iterations=0, start=given)
    for name, value in first.items():
        assert np.array_equal(model.tensors[f"network.{name}"], value.half().numpy()), name
    odd = Start(network={"nowhere.weight": torch.zeros(1)})
    with pytest.raises(ValueError, match=r"has no nowhere.weight"):
        fit_unified(good, preset, 1, _quiet, iterations=1, start=odd)


@pytest.mark.slow
def test_scores_follow_the_chain_on_which_their_steps_count() -> None:
    """Step 100 of 250 is original step 401: other noise, other scores."""
    preset = tiny_pixel_preset()
    one = replace(preset.pixel, score_steps=(100,), score_chain=1000)
    original = fit(GOOD, SELECT, "disc", replace(preset, pixel=one), 1, _quiet, iterations=1)
    respaced = replace(preset, pixel=replace(one, score_chain=250))
    kl = [
        TorchScorer(model).raw_maps(GOOD[:1], [0])
        for model in (original, replace(original, preset=respaced))
    ]
    assert not torch.allclose(kl[0]["kl.100"], kl[1]["kl.100"], rtol=0.1)


@pytest.mark.slow
def test_a_training_in_bfloat16_finds_defects_and_differs() -> None:
    single = fitted_as("feature")
    half = fitted_anew("feature", execution=Execution(precision="bf16"))
    name = "network.input_blocks.0.0.weight"
    assert not np.array_equal(single.tensors[name], half.tensors[name])
    assert single.provenance["features/precision"] == "fp32"
    assert half.provenance["features/precision"] == "bf16"
    scores = Detector(half, engine="torch").score([GOOD[0], scratched(GOOD[0])]).image_scores
    assert scores[1] > scores[0]


@pytest.mark.slow
def test_recomputing_activations_changes_no_bit() -> None:
    recomputed = fitted_anew("pixel", execution=Execution(recompute=True))
    assert save_model(recomputed) == save_model(fitted_as("pixel"))
