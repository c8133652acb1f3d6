"""What `calibrate` and `inspect` do once their flags are read."""

from pathlib import Path

from rich.console import Console

from stream_inspector.detector import Detector
from stream_inspector.errors import DataError
from stream_inspector.model import Model
from stream_inspector.training import calibrate as set_thresholds
from stream_inspector.verdict import Image
from workers.runtime.engine_cache import EngineCache
from workers.runtime.errors import SettingsError
from workers.trainer.alpha import with_tuned_alpha
from workers.trainer.datasets import good_files, images_in
from workers.trainer.images import read_images, refuse_masks
from workers.trainer.model_folder import read_model, write_model
from workers.trainer.offline import find_images, inspect_files, pictures
from workers.trainer.presets import find_preset
from workers.trainer.settings import TrainerProcessSettings, TrainerSettings
from workers.trainer.tables import inspection_table
from workers.trainer.train import source_key
from workers.trainer.training import say_promises
from workers.trainer.view_pictures import planned_view, write_view_pictures
from workers.trainer.views import find_category


def calibrate(
    settings: TrainerProcessSettings,
    folder: Path,
    data: Path | None,
    good: Path | None,
    out: Path,
    *,
    category: str | None,
    labelled: Path | None = None,
    console: Console,
) -> None:
    """New thresholds for a model's category, from images that its training has not seen.

    With a folder of `labelled` images alpha is tuned first.
    """
    model = read_model(folder)
    name = model.category(category)
    images = _unseen(settings.trainer, model, name, data=data, good=good, console=console)
    if labelled is not None:
        model = with_tuned_alpha(model, labelled, settings.trainer, console)
    detector = Detector(model, settings.trainer.device, engine="torch")
    renewed = set_thresholds(model, images, settings.budget.as_budget(), detector, name)
    write_model(renewed, out)
    console.print(f"Model [bold]{renewed.version}[/] in {out}, from {len(images)} good images")
    say_promises(renewed, console)


def inspect(
    settings: TrainerProcessSettings,
    folder: Path | None,
    sources: list[Path],
    out: Path | None,
    *,
    category: str | None,
    explain: bool,
    console: Console,
) -> None:
    """Inspect files; pictures go to `out` as <file>-<picture>.png."""
    if folder is None:
        raise SettingsError("--model: give the folder that `train` wrote")
    detector = make_detector(read_model(folder), settings.trainer)
    results, name = [], detector.model.category(category)
    for result in inspect_files(detector, find_images(sources), name, explain=explain):
        results.append(result)
        if out:
            out.mkdir(parents=True, exist_ok=True)
            for name, png in pictures(result).items():
                (out / f"{result.path.stem}-{name}.png").write_bytes(png)
    console.print(inspection_table(results))
    if out:
        console.print(f"Pictures are in {out}")


def show_view(
    settings: TrainerProcessSettings,
    folder: Path | None,
    sources: list[Path],
    out: Path | None,
    *,
    category: str | None,
    console: Console,
) -> None:
    """Draw what a model sees of files, or would see if it were trained now."""
    if out is None:
        raise SettingsError("--show-view: give --out, the folder for the pictures")
    if folder is not None:
        view = read_model(folder).view(category)
        write_view_pictures(find_images(sources), lambda _: view, out)
    elif category is not None:
        preset = find_preset(settings.trainer.preset)
        configured = find_category(category, settings.categories)
        write_view_pictures(find_images(sources), planned_view(configured, preset), out)
    else:
        raise SettingsError("--show-view: give --model, or --category with --categories")
    console.print(f"Pictures are in {out}")


def make_detector(model: Model, settings: TrainerSettings) -> Detector:
    """A detector on the configured device."""
    return Detector(
        model,
        settings.device,
        settings.engine,
        settings.threads,
        cache=EngineCache(settings.engine_cache),
    )


def _unseen(
    settings: TrainerSettings,
    model: Model,
    category: str,
    *,
    data: Path | None,
    good: Path | None,
    console: Console,
) -> list[Image]:
    view, images = model.view(category), list[Image]()
    if data is None and good is None:
        raise SettingsError("give --data (the folder it was trained on), --good, or both")
    if data is not None:
        files = good_files(data, layout=settings.layout)
        if files.digest != model.provenance.get(source_key(category)):
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


def _skip(text: str, console: Console) -> None:
    console.print(f"[yellow]left out[/] {text}", highlight=False)
