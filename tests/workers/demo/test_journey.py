from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import pytest

from workers.demo.books.tally import Tally
from workers.demo.conclude import Ending
from workers.demo.journey import Patience, follow
from workers.runtime.lifecycle import StopSignal


@dataclass
class Books:
    """Plays the books of a run, one look after another; the last one stays."""

    looks: list[tuple[int, int]]  # frames sent, outcomes seen
    explained: int = 0
    defective: int = 0
    gave_up: str | None = None
    phases: list[str] = field(default_factory=list)

    def look(self) -> tuple[Tally, dict[str, object]]:
        sent, seen = self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]
        lost = tuple(f"f{number}" for number in range(seen, sent))
        outcomes = {f"f{number}": None for number in range(seen)}
        return Tally(sent, seen, self.defective, 0, 0, lost, 0, (), 0, outcomes), {}  # type: ignore[arg-type]

    @property
    def observer(self) -> SimpleNamespace:
        return SimpleNamespace(explanations=dict.fromkeys(range(self.explained)))

    def update(self, books: Tally, sent: object, observer: object, phase: str) -> None:
        self.phases.append(phase)


def watch(
    books: Books,
    *,
    sending: bool = False,
    inspecting: bool = True,
    explaining: bool = True,
    stall_s: float = 60,
) -> Tally:
    """Follow until the end; returns the last look."""
    children = SimpleNamespace(sending=sending, inspecting=inspecting, explaining=explaining)
    patience = Patience(stall_s, stall_s)
    stage = SimpleNamespace(children=children)
    books.gave_up = follow(stage, books, books, patience, StopSignal())
    return books.look()[0]


@pytest.mark.slow
def test_it_ends_when_every_frame_has_an_outcome(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workers.demo.journey._AFTERWARDS_S", 0.1)

    assert watch(Books([(3, 0), (3, 1), (3, 3)])).settled


@pytest.mark.slow
def test_it_waits_for_cameras_that_still_send() -> None:
    books = Books([(1, 1)])

    watch(books, sending=True, stall_s=1.0)

    assert set(books.phases) == {"sending"}  # only the stall ended it
    assert books.gave_up == (
        "cut short: nothing moved for 1 s (setting demo.stall_s) while cameras sent"
    )


@pytest.mark.slow
def test_it_gives_up_when_nothing_moves() -> None:
    assert watch(Books([(3, 1)]), stall_s=0.5).lost == ("f1", "f2")


@pytest.mark.slow
def test_pictures_that_never_come_are_told() -> None:
    books = Books([(3, 3)], explained=1, defective=3)

    watch(books, stall_s=0.5)

    assert books.gave_up is not None
    assert books.gave_up.startswith("2 defects have no pictures: no explanation came for 0.5 s")


def test_it_gives_up_when_no_worker_is_left() -> None:
    books = Books([(3, 1)])

    watch(books, inspecting=False)

    assert books.gave_up is None  # what ended tells itself
    assert len(books.phases) == 1


def ending(*, lost: int = 0, duplicated: int = 0, repeated: int = 0, **more: object) -> Ending:
    frames = {"lost": lost, "duplicated": duplicated, "repeated": repeated}
    values = {"failures": [], "interrupted": False, **more}
    return Ending(summary={"frames": frames}, report=Path("report.html"), **values)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("end", "code"),
    [
        (ending(), 0),
        (ending(repeated=3), 0),
        (ending(lost=1), 1),
        (ending(duplicated=1), 1),
        (ending(failures=["worker-1 ended with status 75"]), 1),
        (ending(interrupted=True, lost=2), 130),
    ],
)
def test_the_exit_status_says_whether_every_frame_got_one_outcome(end: Ending, code: int) -> None:
    assert end.exit_code == code
