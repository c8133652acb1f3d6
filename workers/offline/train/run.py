"""What `train` does once its flags are read: read, learn, set thresholds, write; all resumable."""

import os
import time
from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from stream_inspector import __version__
from stream_inspector.errors import CalibrationRefused, ShareDone
from stream_inspector.model.version import FORMAT, Model
from stream_inspector.presets import Preset
from stream_inspector.training.networks import Checkpoints, Execution
from stream_inspector.training.progress import Progress
from stream_inspector.training.start import Start
from workers.offline.fit import Fitted, GoodImages, fit_model, set_thresholds
from workers.offline.images.views import find_category
from workers.offline.model_folder import write_model
from workers.offline.presets import find_preset, trainers_preset
from workers.offline.pretrained import starting_weights
from workers.offline.progress import training_bar, work_bar
from workers.offline.promises import say_promises
from workers.offline.settings import BudgetSettings, TrainerProcessSettings, TrainerSettings
from workers.offline.train import checkpoint
from workers.offline.train import log as training_log
from workers.offline.train.checkpoint import CheckpointFile
from workers.offline.train.few import train_few
from workers.offline.train.log import TrainingLog
from workers.offline.train.sources import Source
from workers.offline.train.together import Together, joined
from workers.runtime.host.terminal import text
from workers.runtime.lifecycle import StopSignal


def train(
    settings: TrainerProcessSettings,
    source: Source,
    out: Path | None,
    console: Console,
    stop: StopSignal,
    *,
    stated: Collection[str] = (),
) -> None:
    """Train, set thresholds, write a model folder.

    What the command line states of the budget is `stated`: it wins over the categories' files.
    Of several processes, started by torchrun, only the first one says and writes anything.
    """
    with joined(settings.trainer, console, stop) as together, suppress(ShareDone):
        few = source.few(settings.trainer, settings.budget, stated)
        if few is None:
            _train(settings, source, out, together, stated=stated)
        elif together.first:
            train_few(settings, few, out or Path("runs") / few[0], console, stop, stated=stated)


def _train(
    settings: TrainerProcessSettings,
    source: Source,
    out: Path | None,
    together: Together,
    *,
    stated: Collection[str],
) -> None:
    how, start = together.how, time.monotonic()
    console, stop = together.console, together.stop
    preset = trainers_preset(find_preset(how.preset), how)

    def left_out(said: str) -> None:
        console.print(text(("left out", "yellow"), f" {said}"))

    console.print("Reading the good images ...")
    with work_bar(console, stop) as on_work:
        good = source.read(preset, how, settings.categories, left_out, on_work)
    for name, images in good.items():
        parts = (
            f"{len(images.train)} train, {len(images.select)} select, "
            f"{len(images.calibrate)} calibrate"
        )
        console.print(text(f"{name}: {len(images)} good images: {parts}"))
    preset, begin = starting_weights(preset, how, len(good), lambda said: console.print(text(said)))
    folder = out or Path("runs") / ("unified" if source.unified else next(iter(good)))
    file = CheckpointFile(folder / checkpoint.FILE, identity(good, preset, how, begin))
    known = {name: find_category(name, settings.categories) for name in good}
    accepted = {n: settings.budget.of_category(known[n], stated) for n in good}
    strict = [name for name, each in accepted.items() if each.strict]
    fitted = _fitted(good, preset, file, strict, begin=begin, together=together)
    del begin  # gigabytes
    write_model(fitted.model, folder)
    file.remove()
    console.print("Setting the thresholds ...")
    model = _calibrated(fitted, good, accepted, how, folder)
    write_model(model, folder)
    spent = f" in {folder} ({time.monotonic() - start:.0f} s)"
    console.print(text("Model ", (model.version, "bold"), spent))
    say_promises(model, console)


def identity(
    good: dict[str, GoodImages],
    preset: Preset,
    settings: TrainerSettings,
    start: Start | None = None,
) -> dict[str, Any]:
    """What must be equal for a training to go on from a checkpoint."""
    return {
        "code": __version__,
        "format": FORMAT,
        "images": {name: images.digest for name, images in good.items()},
        "iterations": settings.iterations,
        "preset": preset.name,
        "preset's columns": preset.to_dict(),
        "seed": settings.seed,
        "views": {name: images.view.to_dict() for name, images in good.items()},
        **(start or Start()).origin,
    }


def _fitted(
    good: dict[str, GoodImages],
    preset: Preset,
    file: CheckpointFile,
    strict: Collection[str],
    *,
    begin: Start,
    together: Together,
) -> Fitted:
    """The networks and statistics, from the last checkpoint on when there is one."""
    how, console = together.how, together.console
    last = file.load()
    if last:
        console.print(text(f"going on from {file.path}"))
    if how.threads is not None:
        torch.set_num_threads(how.threads)
    keeps = how.checkpoint_every > 0
    ends = "the same command goes on from here" if keeps else None
    written = file.path.with_name(training_log.FILE) if together.first else Path(os.devnull)
    with (
        training_bar(console, together.stop, ends) as show,
        TrainingLog(written, last if together.first else {}) as log,
    ):

        def on_progress(progress: Progress) -> None:
            log.add(progress)
            show(progress)

        return fit_model(
            good,
            preset,
            seed=how.seed,
            on_progress=on_progress,
            iterations=how.iterations,
            checkpoints=Checkpoints(how.checkpoint_every if together.first else 0, file.save, last),
            execution=Execution(how.device, how.precision, how.recompute, together.peers),
            strict=strict,
            start=begin,
        )


def _calibrated(
    fitted: Fitted,
    good: dict[str, GoodImages],
    accepted: Mapping[str, BudgetSettings],
    how: TrainerSettings,
    folder: Path,
) -> Model:
    budgets = {name: each.as_budget() for name, each in accepted.items()}
    strict = [name for name, each in accepted.items() if each.strict]
    try:
        return set_thresholds(fitted, good, budgets, how.device, strict, eight_bits=how.eight_bits)
    except CalibrationRefused as error:
        raise CalibrationRefused(
            f"{error}; the trained model is in {folder}: "
            f"`stream-inspector calibrate --model {folder} --good FOLDER` sets its thresholds"
        ) from error
