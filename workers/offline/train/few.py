"""`train` with a handful of images, and `train --more`: what a model knows joins what is new."""

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console

from stream_inspector.engine.eight_bits import knows_eight_bits, with_eight_bits
from stream_inspector.errors import DataError
from stream_inspector.image.view.canvas import View
from stream_inspector.model.assembly import of_category
from stream_inspector.model.version import Model, Scalar
from stream_inspector.presets import FEW_IMAGES, at_size
from stream_inspector.threshold.calibrate import FEWEST_IMAGES
from stream_inspector.training.cross_fit import FoldScores
from stream_inspector.training.few import MOST, fit_few, kept_images, source_digest
from stream_inspector.training.fit import Good, calibrate_cross_fitted, refit
from stream_inspector.training.progress import OnProgress
from stream_inspector.verdict import Image
from workers.offline.fit import FEWEST, SEEN, learnt_from, short_digests, source_key
from workers.offline.images.datasets import GoodFiles, all_good, good_files
from workers.offline.images.reader import check_good, read_by_path
from workers.offline.images.views import find_category, folder_view
from workers.offline.model_folder import read_model, write_model
from workers.offline.noted import noted
from workers.offline.progress import training_bar
from workers.offline.promises import say_promises
from workers.offline.settings import BudgetSettings, TrainerProcessSettings, TrainerSettings
from workers.offline.train.sources import Source
from workers.runtime.categories import view_key
from workers.runtime.datasets.reviewed import reviews_of
from workers.runtime.errors import SettingsError
from workers.runtime.host.terminal import text
from workers.runtime.lifecycle import StopSignal


@dataclass(frozen=True, slots=True)
class Terms:
    """How a model is made, and the false alarms that are accepted."""

    how: TrainerSettings
    accepted: BudgetSettings
    show: OnProgress


@dataclass(frozen=True, slots=True)
class Growth:
    """A model's folder, and where further good images are."""

    model: Path
    more: Path
    data: Path | None = None  # what it was trained on: needed unless it keeps its images


def growing(more: Path, source: Source, out: Path | None) -> Growth:
    """What `--more` means beside the other flags. Raises SettingsError."""
    if source.unified or source.synthetic or len(source.data) > 1:
        raise SettingsError("--more: adds to a model of one category, with one --data at most")
    if out is None and not source.categories:
        raise SettingsError("--more: give the model's folder as --out")
    folder = out or Path("runs") / source.categories[0]
    return Growth(folder, more, next(iter(source.data), None))


def train_few(
    settings: TrainerProcessSettings,
    few: tuple[str, Path],
    out: Path,
    console: Console,
    stop: StopSignal,
    *,
    stated: Collection[str] = (),
) -> None:
    """A provisional model of a category and its folder. Raises TooFewImages below five images."""
    how, start = settings.trainer, time.monotonic()
    known, folder = find_category(few[0], settings.categories), few[1]
    preset = replace(FEW_IMAGES, normalisation=how.normalisation)
    view = folder_view(known, preset, folder, how.layout)
    kept, source = _read(folder, view, how, console, least=FEWEST_IMAGES, most=MOST)
    accepted = settings.budget.of_category(known, stated)
    with training_bar(console, stop) as show:
        model = _few(kept, known.name, view, Terms(how, accepted, show))
    about = {
        source_key(known.name): source,
        view_key(known.name): known.fingerprint,
    }
    if how.eight_bits:
        model = with_eight_bits(model, known.name, list(kept.values()))
    _write(_about(model, about, known.name, kept), out, console, start)


def grow(
    settings: TrainerProcessSettings,
    growth: Growth,
    console: Console,
    stop: StopSignal,
    *,
    stated: Collection[str] = (),
) -> None:
    """The model with further good images: statistics, memories and thresholds; networks stay."""
    how, start = settings.trainer, time.monotonic()
    model = read_model(growth.model)
    name = model.category()
    known = find_category(name, settings.categories)
    accepted = settings.budget.of_category(known, stated)
    if accepted.strict:
        raise SettingsError("--more sets thresholds from all images, cross-fitted: not --strict")
    new, _ = _read(growth.more, model.view(name), how, console, least=1)
    with training_bar(console, stop) as show:
        terms = Terms(how, accepted, show)
        if model.provisional:
            made, added = _grown_few(model, new, terms)
        else:
            made, added = _grown(model, new, growth, terms, console)
    if how.eight_bits or knows_eight_bits(model, name):
        made = with_eight_bits(made, name, list(new.values()))
    lineage: dict[str, Scalar] = {
        "parent": model.version,
        "added_images": added,
        "grown": int(model.provenance.get("grown") or 0) + 1,
        view_key(name): model.provenance.get(view_key(name)),
    }
    grown = replace(made, provenance={**made.provenance, **lineage})
    reviews = reviews_of(all_good(growth.more, how.layout))
    if reviews:
        grown = learnt_from(grown, name, reviews)
        console.print(text(f"{len(reviews)} of the pictures are there because of reviews"))
    console.print(text(f"{added} images join those of {model.version}"))
    _write(grown, growth.model, console, start)


def _few(
    kept: Mapping[str, Image],
    category: str,
    view: View,
    terms: Terms,
) -> Model:
    how = terms.how
    check_good(list(kept.values()), category)
    return fit_few(
        kept,
        category,
        at_size(replace(FEW_IMAGES, normalisation=how.normalisation), view.tile),
        view,
        seed=how.seed,
        budget=terms.accepted.as_budget(),
        on_progress=terms.show,
    )


def _grown_few(
    model: Model,
    new: Mapping[str, Image],
    terms: Terms,
) -> tuple[Model, int]:
    name = model.category()
    before = kept_images(model, name)
    kept = {**before, **new}
    _check_added(len(kept) - len(before), len(new))
    if len(kept) > MOST:
        raise DataError(
            f"{len(before)} images and {len(kept) - len(before)} more: a provisional model keeps "
            f"{MOST} at most. They are enough for a whole training: put all of them into one "
            "folder and give that as --data"
        )
    made = _few(kept, name, model.view(name), terms)
    about = {source_key(name): source_digest(list(kept))}
    return _about(made, about, name, kept), len(kept) - len(before)


def _grown(
    model: Model,
    new: Mapping[str, Image],
    growth: Growth,
    terms: Terms,
    console: Console,
) -> tuple[Model, int]:
    """Networks and the whitening that they are bound to stay; all else is fitted to all images."""
    name = model.category()
    view = model.view(name)
    files = _own_files(model, growth, terms.how, console)
    train, held = (
        read_by_path(paths, view) for paths in (files.train, [*files.select, *files.calibrate])
    )
    known = set(files.digests.values())
    further = [image for digest, image in new.items() if digest not in known]
    _check_added(len(further), len(new))
    good = Good(list(train.values()), list(held.values()), view, further)
    found = list[tuple[Good, FoldScores]]()

    def keep(_: str, used: Good, scores: FoldScores) -> None:
        found.append((used, scores))

    made = refit(model, {name: good}, terms.how.device, terms.show, keep)
    (used, scores), budget = found[0], terms.accepted.as_budget()
    made = calibrate_cross_fitted(made, used.everything, scores, budget, seen=len(used.train))
    every = [*known, *(digest for digest in new if digest not in known)]
    about = {source_key(name): source_digest(every)}
    return _about(made, about, name, every), len(further)


def _own_files(model: Model, growth: Growth, how: TrainerSettings, console: Console) -> GoodFiles:
    name = model.category()
    if growth.data is None:
        raise SettingsError(
            "--more: this model does not keep its images; give the folder that it was trained on "
            "as --data, too"
        )
    files = good_files(growth.data, layout=how.layout, on_unreadable=_leaves(how, console))
    if files.digest != model.provenance.get(source_key(name)):
        raise DataError(f"{growth.data}: is not, or no longer, what this model was trained on")
    return files


def _check_added(added: int, given: int) -> None:
    if not added:
        raise DataError(f"--more: the model knows all {given} of these images already")


def _read(
    folder: Path,
    view: View,
    how: TrainerSettings,
    console: Console,
    *,
    least: int,
    most: int | None = None,
) -> tuple[dict[str, Image], str]:
    """The different good images of a folder by their digests, and the folder's digest."""
    files = good_files(folder, least, how.layout, _leaves(how, console))
    chosen = sorted(files.digests, key=lambda path: files.digests[path])[:most]  # a fair shuffle
    if len(chosen) < len(files.digests):
        noted().say(
            f"{len(chosen)} of {len(files.digests)} good images were used, since a provisional "
            "model keeps no more; a whole training (without --preset few-images) uses all"
        )
    images = read_by_path(
        chosen,
        view,
        how.on_corrupt,
        lambda said: console.print(text(("left out", "yellow"), f" {said}")),
    )
    return {files.digests[path]: image for path, image in images.items()}, files.digest


def _leaves(how: TrainerSettings, console: Console) -> Callable[[DataError], None] | None:
    if how.on_corrupt == "fail":
        return None
    return lambda error: console.print(text(("left out", "yellow"), f" {error}"))


def _about(
    model: Model, about: Mapping[str, Scalar], category: str, digests: Collection[str]
) -> Model:
    """With where its images come from, so that `calibrate` knows them again."""
    seen = of_category(category, {SEEN: short_digests(digests)})
    told = {**model.provenance, **about}
    return replace(model, tensors={**model.tensors, **seen}, provenance=told)


def _write(model: Model, out: Path, console: Console, start: float) -> None:
    write_model(model, out)
    spent = f" in {out} ({time.monotonic() - start:.0f} s)"
    console.print(text("Model ", (model.version, "bold"), spent))
    if model.provisional:
        count = len(kept_images(model, model.category()))
        advice = (
            "they are enough for a whole training (`train --data` with all of them)"
            if count >= FEWEST
            else f"add more with `train --more FOLDER --out {out}`; from {FEWEST} on, train wholly"
        )
        console.print(text(("Provisional:", "yellow"), f" of {count} good images; {advice}"))
    say_promises(model, console)
