"""What `train`, `calibrate` and `inspect` do once their flags are read."""

import time
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from stream_inspector.detector import Detector
from stream_inspector.errors import DataError
from stream_inspector.model import Model
from stream_inspector.threshold.budget import Budget
from stream_inspector.training import calibrate as set_thresholds
from stream_inspector.verdict import Image
from stream_inspector.view.canvas import View
from workers.runtime.errors import SettingsError
from workers.runtime.lifecycle import StopSignal
from workers.trainer.datasets import good_files, images_in
from workers.trainer.images import read_images, refuse_masks
from workers.trainer.model_folder import read_model, write_model
from workers.trainer.offline import find_images, inspect_files, pictures
from workers.trainer.presets import find_preset
from workers.trainer.progress import training_bar
from workers.trainer.settings import BudgetSettings, TrainerProcessSettings, TrainerSettings
from workers.trainer.tables import inspection_table
from workers.trainer.train import GoodImages, load_good, synthetic_good, train_category


@dataclass(frozen=True, slots=True)
class Source:
    """Where good images come from: a folder, or the renderer."""

    data: Path | None
    synthetic: int
    category: str | None

    @property
    def name(self) -> str:
        """The category. Raises SettingsError when nothing tells it."""
        if self.category:
            return self.category
        if self.data is None:
            raise SettingsError("--category: give the name of the category")
        return self.data.resolve().name

    def read(self, view: View, settings: TrainerSettings, console: Console) -> GoodImages:
        """All good images as the view shows them."""
        if (self.data is None) == (not self.synthetic):
            raise SettingsError("give either --data FOLDER or --synthetic COUNT")
        if self.data is None:
            return synthetic_good(self.synthetic, settings.seed, view)
        return load_good(
            self.data,
            view,
            settings.on_corrupt,
            lambda text: _skip(text, console),
            settings.layout,
        )


def train(
    settings: TrainerProcessSettings,
    source: Source,
    out: Path | None,
    console: Console,
    stop: StopSignal,
) -> None:
    """Train, calibrate, write a model folder."""
    preset, category = find_preset(settings.trainer.preset), source.name
    folder = out or Path("runs") / category
    start = time.monotonic()
    good = source.read(View(preset.input_size), settings.trainer, console)
    console.print(
        f"{category}: {len(good)} good images: {len(good.train)} train, "
        f"{len(good.select)} select, {len(good.calibrate)} calibrate"
    )
    with training_bar(console, stop) as on_step:
        model = train_category(
            good,
            category,
            preset,
            seed=settings.trainer.seed,
            budget=as_budget(settings.budget),
            on_progress=on_step,
            iterations=settings.trainer.iterations,
        )
    write_model(model, folder)
    console.print(f"Model [bold]{model.version}[/] in {folder} ({time.monotonic() - start:.0f} s)")
    _say_promise(model, console)


def calibrate(
    settings: TrainerProcessSettings,
    folder: Path,
    data: Path | None,
    good: Path | None,
    out: Path,
    *,
    console: Console,
) -> None:
    """New thresholds for a model, from images that its training has not seen."""
    model = read_model(folder)
    images = _unseen(settings.trainer, model, data, good, console)
    renewed = set_thresholds(model, images, as_budget(settings.budget))
    write_model(renewed, out)
    console.print(f"Model [bold]{renewed.version}[/] in {out}, from {len(images)} good images")
    _say_promise(renewed, console)


def inspect(
    settings: TrainerProcessSettings,
    folder: Path,
    sources: list[Path],
    out: Path | None,
    *,
    explain: bool,
    console: Console,
) -> None:
    """Inspect files; pictures go to `out` as <file>-<picture>.png."""
    detector = make_detector(read_model(folder), settings.trainer)
    results = []
    for result in inspect_files(detector, find_images(sources), explain=explain):
        results.append(result)
        if out:
            out.mkdir(parents=True, exist_ok=True)
            for name, png in pictures(result).items():
                (out / f"{result.path.stem}-{name}.png").write_bytes(png)
    console.print(inspection_table(results))
    if out:
        console.print(f"Pictures are in {out}")


def as_budget(settings: BudgetSettings) -> Budget:
    """The core's budget."""
    return Budget(settings.image_false_reject, settings.pixel_false_positive, settings.confidence)


def make_detector(model: Model, settings: TrainerSettings) -> Detector:
    """A detector on the configured device."""
    return Detector(model, settings.device, settings.engine, settings.threads)


def _unseen(
    settings: TrainerSettings,
    model: Model,
    data: Path | None,
    good: Path | None,
    console: Console,
) -> list[Image]:
    view, images = model.view(), list[Image]()
    if data is None and good is None:
        raise SettingsError("give --data (the folder it was trained on), --good, or both")
    if data is not None:
        files = good_files(data, layout=settings.layout)
        if files.digest != model.provenance.get("source_digest"):
            raise DataError(
                f"{data}: is not, or no longer, what this model was trained on; put images that it "
                "has not seen into a folder of their own and give that as --good"
            )
        images += read_images(files.calibrate, view)
    if good is not None:
        further = read_images(
            images_in(good), view, settings.on_corrupt, lambda text: _skip(text, console)
        )
        refuse_masks(further, str(good))
        images += further
    return images


def _say_promise(model: Model, console: Console) -> None:
    for calibration in model.calibrations.values():
        console.print(calibration.promise)


def _skip(text: str, console: Console) -> None:
    console.print(f"[yellow]left out[/] {text}", highlight=False)
