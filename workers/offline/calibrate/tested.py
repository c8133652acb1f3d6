"""Images of known truth that a calibration is held against: labelled ones, and known bad ones."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from rich.console import Console

from stream_inspector.detector import Detector
from stream_inspector.image.view.canvas import View
from stream_inspector.threshold.defects import Labelled
from workers.offline.calibrate.held_out import digests_seen
from workers.offline.calibrate.known_bad import known_bad_files, refuse_good_ones
from workers.offline.calibrate.remedies import TOO_MANY, Material, Remedy, try_remedies
from workers.offline.calibrate.report.shown import Shown, Tested
from workers.offline.images.datasets import LabelledFile, missing_masks, test_files
from workers.offline.progress import OnWork
from workers.offline.scoring.labelled import LabelledImages, read_labelled
from workers.offline.scoring.maps import score_ensemble
from workers.offline.settings import TrainerSettings
from workers.runtime.host.terminal import text


def read_tested(
    detector: Detector,
    category: str,
    settings: TrainerSettings,
    console: Console,
    *,
    labelled: Path | None,
    known_bad: Path | None,
    good: Sequence[Path],
    on_work: OnWork = lambda *_: None,
) -> LabelledImages | None:
    """Both together; None when neither is given. `good` set the thresholds. Raises DataError."""
    files: tuple[LabelledFile, ...] = ()
    if labelled is not None:
        files = test_files(labelled, settings.layout)
        if note := missing_masks(files):
            console.print(text((note, "yellow")))
    if known_bad is not None:
        bad = known_bad_files(known_bad)
        refuse_good_ones(bad, good, digests_seen(detector.model, category))
        files += bad
    if not files:
        return None
    return read_labelled(
        files,
        detector.model.view(category),
        on_corrupt=settings.on_corrupt,
        on_skip=lambda said: console.print(text(("left out", "yellow"), f" {said}")),
        on_read=partial(on_work, "reading"),
    )


def score_tested(detector: Detector, test: LabelledImages, name: str, on_work: OnWork) -> Tested:
    """With the scores of the ensemble."""
    scored = score_ensemble(detector, test.images, name, partial(on_work, "defective images"))
    truth, kinds = test.truth, [file.kind for file in test.files]
    found = Labelled(scored.maps, scored.image_scores, truth.defective, truth.masks, kinds)
    return Tested(test, found)


def passes_too_much(shown: Shown) -> bool:
    """Whether more than the stated share of known defects passes; 5 % where none is stated."""
    check = shown.calibration.defects
    most = TOO_MANY if check is None or check.most_escapes is None else check.most_escapes
    return check is not None and check.escape_rate.value > most


def remedies(shown: Shown, view: View, on_work: OnWork) -> list[Remedy]:
    """What helps, tried on the good images that calibrate and the known defects."""
    if shown.test is None:
        return []
    images = shown.test.images
    placed = (view.place(each).scale for each in images.sizes)
    material = Material(
        good=shown.held.paths,
        bad=[file.path for file in images.files if file.defective],
        view=view,
        scale=min(min(scale) for scale in placed),
        false_alarms=shown.calibration.budget.image_false_reject
        or 1 / (shown.calibration.n_images + 1),
    )
    return try_remedies(material, on_work)
