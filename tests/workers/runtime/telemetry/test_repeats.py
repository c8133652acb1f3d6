"""Repeated lines are counted instead of shown, and the count is told."""

import json
import logging

import pytest
import structlog

from workers.runtime.settings.process import LogSettings
from workers.runtime.telemetry.logs import setup_logging
from workers.runtime.telemetry.repeats import Repeats


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def _restore() -> object:
    root = logging.getLogger()
    kept = (list(root.handlers), root.level)
    yield
    root.handlers, root.level = kept


def lines(capfd: pytest.CaptureFixture[str]) -> list[dict]:
    return [json.loads(line) for line in capfd.readouterr().err.splitlines()]


def test_the_first_of_a_minute_are_shown_and_the_next_minute_says_how_many_were_not() -> None:
    clock = Clock()
    repeats = Repeats(2, clock)
    assert [repeats.see("a", "x") for _ in range(5)] == [0, 0, None, None, None]
    assert repeats.see("a", "y") == 0  # other words
    assert repeats.see("b", "x") == 0  # another module
    clock.now = 59.9
    assert repeats.see("a", "x") is None
    clock.now = 60.0
    assert [repeats.see("a", "x") for _ in range(3)] == [4, 0, None]


def test_what_was_not_told_is_told_at_the_end_once() -> None:
    repeats = Repeats(1, Clock())
    for _ in range(4):
        repeats.see("a", "x")
    repeats.see("a", "alone")
    assert repeats.rest() == {"x": 3}
    assert repeats.rest() == {}


def test_zero_shows_all() -> None:
    repeats = Repeats(0, Clock())
    assert [repeats.see("a", "x") for _ in range(1000)] == [0] * 1000


def test_words_that_never_repeat_do_not_fill_the_memory() -> None:
    repeats = Repeats(1, Clock())
    for number in range(5000):
        assert repeats.see("a", f"value {number}") == 0
    assert len(repeats._windows) <= 500


def test_in_a_log(capfd: pytest.CaptureFixture[str]) -> None:
    tell = setup_logging(LogSettings(format="json", repeats=2), "worker")
    for number in range(5):
        structlog.get_logger("workers.a").warning("noise", number=number)
        logging.getLogger("library").warning("noise %d", number)
    tell()
    shown = lines(capfd)
    assert [line["number"] for line in shown if line["event"] == "noise"] == [0, 1]
    foreign = [line["event"] for line in shown if line["logger"] == "library"]
    assert foreign == ["noise 0", "noise 1"]
    assert shown[-1]["event"] == "repeated lines were left out"
    assert (shown[-1]["noise"], shown[-1]["noise %d"]) == (3, 3)
