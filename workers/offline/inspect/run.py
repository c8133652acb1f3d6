"""What `inspect` does once its flags are read."""

from pathlib import Path

from rich.console import Console

from stream_inspector.errors import DataError
from workers.offline.detector import make_detector
from workers.offline.images.views import find_category
from workers.offline.inspect.files import Inspected, find_images, inspect_files, pictures
from workers.offline.inspect.names import result_names
from workers.offline.inspect.table import add_inspection, inspections
from workers.offline.inspect.view_pictures import planned_view, write_view_pictures
from workers.offline.model_folder import read_model
from workers.offline.presets import find_preset
from workers.offline.progress import work_bar
from workers.offline.settings import TrainerProcessSettings
from workers.runtime.errors import SettingsError
from workers.runtime.host.terminal import Terminal, text
from workers.runtime.host.whole_file import write_whole
from workers.runtime.lifecycle import StopSignal
from workers.runtime.listing import Form


def inspect(
    settings: TrainerProcessSettings,
    folder: Path | None,
    sources: list[Path],
    out: Path | None,
    *,
    category: str | None,
    explain: bool,
    console: Console,
    stop: StopSignal,
    form: Form = Form.TABLE,
) -> None:
    """Inspect files; pictures go to `out` as <file>-<picture>.png."""
    if folder is None:
        raise SettingsError("--model: give the folder that `train` wrote")
    aside = Terminal(stderr=True)  # so that the list alone is on standard output
    paths, bad = find_images(sources), list[str]()
    if out:
        make_folder(out)
    aside.print("Loading the model ...")
    detector = make_detector(read_model(folder), settings.trainer)
    if detector.model.provisional:
        aside.print(text(("a provisional model", "yellow"), ", of few images and no network"))
    name = detector.model.category(category)
    names = dict(zip(paths, result_names(paths), strict=True))
    listing = inspections(console, form)
    with work_bar(aside, stop) as on_work:
        results = inspect_files(
            detector,
            paths,
            name,
            explain=explain and detector.explains,
            on_bad=lambda error: bad.append(str(error)),
        )
        for done, result in enumerate(results, 1):
            add_inspection(listing, result)
            on_work("inspecting", done + len(bad), len(paths))
            if out:
                _write(result, out, names[result.path])
    listing.close()
    if out and form is Form.TABLE:
        console.print(text(f"Pictures are in {out}"))
    _say_bad(bad, len(paths), settings.trainer.on_corrupt, aside)


def _say_bad(bad: list[str], of: int, on_corrupt: str, console: Console) -> None:
    """Name what could not be inspected; raises DataError unless that was to be skipped."""
    for each in bad:
        console.print(text(("left out", "yellow"), f" {each}"))
    if bad and on_corrupt == "fail":
        rest = ", the others were; with --on-corrupt skip that is no failure"
        raise DataError(
            f"{len(bad)} of {of} files could not be inspected{rest if len(bad) < of else ''}"
        )


def make_folder(out: Path) -> None:
    """The folder for the pictures, before there is anything to write. Raises DataError."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise DataError(f"--out: {out} is a file, and no folder") from None
    except OSError as error:
        raise DataError(f"--out: {out} cannot be made: {error.strerror}") from None


def _write(result: Inspected, out: Path, name: str) -> None:
    for picture, png in pictures(result).items():
        write_whole(out / f"{name}-{picture}.png", png)


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
    make_folder(out)
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
