import io
import re
import time

import pytest
from rich.console import Console

from stream_inspector.training.progress import Progress
from workers.offline.progress import _Lines, in_words, training_bar
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


@pytest.mark.slow
def test_eighty_columns_show_the_time_left() -> None:
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=80, color_system=None)
    with training_bar(console, StopSignal()) as on_step:
        for number in range(1, 50):
            on_step(Progress("normalisation", number, 12000, 0.5))
            time.sleep(0.01)
    shown = [line for line in out.getvalue().replace("\r", "\n").split("\n") if "/12000" in line]
    assert re.search(r"\d+/12000 \d:\d\d:\d\d|\d+/12000 -:--:--", shown[-1]), shown[-1]
    assert "loss 0.500" in shown[-1]


def test_lines_of_long_work_say_the_time_left_and_come_at_least_twice_a_minute() -> None:
    out, now = io.StringIO(), 0.0
    lines = _Lines(Console(file=out), lambda: now)
    for number in range(1, 61):
        lines(Progress("pixels", number, 1000, 0.5))
        now += 2.0
    told = out.getvalue().splitlines()
    assert len(told) == 4  # after 0, 30, 60 and 90 s
    assert told[0] == "  pixels 1/1000 loss 0.500"
    assert told[1] == "  pixels 16/1000 loss 0.500, about 33 min left"
    assert [in_words(each) for each in (7.4, 600, 7200)] == ["7 s", "10 min", "2.0 h"]
