"""What one process does: one category's experiments and figures, or the unified model's."""

import csv
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console

from stream_inspector.baselines.method import Fitted
from stream_inspector.detector import Detector
from stream_inspector.model.version import Model
from stream_inspector.training.fit import MAX_IMAGES, at_most
from workers.offline.compare.budget import effort
from workers.offline.compare.methods import Images, compare_methods
from workers.offline.detector import make_detector
from workers.offline.fit import GoodImages, load_good
from workers.offline.images.datasets import CategoryFolder
from workers.offline.model_folder import MANIFEST, read_model
from workers.offline.progress import OnWork, work_bar
from workers.offline.reproduce import drawing, pictures
from workers.offline.reproduce.experiments import read_as, readings, rows
from workers.offline.reproduce.plan import UNIFIED, Places, Wanted, plain
from workers.offline.scoring.labelled import LabelledImages, read_labelled
from workers.offline.scoring.maps import Scored, score_all
from workers.offline.settings import TrainerProcessSettings
from workers.offline.train import log as training_log
from workers.offline.train.run import train
from workers.offline.train.sources import Source
from workers.runtime.host.terminal import text
from workers.runtime.lifecycle import StopSignal

FIGURES = ("figure-4", "figure-6", "figure-7")
_STATED = frozenset({"trainer.preset"})  # a whole training, however few the images


class Job:
    """The experiments of one process."""

    def __init__(
        self,
        settings: TrainerProcessSettings,
        wanted: Wanted,
        categories: Sequence[CategoryFolder],
        console: Console,
        stop: StopSignal,
    ) -> None:
        self._settings, self._wanted, self._categories = settings, wanted, categories
        self._console, self._stop, self._places = console, stop, Places(wanted.out)

    def run(self, name: str) -> dict[str, Any]:
        """What it has measured, as JSON."""
        if name == UNIFIED:
            folders = tuple(each.folder for each in self._categories)
            model = self._trained(name, Source(folders, 0, (), unified=True))
            return {
                "categories": {each.name: self._unified(model, each) for each in self._categories}
            }
        (data,) = [each for each in self._categories if each.name == name]
        return self._category(data)

    def _trained(self, job: str, source: Source) -> Model:
        folder = self._places.model(job)
        if not (folder / MANIFEST).exists() or not read_model(folder).calibrations:
            train(self._settings, source, folder, self._console, self._stop, stated=_STATED)
        return read_model(folder)

    def _unified(self, model: Model, data: CategoryFolder) -> list[dict[str, Any]]:
        """The unified model's own reading of one category."""
        test = self._test(model, data, data.name)
        detector = make_detector(model, self._settings.trainer)
        with work_bar(self._console, self._stop) as on_work:
            scored = score_all(detector, test.images, data.name, partial(on_work, data.name))
        return list(rows(readings(model.preset)[0].name, scored, test.truth))

    def _category(self, data: CategoryFolder) -> dict[str, Any]:
        model = self._trained(data.name, Source((data.folder,), 0, (data.name,), unified=False))
        test, good = self._test(model, data, data.name), self._good(model, data)
        with work_bar(self._console, self._stop) as on_work:
            measured = list(self._readings(model, data.name, good, test, on_work))
            found = [row for _, _, each in measured for row in each]
            detector, scored, _ = measured[0]
            fitted: dict[str, Fitted] = {}
            others = self._others(data.name, good, test, detector, fitted=fitted, on_work=on_work)
            self._draw(
                pictures.Shown(
                    detector, data.name, test, scored, pictures.chosen(test, self._wanted.examples)
                ),
                fitted,
                on_work,
            )
        return {
            "rows": found,
            "others": others,
            "images": {"good": len(good), "test": len(test.images)},
        }

    def _readings(
        self, model: Model, name: str, good: GoodImages, test: LabelledImages, on_work: OnWork
    ) -> Iterator[tuple[Detector, Scored, list[dict[str, Any]]]]:
        """The preset's own reading first."""
        limited = at_most(good.as_good(held=False), MAX_IMAGES, self._settings.trainer.seed)
        for reading in readings(model.preset):
            told = partial(on_work, f"{name}: {reading.name}")
            other = read_as(model, reading, limited.held_out, self._settings.trainer.device)
            detector = make_detector(other, self._settings.trainer)
            scored = score_all(detector, test.images, name, told)
            yield detector, scored, list(rows(reading.name, scored, test.truth))

    def _others(
        self,
        name: str,
        good: GoodImages,
        test: LabelledImages,
        detector: Detector,
        *,
        fitted: dict[str, Fitted],
        on_work: OnWork,
    ) -> list[dict[str, Any]]:
        """The systems that the paper compares itself with, on the same images."""
        how = self._settings.trainer
        images = Images(name, [*good.train, *good.select], test.images, test.truth)
        measured = compare_methods(
            images,
            detector,
            _seconds(self._places.model(name)),
            self._wanted.methods,
            seed=how.seed,
            given=effort(self._wanted.minutes, how.iterations),
            on_work=on_work,
            on_fitted=fitted.__setitem__,
        )
        return [
            {
                "method": row.method,
                "iterations": row.iterations,
                "fit_seconds": row.fit_seconds,
                "ms_per_image": row.ms_per_image,
                **plain(row.ranking),
            }
            for row in measured
        ]

    def _draw(self, shown: pictures.Shown, fitted: dict[str, Fitted], on_work: OnWork) -> None:
        """Figures 4, 6 and 7 of the category; nothing without a defect that has a mask."""
        if not shown.chosen:
            return
        told = partial(on_work, f"{shown.category}: counterparts")
        drawn = (
            pictures.reconstructions(shown, fitted, told),
            pictures.localisation(shown),
            pictures.steps(shown),
        )
        for figure, panels in zip(FIGURES, drawn, strict=True):
            drawing.save(drawing.page(panels), self._places.figure(f"{figure}-{shown.category}"))

    def _good(self, model: Model, data: CategoryFolder) -> GoodImages:
        how = self._settings.trainer
        return load_good(
            data.folder, model.view(data.name), how.on_corrupt, self._leave, layout=data.layout.name
        )

    def _test(self, model: Model, data: CategoryFolder, name: str) -> LabelledImages:
        return read_labelled(
            data.layout.labelled(data.folder),
            model.view(name),
            on_corrupt=self._settings.trainer.on_corrupt,
            on_skip=self._leave,
        )

    def _leave(self, said: str) -> None:
        self._console.print(text(("left out", "yellow"), f" {said}"))


def _seconds(folder: Path) -> float | None:
    """How long the networks of a model trained, by its log."""
    if not (folder / training_log.FILE).exists():
        return None
    with (folder / training_log.FILE).open(newline="") as file:
        seconds = [float(row["seconds"]) for row in csv.DictReader(file)]
    return max(seconds, default=None)
