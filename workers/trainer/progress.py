"""A progress bar for training: stage, loss and the time left. Ends training on Ctrl-C."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from stream_inspector.training import Progress as Step
from workers.runtime.lifecycle import StopSignal
from workers.trainer.run import Interrupted

OnStep = Callable[[Step], None]


@contextmanager
def training_bar(console: Console, stop: StopSignal) -> Iterator[OnStep]:
    """Yields the callback that `fit` reports to."""
    with _columns(console) as bar:
        tasks: dict[str, int] = {}

        def on_step(step: Step) -> None:
            if stop.is_set():
                raise Interrupted("training was interrupted; nothing was written")
            if step.stage not in tasks:
                tasks[step.stage] = bar.add_task(step.stage, total=step.total, loss="")
            loss = "" if step.loss is None else f"loss {step.loss:.3f}"
            bar.update(bar.task_ids[tasks[step.stage]], completed=step.step, loss=loss)

        yield on_step


def _columns(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description:<28}"),
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
        TextColumn("{task.fields[loss]:<12}"),
        TimeRemainingColumn(),
        console=console,
    )
