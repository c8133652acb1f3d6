import io

import pytest
from rich.console import Console

from stream_inspector.training.progress import Progress
from workers.offline.progress import training_bar
from workers.offline.run import Interrupted
from workers.runtime.lifecycle import StopSignal


def steps(console: Console, stop: StopSignal) -> None:
    with training_bar(console, stop) as on_step:
        for number in range(1, 101):
            on_step(Progress("pixels", number, 100, 0.5))


def test_without_a_terminal_each_quarter_is_a_line() -> None:
    out = io.StringIO()

    steps(Console(file=out), StopSignal())

    assert out.getvalue().split("\n")[1] == "  pixels 25/100 loss 0.500"
    assert len(out.getvalue().splitlines()) == 5


def test_a_terminal_shows_a_bar_with_loss() -> None:
    out = io.StringIO()

    steps(Console(file=out, force_terminal=True, width=100), StopSignal())

    assert "100/100" in out.getvalue()
    assert "loss 0.500" in out.getvalue()


def test_a_stop_ends_training_at_the_next_step() -> None:
    stop = StopSignal()
    stop.set()

    with pytest.raises(Interrupted, match="nothing was written"):
        steps(Console(quiet=True), stop)
