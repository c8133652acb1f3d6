"""What `compare` does once its flags are read: every category, every method, then the means."""

import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from stream_inspector.image.view.canvas import View
from stream_inspector.model.version import Model
from stream_inspector.presets import Preset
from workers.offline.compare.budget import Effort, effort
from workers.offline.compare.library import require
from workers.offline.compare.methods import ALL, OURS, Images, Row, compare_methods, means
from workers.offline.compare.table import published, tell_comparison, write_csv
from workers.offline.detector import make_detector
from workers.offline.fit import GoodImages, fit_model, load_good
from workers.offline.images.datasets import CategoryFolder, categories_in, licence_notes
from workers.offline.images.pairing import pair
from workers.offline.images.views import find_category, folder_view
from workers.offline.model_folder import models_in, read_model
from workers.offline.presets import find_preset, trainers_preset
from workers.offline.pretrained import starting_weights
from workers.offline.progress import training_bar, work_bar
from workers.offline.scoring.labelled import read_labelled
from workers.offline.settings import TrainerProcessSettings
from workers.runtime.errors import SettingsError
from workers.runtime.host.terminal import text
from workers.runtime.host.whole_file import write_whole
from workers.runtime.lifecycle import StopSignal


@dataclass(frozen=True, slots=True)
class Comparison:
    """What to compare, and what to write beside the table."""

    data: Path  # a category's folder, or a dataset's root
    model: Path | None = None  # a model's folder, or a folder of them; None: train now
    methods: str | None = None  # comma-separated; None: all
    library: tuple[str, ...] = ()  # of anomalib's models, beside the methods
    minutes: str | None = None  # that each other method trains; ours: as long as ours took
    json_file: Path | None = None
    csv_file: Path | None = None


def compare(
    settings: TrainerProcessSettings, wanted: Comparison, console: Console, stop: StopSignal
) -> None:
    """Print one table, and write its figures."""
    methods = [*chosen(wanted.methods), *require(wanted.library)]
    given = effort(wanted.minutes, settings.trainer.iterations)
    categories = categories_in(wanted.data, settings.trainer.layout)
    models: dict[str, Path] = {}
    if wanted.model is not None:
        pairs = pair(categories, models_in(wanted.model)).pairs
        models = {each.data.name: each.model for each in pairs}
        categories = [each.data for each in pairs]
    for note in licence_notes(categories):
        console.print(text(note))
    comparer = _Comparer(settings, methods, given, console, stop)
    rows = [row for each in categories for row in comparer.rows(each, models.get(each.name))]
    average = means(rows) if len(categories) > 1 else []
    tell_comparison([*rows, *average], console)
    if wanted.csv_file:
        write_csv([*rows, *average], wanted.csv_file)
    if wanted.json_file:
        figures = {"rows": [*map(asdict, rows)], "mean": [*map(asdict, average)]}
        said = json.dumps(figures | _conditions(settings, methods), indent=1) + "\n"
        write_whole(wanted.json_file, said)


def chosen(methods: str | None) -> list[str]:
    """The methods that are named. Raises SettingsError for one that does not exist."""
    names = list(ALL) if methods is None else [name.strip() for name in methods.split(",")]
    unknown = [name for name in names if name not in ALL]
    if unknown:
        raise SettingsError(f"--methods: no {unknown[0]!r}; allowed: {', '.join(ALL)}")
    return names


class _Comparer:
    """Measures one category after the other."""

    def __init__(
        self,
        settings: TrainerProcessSettings,
        methods: list[str],
        given: Effort,
        console: Console,
        stop: StopSignal,
    ) -> None:
        self._settings, self._trainer = settings, settings.trainer
        self._methods, self._given = methods, given
        self._console, self._stop = console, stop

    def rows(self, data: CategoryFolder, folder: Path | None) -> list[Row]:
        """All methods on one category."""
        given = None if folder is None else read_model(folder)
        chosen = trainers_preset(find_preset(self._trainer.preset), self._trainer)
        preset = chosen if given is None else given.preset
        view = self._view(data, given, preset)
        on_corrupt = self._trainer.on_corrupt
        good = load_good(data.folder, view, on_corrupt, self._leave, layout=data.layout.name)
        start = time.perf_counter()
        model = given or self._train(good, data.name, preset)
        seconds = time.perf_counter() - start if given is None else None
        with work_bar(self._console, self._stop) as on_work:
            labelled = data.layout.labelled(data.folder)
            test = read_labelled(labelled, view, on_corrupt=on_corrupt, on_skip=self._leave)
            # what our detector learns from; the part that sets its thresholds changes no ranking
            images = Images(data.name, [*good.train, *good.select], test.images, test.truth)
            return list(
                compare_methods(
                    images,
                    make_detector(model, self._trainer),
                    seconds,
                    self._methods,
                    seed=self._trainer.seed,
                    given=self._given,
                    on_work=on_work,
                )
            )

    def _say(self, said: str) -> None:
        self._console.print(text(said))

    def _leave(self, said: str) -> None:
        self._console.print(text(("left out", "yellow"), f" {said}"))

    def _view(self, data: CategoryFolder, given: Model | None, preset: Preset) -> View:
        """The given model's own, or the one that the category's file asks for."""
        if given is None:
            category = find_category(data.name, self._settings.categories)
            return folder_view(category, preset, data.folder, data.layout.name)
        return given.view(data.name if data.name in given.categories else None)

    def _train(self, good: GoodImages, category: str, preset: Preset) -> Model:
        seed = self._trainer.seed
        # the others only need the frozen features that come with a model
        iterations = self._trainer.iterations if OURS in self._methods else 1
        preset, begin = starting_weights(preset, self._trainer, 1, self._say)
        with training_bar(self._console, self._stop) as on_progress:
            return fit_model(
                {category: good},
                preset,
                seed=seed,
                on_progress=on_progress,
                iterations=iterations,
                start=begin,
            ).model


def _conditions(settings: TrainerProcessSettings, methods: list[str]) -> dict[str, Any]:
    """What the figures hold for, and what others published, which was not measured here."""
    known = {name: published(name) for name in methods}
    return {
        "published": {name: each._asdict() for name, each in known.items() if each},
        "device": settings.trainer.device,
        "threads": torch.get_num_threads(),
        "seed": settings.trainer.seed,
    }
