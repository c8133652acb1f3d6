"""A progress bar for training: stage, loss and the time left. Ends training on Ctrl-C."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)

from stream_inspector.training.progress import Progress as Step
from workers.offline.run import Interrupted
from workers.runtime.host.terminal import text
from workers.runtime.lifecycle import StopSignal

_LINE_EVERY_S = 30.0
_WORTH_SAYING_S = 5.0

OnStep = Callable[[Step], None]
OnWork = Callable[[str, int, int], None]  # stage, done, of how many


@contextmanager
def training_bar(console: Console, stop: StopSignal, remedy: str | None = None) -> Iterator[OnStep]:
    """Yields the callback that `fit` reports to; without a terminal it prints a line at times.

    `remedy` says how to go on after an interruption; None: nothing can.
    """
    with _columns(console) if console.is_terminal else nullcontext() as bar:
        show = _Bars(bar) if bar else _Lines(console)

        def on_step(step: Step) -> None:
            if stop.is_set():
                raise Interrupted(f"training was interrupted; {remedy or 'nothing was written'}")
            show(step)

        yield on_step


@contextmanager
def work_bar(console: Console, stop: StopSignal) -> Iterator[OnWork]:
    """Yields the callback of work that counts what it has done."""
    with _columns(console) if console.is_terminal else nullcontext() as bar:
        show = _Bars(bar) if bar else _Lines(console)

        def on_work(stage: str, done: int, total: int) -> None:
            if stop.is_set():
                raise Interrupted("interrupted; only what was said to be finished was written")
            show(Step(stage, done, total, None))

        yield on_work


class _Bars:
    """One bar for each stage."""

    def __init__(self, bar: Progress) -> None:
        self._bar, self._tasks = bar, dict[str, TaskID]()

    def __call__(self, step: Step) -> None:
        if step.stage not in self._tasks:
            self._tasks[step.stage] = self._bar.add_task(step.stage, total=step.total, loss="")
        self._bar.update(self._tasks[step.stage], completed=step.step, loss=_loss(step))


class _Lines:
    """A line at every quarter of a stage, and in a long one more often; with the time left."""

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        self._console, self._clock = console, clock
        self._told = set[tuple[str, int]]()
        self._began = dict[str, tuple[float, int]]()  # stage -> when, and how far it was then
        self._last = clock()

    def __call__(self, step: Step) -> None:
        now = self._clock()
        self._began.setdefault(step.stage, (now, step.step))
        quarter = (step.stage, 4 * step.step // max(1, step.total))
        if quarter not in self._told or now - self._last >= _LINE_EVERY_S:
            self._told.add(quarter)
            self._last = now
            done = f"  {step.stage} {step.step}/{step.total} {_loss(step)}".rstrip()
            self._console.print(text(done, self._left(step, now)))

    def _left(self, step: Step, now: float) -> str:
        began, first = self._began[step.stage]
        done = step.step - first
        seconds = (now - began) / done * (step.total - step.step) if done else 0.0
        return f", about {in_words(seconds)} left" if seconds >= _WORTH_SAYING_S else ""


def in_words(seconds: float) -> str:
    """A time span for people."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def _loss(step: Step) -> str:
    return "" if step.loss is None else f"loss {step.loss:.3f}"


def _columns(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description:<16}", markup=False),
        MofNCompleteColumn(),
        TimeRemainingColumn(elapsed_when_finished=True),
        TextColumn("{task.fields[loss]:<10}", markup=False),
        BarColumn(bar_width=None),  # what is left of the line
        console=console,
        expand=True,
    )
