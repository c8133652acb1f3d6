"""What `calibrate` does once its flags are read: score good images, set thresholds, show them."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from rich.console import Console

from stream_inspector.detector import Detector
from stream_inspector.errors import CalibrationRefused
from stream_inspector.model.self_test import choose
from stream_inspector.model.version import Model
from stream_inspector.threshold.budget import Budget, Calibration
from stream_inspector.threshold.calibrate import calibrate as set_thresholds
from stream_inspector.threshold.defects import (
    MOST_RATE,
    DefectCheck,
    Labelled,
    check_defects,
    rate_for_pro,
)
from stream_inspector.training.fit import images_digest
from workers.offline.calibrate.alpha import with_tuned_alpha
from workers.offline.calibrate.held_out import GoodScores, HeldOut, read_held_out, score_good
from workers.offline.calibrate.painted import painted_defects
from workers.offline.calibrate.report.thresholds import Shown, Tested, write_thresholds
from workers.offline.images.datasets import missing_masks, test_files
from workers.offline.images.views import find_category
from workers.offline.model_folder import read_model, write_model
from workers.offline.progress import OnWork, work_bar
from workers.offline.promises import say_promises
from workers.offline.scoring.labelled import LabelledImages, read_labelled
from workers.offline.scoring.maps import score_ensemble
from workers.offline.settings import BudgetSettings, TrainerProcessSettings, TrainerSettings
from workers.runtime.errors import SettingsError
from workers.runtime.host.terminal import text
from workers.runtime.lifecycle import StopSignal

_PIXEL_RATE = "budget.pixel_false_positive"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the command line asks for."""

    model: Path
    out: Path
    category: str | None = None
    data: Path | None = None  # the folder it was trained on
    good: Path | None = None  # further good images
    folds: int = 0
    tune_alpha: Path | None = None
    defects: Path | None = None  # labelled images
    target_pro: float | None = None
    report: Path | None = None
    stated: Collection[str] = ()  # settings that the command line states


def calibrate(
    settings: TrainerProcessSettings, wanted: Wanted, console: Console, stop: StopSignal
) -> None:
    """New thresholds for a model's category, from images that its training has not seen."""
    _refuse_impossible(wanted)
    model = read_model(wanted.model)
    name = model.category(wanted.category)
    accepted = settings.budget.of_category(find_category(name, settings.categories), wanted.stated)
    held = read_held_out(
        model,
        name,
        settings.trainer,
        console,
        data=wanted.data,
        good=wanted.good,
        folds=wanted.folds,
    )
    if wanted.tune_alpha is not None:
        model = with_tuned_alpha(model, wanted.tune_alpha, settings.trainer, console)
    detector = Detector(model, settings.trainer.device, engine="torch")
    test = _read_test(wanted, detector, name, settings.trainer, console)
    with work_bar(console, stop) as on_work:
        good = score_good(detector, held, name, on_work)
        tested = None if test is None else _scored(detector, test, name, on_work)
        made = _thresholds(accepted, wanted, held, good, tested)
        painted = None
        if wanted.report and tested is None:
            painted = painted_defects(detector, held.images, name, made, on_work)
    renewed = _with_self_test(model.with_calibration(name, made), detector, name, held, good)
    write_model(renewed, wanted.out)
    place = f" in {wanted.out}, from {len(held.images)} good images"
    console.print(text("Model ", (renewed.version, "bold"), place))
    say_promises(renewed, console)
    _say_check(made.defects, console)
    if wanted.report:
        view = renewed.view(name)
        shown = Shown(name, renewed.version, made, held, good, tested, painted, view)
        console.print(text(f"Report: {write_thresholds(wanted.report, shown)}"))


def _refuse_impossible(wanted: Wanted) -> None:
    if wanted.data is None and wanted.good is None:
        raise SettingsError("give --data (the folder it was trained on), --good, or both")
    if wanted.folds and wanted.data is None:
        raise SettingsError("--folds: give --data, the folder that the model was trained on")
    if wanted.folds == 1:
        raise SettingsError("--folds 1: one fold leaves nothing to fit to; give 2 or more")
    if wanted.target_pro is not None and wanted.defects is None:
        raise SettingsError("--target-pro: give --defects, labelled images with masks")


def _with_self_test(
    model: Model, detector: Detector, name: str, held: HeldOut, good: GoodScores
) -> Model:
    """With the image of the median score, and what the model's own statistics say of it."""
    chosen, test = choose(good.image_scores, model.calibrations[name].image_threshold)
    image = held.images[chosen].copy()
    if good.cross_fit:
        own = detector.score([image], [name]).image_scores
        test = replace(test, score=float(own[0]))
    return model.with_self_test(name, image, test)


def _read_test(
    wanted: Wanted, detector: Detector, name: str, settings: TrainerSettings, console: Console
) -> LabelledImages | None:
    if wanted.defects is None:
        return None
    test = read_labelled(
        test_files(wanted.defects, settings.layout),
        detector.model.view(name),
        on_corrupt=settings.on_corrupt,
        on_skip=lambda said: console.print(text(("left out", "yellow"), f" {said}")),
    )
    if note := missing_masks(test.files):
        console.print(text((note, "yellow")))
    return test


def _scored(detector: Detector, test: LabelledImages, name: str, on_work: OnWork) -> Tested:
    scored = score_ensemble(detector, test.images, name, partial(on_work, "labelled images"))
    truth = test.truth
    return Tested(test, Labelled(scored.maps, scored.image_scores, truth.defective, truth.masks))


def _thresholds(
    accepted: BudgetSettings,
    wanted: Wanted,
    held: HeldOut,
    good: GoodScores,
    tested: Tested | None,
) -> Calibration:
    """The calibration, with what it does to labelled defects. Raises CalibrationRefused."""
    made = set_thresholds(
        good.maps,
        good.image_scores,
        _with_target(accepted.as_budget(), wanted, good, tested),
        member_scores=good.member_scores,
        strict=accepted.strict,
        cross_fit=good.cross_fit,
        images_digest=images_digest(held.images),
    )
    if tested is None:
        return made
    check = check_defects(tested.scored, made.thresholds, made.budget.confidence)
    target = wanted.target_pro
    if target is not None and check.pro and check.pro.value < target - 1e-9:
        raise CalibrationRefused(
            f"a strict pixel threshold reaches a PRO of {check.pro.value:.3f} at that rate, short "
            f"of {target:g}: leave out --strict, or state --pixel-rate instead of --target-pro"
        )
    return made.with_defects(replace(check, target_pro=target))


def _with_target(budget: Budget, wanted: Wanted, good: GoodScores, tested: Tested | None) -> Budget:
    """With the smallest pixel rate that reaches the target; a stated rate is the most."""
    if wanted.target_pro is None or tested is None:
        return budget
    most = budget.pixel_false_positive if _PIXEL_RATE in wanted.stated else None
    rate = rate_for_pro(tested.scored, good.maps, wanted.target_pro, most or MOST_RATE)
    return replace(budget, pixel_false_positive=rate)


def _say_check(check: DefectCheck | None, console: Console) -> None:
    if check is None:
        return
    for line in check.lines():
        console.print(text(line))
    if check.target_pro is not None:
        chosen = f"The pixel rate was chosen for a PRO of {check.target_pro:g} on these images:"
        advice = " their figures are optimistic, measure on others"
        console.print(text((chosen, "yellow"), advice))
