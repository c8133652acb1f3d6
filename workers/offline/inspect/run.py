"""What `inspect` does once its flags are read."""

from pathlib import Path

from rich.console import Console

from stream_inspector.errors import DataError
from workers.offline.detector import make_detector
from workers.offline.images.views import find_category
from workers.offline.inspect.files import find_images, inspect_files, pictures
from workers.offline.inspect.names import result_names
from workers.offline.inspect.table import inspection_table
from workers.offline.inspect.view_pictures import planned_view, write_view_pictures
from workers.offline.model_folder import read_model
from workers.offline.presets import find_preset
from workers.offline.settings import TrainerProcessSettings
from workers.runtime.errors import SettingsError
from workers.runtime.host.terminal import text


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
    results, name, bad = [], detector.model.category(category), list[str]()
    paths = find_images(sources)
    names = dict(zip(paths, result_names(paths), strict=True))
    found = inspect_files(
        detector, paths, name, explain=explain, on_bad=lambda error: bad.append(str(error))
    )
    for result in found:
        results.append(result)
        if out:
            out.mkdir(parents=True, exist_ok=True)
            for picture, png in pictures(result).items():
                (out / f"{names[result.path]}-{picture}.png").write_bytes(png)
    console.print(inspection_table(results))
    if out:
        console.print(text(f"Pictures are in {out}"))
    _say_bad(bad, len(paths), settings.trainer.on_corrupt, console)


def _say_bad(bad: list[str], of: int, on_corrupt: str, console: Console) -> None:
    """Name what could not be inspected; raises DataError unless that was to be skipped."""
    for each in bad:
        console.print(text(("left out", "yellow"), f" {each}"))
    if bad and on_corrupt == "fail":
        raise DataError(
            f"{len(bad)} of {of} files could not be inspected, the others were; with --on-corrupt "
            "skip that is no failure"
        )


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
    console.print(text(f"Pictures are in {out}"))
