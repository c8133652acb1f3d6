"""`calibrate --tune-alpha`: the share of KL in a model, from labelled defects of its category."""

from dataclasses import replace
from pathlib import Path

from rich.console import Console

from stream_inspector.detector import Detector
from stream_inspector.model.version import Model, Scalar
from stream_inspector.threshold.alpha import FEATURES, KL, tune_alpha, with_alpha
from workers.offline.images.datasets import test_files
from workers.offline.scoring.labelled import read_labelled
from workers.offline.scoring.maps import score_all
from workers.offline.settings import TrainerSettings
from workers.runtime.errors import SettingsError
from workers.runtime.host.terminal import text


def with_tuned_alpha(
    model: Model, labelled: Path, settings: TrainerSettings, console: Console
) -> Model:
    """The model with other weights, and without thresholds: those were for other scores.

    Raises SettingsError for a unified model, DataError for images that do not suffice.
    """
    if len(model.categories) > 1:
        raise SettingsError(
            "--tune-alpha: the categories of a unified model share their weights; train a model "
            "of its own for a category whose alpha is to be tuned"
        )
    (name,), preset = model.categories, model.preset
    if not {KL, FEATURES} & {member for member, _ in preset.weights}:
        raise SettingsError(
            f"--tune-alpha: no diffusion scores in a model of preset {preset.name}; "
            "pixel-small and paper have one"
        )
    test = read_labelled(
        test_files(labelled, settings.layout),
        model.view(name),
        on_corrupt=settings.on_corrupt,
        on_skip=lambda said: console.print(text(("left out", "yellow"), f" {said}")),
    )
    scored = score_all(Detector(model, settings.device, engine="torch"), test.images, name)
    tuned = tune_alpha(
        scored.maps, scored.image_scores, preset.weights, test.truth.defective, test.truth.masks
    )
    defects = int(test.truth.defective.sum())
    said = (
        f"alpha {tuned.alpha:.1f} from {defects} defective images of {len(test.images)} in "
        f"{labelled}: mean of AUPRO@0.3 and image AUROC {tuned.quality:.3f}, "
        f"{tuned.gain:+.3f} against alpha 0.5"
    )
    console.print(text(said))
    caution = f"Figures on {labelled} are optimistic from now on:"
    console.print(text((caution, "yellow"), " measure on other images"))
    about: dict[str, Scalar] = {
        f"{name}/alpha": tuned.alpha,
        f"{name}/alpha_defects": defects,
        f"{name}/alpha_source": str(labelled),
    }
    return replace(
        model,
        preset=replace(preset, weights=with_alpha(preset.weights, tuned.alpha)),
        provenance={**model.provenance, **about},
        calibrations={},
    )
