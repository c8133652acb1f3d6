"""What `calibrate` does once its flags are read: score good images, set thresholds, show them."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from rich.console import Console

from stream_inspector.detector import Detector
from stream_inspector.engine.eight_bits import knows_eight_bits, with_eight_bits
from stream_inspector.errors import CalibrationRefused
from stream_inspector.image.appearance import appearance
from stream_inspector.image.view.canvas import View
from stream_inspector.model.self_test import choose
from stream_inspector.model.version import Model
from stream_inspector.threshold.budget import Budget, Calibration
from stream_inspector.threshold.calibrate import calibrate as set_thresholds
from stream_inspector.threshold.defects import (
    MOST_RATE,
    DefectCheck,
    check_defects,
    rate_for_pro,
)
from stream_inspector.threshold.trade_off import Settled, settle
from stream_inspector.training.fit import images_digest
from workers.offline.calibrate.alpha import with_tuned_alpha
from workers.offline.calibrate.chosen import say_chosen, score_chosen
from workers.offline.calibrate.held_out import GoodScores, HeldOut, read_held_out, score_good
from workers.offline.calibrate.painted import painted_defects
from workers.offline.calibrate.report.shown import Shown, Tested, trade_off
from workers.offline.calibrate.report.thresholds import write_thresholds
from workers.offline.calibrate.tested import passes_too_much, read_tested, remedies, score_tested
from workers.offline.fit import learnt_from
from workers.offline.images.views import find_category
from workers.offline.model_folder import read_model, write_model
from workers.offline.progress import OnWork, work_bar
from workers.offline.promises import say_promises
from workers.offline.settings import BudgetSettings, TrainerProcessSettings
from workers.runtime.datasets.reviewed import BOOK, DEFECTIVE, REVIEWED, reviews_of
from workers.runtime.errors import SettingsError
from workers.runtime.host.terminal import text
from workers.runtime.lifecycle import StopSignal

_FALSE_REJECT = "budget.image_false_reject"
_PIXEL_RATE = "budget.pixel_false_positive"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the command line asks for."""

    model: Path
    out: Path
    category: str | None = None
    data: Path | None = None  # the folder it was trained on
    good: Path | None = None  # further good images
    reviews: Path | None = None  # pictures that people judged
    folds: int = 0
    tune_alpha: Path | None = None
    defects: Path | None = None  # labelled images
    known_bad: Path | None = None  # whole pictures of defective parts
    most_escapes: float | None = None  # share of defective images that may pass
    target_pro: float | None = None
    report: Path | None = None
    stated: Collection[str] = ()  # settings that the command line states


def calibrate(
    settings: TrainerProcessSettings, wanted: Wanted, console: Console, stop: StopSignal
) -> None:
    """New thresholds for a model's category, from images that its training has not seen."""
    wanted = _with_reviews(wanted)
    _refuse_impossible(wanted)
    model = read_model(wanted.model)
    name = model.category(wanted.category)
    accepted = settings.budget.of_category(find_category(name, settings.categories), wanted.stated)
    with work_bar(console, stop) as on_work:
        held = read_held_out(
            model,
            name,
            settings.trainer,
            console,
            data=wanted.data,
            good=wanted.good,
            folds=wanted.folds,
            on_work=on_work,
        )
    if wanted.tune_alpha is not None:
        model = with_tuned_alpha(model, wanted.tune_alpha, settings.trainer, console)
    detector = Detector(model, settings.trainer.device, engine="torch")
    with work_bar(console, stop) as on_work:
        test = read_tested(
            detector,
            name,
            settings.trainer,
            console,
            labelled=wanted.defects,
            known_bad=wanted.known_bad,
            good=held.paths,
            on_work=on_work,
        )
        good = score_good(detector, held, name, on_work)
        tested = None if test is None else score_tested(detector, test, name, on_work)
        made, settled = _thresholds(
            accepted, wanted, held, good, tested, provisional=model.provisional
        )
        view = model.view(name)
        chosen = score_chosen(detector, wanted.reviews, name, settings.trainer, on_work)
        shown = Shown(name, model.version, made, held, good, view, tested, settled=settled)
        if wanted.report:
            shown = _with_more(shown, detector, view, on_work)
    renewed = _with_self_test(model.with_calibration(name, made), detector, name, held, good)
    if settings.trainer.eight_bits or knows_eight_bits(model, name):
        renewed = with_eight_bits(renewed, name, held.images)
    used = [*held.paths, *(file.path for file in (test.files if test else ()))]
    renewed = learnt_from(renewed, name, reviews_of(used))
    write_model(renewed, wanted.out)
    place = f" in {wanted.out}, from {len(held.images)} good images"
    console.print(text("Model ", (renewed.version, "bold"), place))
    say_promises(renewed, console)
    _say_check(made.defects, settled, console)
    say_chosen(made, chosen, console)
    if wanted.report:
        page = write_thresholds(wanted.report, replace(shown, version=renewed.version))
        console.print(text(f"Report: {page}"))


def _with_reviews(wanted: Wanted) -> Wanted:
    """Reviewed pictures as good images and known bad ones."""
    if wanted.reviews is None:
        return wanted
    if wanted.good is not None:
        raise SettingsError("--reviews and --good: give one of them")
    if not REVIEWED.fits(wanted.reviews):
        raise SettingsError(
            f"--reviews: {wanted.reviews} has no {BOOK}; `stream-inspector collect --verdict "
            "reviewed` writes such a folder"
        )
    bad = wanted.reviews / DEFECTIVE if REVIEWED.pictures(wanted.reviews, DEFECTIVE) else None
    return replace(wanted, good=wanted.reviews, known_bad=wanted.known_bad or bad)


def _refuse_impossible(wanted: Wanted) -> None:
    if wanted.data is None and wanted.good is None:
        raise SettingsError(
            "give --data (the folder it was trained on), --good or --reviews, or both"
        )
    if wanted.folds and wanted.data is None:
        raise SettingsError("--folds: give --data, the folder that the model was trained on")
    if wanted.folds == 1:
        raise SettingsError("--folds 1: one fold leaves nothing to fit to; give 2 or more")
    if wanted.target_pro is not None and wanted.defects is None:
        raise SettingsError("--target-pro: give --defects, labelled images with masks")
    if wanted.most_escapes is not None and wanted.defects is None and wanted.known_bad is None:
        raise SettingsError(
            "--most-escapes: give --known-bad, pictures of defective parts, or --defects"
        )


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


def _thresholds(
    accepted: BudgetSettings,
    wanted: Wanted,
    held: HeldOut,
    good: GoodScores,
    tested: Tested | None,
    *,
    provisional: bool,
) -> tuple[Calibration, Settled | None]:
    """The calibration, with what it does to known defects. Raises CalibrationRefused."""
    settings = partial(
        set_thresholds,
        good.maps,
        good.image_scores,
        _with_target(accepted.as_budget(), wanted, good, tested),
        member_scores=good.member_scores,
        strict=accepted.strict,
        cross_fit=good.cross_fit,
        images_digest=images_digest(held.images),
        looks=[*map(appearance, held.images)],
        provisional=provisional,
    )
    made = settings()
    if tested is None:
        return made, None
    settled = _settled(accepted, wanted, made, tested)
    if settled and settled.chosen.threshold < made.image_threshold:
        made = settings(highest=settled.chosen.threshold)
    check = check_defects(tested.scored, made.thresholds, made.budget.confidence)
    target = wanted.target_pro
    if target is not None and check.pro and check.pro.value < target - 1e-9:
        raise CalibrationRefused(
            f"a strict pixel threshold reaches a PRO of {check.pro.value:.3f} at that rate, short "
            f"of {target:g}: leave out --strict, or state --pixel-rate instead of --target-pro"
        )
    check = replace(
        check,
        target_pro=target,
        most_escapes=wanted.most_escapes,
        escapes_decide=bool(settled and settled.chosen is settled.by_escapes),
    )
    return made.with_defects(check), settled


def _settled(
    accepted: BudgetSettings, wanted: Wanted, made: Calibration, tested: Tested
) -> Settled | None:
    """Both limits together: escapes decide where no share of false alarms was asked for."""
    if wanted.most_escapes is None:
        return None
    asked = accepted.strict or _FALSE_REJECT in wanted.stated
    return settle(
        trade_off(made, tested.scored),
        made.image_threshold,
        wanted.most_escapes,
        made.budget.image_false_reject,
        escapes_decide=not asked,
    )


def _with_more(shown: Shown, detector: Detector, view: View, on_work: OnWork) -> Shown:
    """What only the page tells: painted defects, and what helps where too much passes."""
    painted = painted_defects(
        detector, shown.held.images, shown.category, shown.calibration, on_work
    )
    tried = remedies(shown, view, on_work) if passes_too_much(shown) else ()
    return replace(shown, painted=painted, remedies=tried)


def _with_target(budget: Budget, wanted: Wanted, good: GoodScores, tested: Tested | None) -> Budget:
    """With the smallest pixel rate that reaches the target; a stated rate is the most."""
    if wanted.target_pro is None or tested is None:
        return budget
    most = budget.pixel_false_positive if _PIXEL_RATE in wanted.stated else None
    rate = rate_for_pro(tested.scored, good.maps, wanted.target_pro, most or MOST_RATE)
    return replace(budget, pixel_false_positive=rate)


def _say_check(check: DefectCheck | None, settled: Settled | None, console: Console) -> None:
    if check is None:
        return
    for line in check.lines():
        console.print(text(line))
    if settled:
        style = "" if settled.both_hold else "yellow"
        console.print(text((settled.line(), style)))
    if check.target_pro is not None or check.escapes_decide:
        chosen = "A threshold was chosen by these images:"
        advice = " their figures are optimistic, measure on others"
        console.print(text((chosen, "yellow"), advice))
