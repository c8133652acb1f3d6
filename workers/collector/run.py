"""Connects the collector to a broker and tells how far it is."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from workers.collector.collect import Collector, Counts, OnProgress, Stop, collect
from workers.collector.folder import TrainingFolder
from workers.collector.outcomes import Waiting
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
            collect(frames, outcomes, collector, follow=how.follow, stop=stop, show=show)
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
