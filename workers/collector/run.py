"""Connects the collector to a broker and tells how far it is."""

import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, nullcontext

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from workers.collector.collect import Collector, Counts, OnProgress, Stop, collect
from workers.collector.folder import TrainingFolder
from workers.collector.outcomes import Waiting
from workers.collector.reviewed import JudgedPictures, collect_reviewed, lines_of
from workers.collector.selection import Selection
from workers.collector.settings import CollectorProcessSettings, CollectSettings
from workers.runtime.bus.ports import Reader
from workers.runtime.decoders.pool import Decoders
from workers.runtime.errors import SettingsError
from workers.runtime.host.terminal import text

_LINE_EVERY_S = 5.0  # without a terminal


def run_collect(
    settings: CollectorProcessSettings,
    selection: Selection,
    read: Callable[[str], Reader],
    stop: Stop,
    console: Console,
) -> None:
    """Collect, and say what was found. `read` opens a topic. Raises WorkerError."""
    how, topics = settings.collect, settings.topics
    if how.verdict == "reviewed":
        _run_reviewed(settings, selection, read, stop, console)
        return
    frames = read(topics.frames)
    outcomes = None if how.verdict == "any" else read(topics.outcomes)
    decoders = Decoders(1, settings.images.rules(settings.kafka.max_frame_bytes))
    try:
        _require(frames, topics.frames, "topics.frames")
        if outcomes is not None:
            _require(outcomes, topics.outcomes, "topics.outcomes")
        folder = TrainingFolder(how.out, decoders.decode)
        waiting = Waiting(
            outcomes=how.outcomes,
            frame_bytes=how.hold_mb * 2**20,
            wait_s=how.wait_s,
            clock=time.monotonic,
        )
        collector = Collector(selection, folder, how.verdict, how.limit, waiting)
        with _progress(console) as show:
            collect(
                *(frames, outcomes, collector),
                follow=how.follow,
                stop=stop,
                show=show,
                on_end=Absent(selection, folder, console, follow=how.follow),
            )
        _say(how, selection, folder, collector.counts, console)
        for line in collector.passed.lines():
            console.print(text((line, "yellow")))
        if waiting.forgotten:
            said = (
                f"{waiting.forgotten} outcomes were more than collect.outcomes holds "
                f"({how.outcomes}): narrow it with --since, --camera, --category or --share"
            )
            console.print(text((said, "yellow")))
    finally:
        decoders.close()
        frames.close()
        if outcomes is not None:
            outcomes.close()


def _run_reviewed(
    settings: CollectorProcessSettings,
    selection: Selection,
    read: Callable[[str], Reader],
    stop: Stop,
    console: Console,
) -> None:
    """Pictures of what people judged, and what became of them. Raises WorkerError."""
    how, topics = settings.collect, settings.topics
    if how.follow:
        raise SettingsError("collect.follow: reviews come after their frames; run it once a day")
    decoders = Decoders(1, settings.images.rules(settings.kafka.max_frame_bytes))
    with closing(decoders), closing(read(topics.frames)) as frames:
        _require(frames, topics.frames, "topics.frames")
        with closing(read(topics.reviews)) as reviews, _progress(console) as show:
            _require(reviews, topics.reviews, "topics.reviews")
            pictures = JudgedPictures(how.out, decoders.decode)
            counts, passed = collect_reviewed(
                frames, reviews, selection, pictures, stop=stop, show=show
            )
    for line in (*lines_of(counts, how.out), *passed.lines()):
        console.print(text(line), soft_wrap=True)


class Absent:
    """Says once what the topic has, when it has nothing of what was asked for."""

    def __init__(
        self, selection: Selection, folder: TrainingFolder, console: Console, *, follow: bool
    ):
        self._selection, self._folder, self._console = selection, folder, console
        self._follow, self._said = follow, False

    def __call__(self, counts: Counts) -> None:
        """All frames so far have been read."""
        missing = self._missing(counts)
        if self._said or not missing:
            return
        self._said = True
        waiting = "; waiting for some" if self._follow else ""
        said = f"no frames of {missing} so far; there are frames of: {_there(counts)}{waiting}"
        self._console.print(text((said, "yellow")), soft_wrap=True)

    def _missing(self, counts: Counts) -> str:
        """Categories of which nothing was ever taken; cameras, when nothing at all was."""
        wanted = sorted(self._selection.categories)
        none = [each for each in wanted if not (counts.good[each] or self._folder.count(each))]
        cameras = ", ".join(sorted(self._selection.cameras))
        if cameras and not (counts.good or counts.apart or counts.left_out):
            return f"{', '.join(none)} by {cameras}" if none else f"the cameras {cameras}"
        return ", ".join(none)


def _there(counts: Counts) -> str:
    found = (
        f"{category} by {camera} ({count})"
        for (category, camera), count in counts.others.most_common()
    )
    return ", ".join(found) or "nothing else"


def _require(reader: Reader, topic: str, setting: str) -> None:
    if not reader.partitions:
        raise SettingsError(f"{setting}: the broker has no topic {topic!r}")


def _say(
    how: CollectSettings,
    selection: Selection,
    folder: TrainingFolder,
    counts: Counts,
    console: Console,
) -> None:
    console.print(text(f"{counts.read} records read"))
    for category in sorted(selection.categories | counts.good.keys()):
        place = how.out / category / "train" / "good"
        taken = f"{counts.good[category]} images taken, {folder.count(category)} in all"
        console.print(text(f"{category}: {taken} in {place}"), soft_wrap=True)
    for lead, found in (("apart", counts.apart), ("left out", counts.left_out)):
        if found:
            parts = ", ".join(f"{count} {reason}" for reason, count in found.most_common())
            console.print(text(f"{lead}: {parts}"))
    if counts.good and how.verdict == "any":
        console.print("Look through them and remove what is defective before you train.")


@contextmanager
def _progress(console: Console) -> Iterator[OnProgress]:
    columns = (
        TextColumn("{task.description}", markup=False),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        BarColumn(bar_width=None),
    )
    with (
        Progress(*columns, console=console, expand=True)
        if console.is_terminal
        else nullcontext() as bar
    ):
        task = bar.add_task("frames", total=None) if bar else None
        told = time.monotonic()

        def show(counts: Counts, left: int) -> None:
            nonlocal told
            taken = f"{sum(counts.good.values())} images taken"
            if bar is not None and task is not None:
                total = counts.read + left
                bar.update(task, description=taken, completed=counts.read, total=total)
            elif time.monotonic() - told >= _LINE_EVERY_S:
                told = time.monotonic()
                console.print(text(f"  {taken}, {counts.read} records read, {left} left"))

        yield show
