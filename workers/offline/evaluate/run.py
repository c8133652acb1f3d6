"""What `evaluate` does once its flags are read: every category that has a model, then the mean."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console

from stream_inspector.counterpart.variants import Counterpart
from stream_inspector.detector import Detector
from stream_inspector.image.view.canvas import Size
from workers.offline.detector import make_detector
from workers.offline.evaluate.counterparts import Counterparts
from workers.offline.evaluate.report.examples import choose
from workers.offline.evaluate.report.material import report_material
from workers.offline.evaluate.report.pages import write_category, write_index
from workers.offline.evaluate.saved_maps import map_paths, save_maps
from workers.offline.evaluate.tables import tell_categories, tell_evaluation, write_csv
from workers.offline.images.datasets import categories_in, licence_notes, missing_masks
from workers.offline.images.pairing import Pair, pair
from workers.offline.model_folder import models_in, read_model
from workers.offline.progress import OnWork, work_bar
from workers.offline.scoring.labelled import LabelledImages, read_labelled
from workers.offline.scoring.maps import ENSEMBLE, in_frame, report_card, score_all
from workers.offline.scoring.ranking import CURVE_RATES, LARGE, Evaluation, mean_rankings
from workers.offline.scoring.results import with_results
from workers.offline.settings import TrainerProcessSettings, TrainerSettings
from workers.runtime.host.terminal import text
from workers.runtime.host.whole_file import write_whole
from workers.runtime.lifecycle import StopSignal
from workers.runtime.moments import said


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to measure, and what to write beside the table."""

    model: Path  # a model's folder, or a folder of them
    data: Path  # a category's folder, or a dataset's root
    category: str | None = None
    resolution: Size | None = None  # None: the model's input size
    json_file: Path | None = None
    csv_file: Path | None = None
    maps: Path | None = None
    html: Path | None = None
    counterparts: bool = True


def evaluate(
    settings: TrainerProcessSettings, wanted: Wanted, console: Console, stop: StopSignal
) -> None:
    """Print and write the report cards."""
    data = categories_in(wanted.data, settings.trainer.layout)
    pairing = pair(data, models_in(wanted.model), wanted.category)
    for note in licence_notes(each.data for each in pairing.pairs):
        console.print(text(note))
    if pairing.without:
        console.print(text(("no model for", "yellow"), f" {', '.join(pairing.without)}"))
    evaluator, cards = _Evaluator(settings.trainer, wanted, console), list[Evaluation]()
    for each in pairing.pairs:
        with work_bar(console, stop) as on_work:
            cards.append(evaluator.measure(each, on_work))
        tell_evaluation(cards[-1], console)
    if len(cards) > 1:
        tell_categories(cards, console)
    if wanted.json_file:
        write_whole(wanted.json_file, json.dumps(figures(cards), indent=1) + "\n")
    if wanted.csv_file:
        write_csv(cards, wanted.csv_file)
    if wanted.html:
        console.print(text(f"Report: {write_index(wanted.html, cards, evaluator.when)}"))


def figures(cards: Sequence[Evaluation]) -> dict[str, Any]:
    """All figures as JSON types."""
    means = mean_rankings(card.members for card in cards)
    return {
        "large_region_px": LARGE,
        "curve_rates": [round(float(rate), 6) for rate in CURVE_RATES],
        "categories": {card.category: card.to_dict() for card in cards},
        "mean": {name: asdict(ranking) for name, ranking in means.items()},
    }


class _Evaluator:
    """Measures one category after the other; a unified model is loaded once."""

    def __init__(self, settings: TrainerSettings, wanted: Wanted, console: Console) -> None:
        self._settings, self._wanted, self._console = settings, wanted, console
        self._loaded: tuple[Path, Detector] | None = None
        self.when = said(datetime.now(UTC))

    def measure(self, each: Pair, on_work: OnWork) -> Evaluation:
        """Read, score, measure and write one category."""
        name, detector = each.data.name, self._detector(each.model)
        test = self._read(each, detector, on_work)
        scored = score_all(
            detector, test.images, each.category, partial(on_work, f"{name}: scoring")
        )
        card = report_card(detector.model, detector.engine, each.category, scored, test.truth)
        made, known = dict[int, Counterpart](), detector.model.calibrations.get(each.category)
        card = with_results(card, scored.image_scores[ENSEMBLE], test, known)
        card = replace(card, category=name, provisional=detector.model.provisional)
        maker = Counterparts(detector, each.category, test, scored)
        if self._wanted.counterparts and known and detector.explains:
            made = maker.all(partial(on_work, f"{name}: counterparts"))
            card = replace(card, counterparts=maker.quality(made))
        if self._wanted.maps:
            view = detector.model.view(each.category)
            placed = zip(scored.maps[ENSEMBLE], test.sizes, strict=True)
            full = (in_frame(score_map, view, size) for score_map, size in placed)
            save_maps(self._wanted.maps, name, test.files, full)
        if self._wanted.html:
            material = report_material(detector.model, each.category, test, scored)
            steps = maker.steps([index for index in choose(material.judged).every if index in made])
            drawn = replace(material, counterparts=made, steps=steps)
            write_category(self._wanted.html, card, drawn, self.when)
        return card

    def _read(self, each: Pair, detector: Detector, on_work: OnWork) -> LabelledImages:
        """The category's test images; says what was left out and what lacks a mask."""
        test = read_labelled(
            each.data.layout.labelled(each.data.folder),
            detector.model.view(each.category),
            self._wanted.resolution,
            on_corrupt=self._settings.on_corrupt,
            on_skip=lambda text: self._warn("left out", text),
            on_read=partial(on_work, f"{each.data.name}: reading"),
        )
        if self._wanted.maps:
            map_paths(self._wanted.maps, each.data.name, test.files)  # before hours of work
        note = missing_masks(test.files)
        if note:
            self._warn(f"{each.data.name}:", note)
        return test

    def _detector(self, folder: Path) -> Detector:
        if self._loaded is None or self._loaded[0] != folder:
            how = self._settings
            self._loaded = None  # frees the last one's memory first
            self._console.print("Loading the model ...")
            model = read_model(folder)
            self._loaded = (folder, make_detector(model, how))
        return self._loaded[1]

    def _warn(self, what: str, words: str) -> None:
        self._console.print(text((what, "yellow"), f" {words}"))
