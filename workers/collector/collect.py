"""The collector's loop: read frames, learn their outcomes if that is wanted, fill the folder."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Protocol

from schemas.frame import Frame, decode_frame
from schemas.outcome import Outcome, Verdict
from stream_inspector.errors import Damaged, FrameRejected, TooSlow
from workers.collector.folder import TrainingFolder
from workers.collector.outcomes import Waiting
from workers.collector.selection import Selection
from workers.collector.settings import Sort
from workers.runtime.bus.passed_over import PassedOver
from workers.runtime.bus.ports import Gap, Reader, Record
from workers.runtime.names import check_name

_POLL_S = 0.2
_OTHERS = 50  # categories and cameras that are remembered
_GLANCE_S = 0.02  # at the outcomes, between two polls of frames


class Stop(Protocol):
    """Tells when to end."""

    def is_set(self) -> bool:
        """Whether to end now."""


@dataclass(slots=True)
class Counts:
    """What became of the frames that were read."""

    read: int = 0
    good: Counter[str] = field(default_factory=Counter)  # by category
    apart: Counter[str] = field(default_factory=Counter)  # by outcome
    left_out: Counter[str] = field(default_factory=Counter)  # by reason
    others: Counter[tuple[str, str]] = field(default_factory=Counter)  # not meant: category, camera


OnProgress = Callable[[Counts, int], None]  # so far, and about so many records left


class Collector:
    """Decides about each frame."""

    def __init__(
        self,
        selection: Selection,
        folder: TrainingFolder,
        sort: Sort,
        limit: int,
        waiting: Waiting,
    ):
        self._selection, self._folder, self._sort = selection, folder, sort
        self._limit, self._waiting = limit, waiting
        self.counts = Counts()
        self.passed = PassedOver()

    def take(self, record: Record) -> None:
        """A record of the frames topic."""
        self.counts.read += 1
        frame = self.passed.read(record, lambda each: decode_frame(each.headers, each.value))
        if frame is None:
            self._leave("no readable frame")
            return
        if not self._selection.takes(frame):
            self._pass_by(frame.category, frame.camera_id)
            return
        if not _is_name(frame.category):
            self._leave("category is no folder's name")
        elif self._sort == "any":
            self._write(frame, None, good=True)
        elif not self._folder.has(frame):
            self._waiting.put(frame, record)
        else:
            self._leave("collected before")

    def pass_over(self, gaps: Iterable[Gap]) -> None:
        """Records of the frames topic that cannot be read."""
        for gap in gaps:
            self.counts.left_out["could not be unpacked"] += gap.records

    def note(self, record: Record) -> None:
        """A record of the outcomes topic."""
        outcome = self.passed.read(record, lambda each: Outcome.decode(each.headers, each.value))
        if outcome is None:
            return
        if outcome.frame is not None and self._selection.takes(outcome.frame):
            self._waiting.note(outcome)

    def settle(self, *, last: bool = False) -> None:
        """Write the frames whose outcome is there, or did not come in time."""
        for decided in self._waiting.decided(last=last):
            frame, outcome = decided.frame, decided.outcome
            if outcome is None:
                self._leave("outcome not known")
            elif outcome == Verdict.PASS.value:
                self._write(frame, outcome, good=True)
            elif self._sort == "apart":
                self._write(frame, outcome, good=False)
            else:
                self._leave(outcome)

    @property
    def waits(self) -> bool:
        """Whether frames wait for their outcome."""
        return len(self._waiting) > 0

    def full(self) -> bool:
        """Whether every category that was named has its images."""
        named = self._selection.categories
        return bool(named) and all(self._enough(category) for category in named)

    def _enough(self, category: str) -> bool:
        return bool(self._limit) and self._folder.count(category) >= self._limit

    def _write(self, frame: Frame, outcome: str | None, *, good: bool) -> None:
        if self._folder.has(frame):
            self._leave("collected before")
            return
        if good and self._enough(frame.category):
            self._leave("beyond the limit")
            return
        try:
            self._folder.put(frame, outcome, good)
        except Damaged:
            self._leave("damaged picture")
        except TooSlow:
            self._leave("picture takes too long to decode")
        except FrameRejected:
            self._leave("no whole picture")
            return
        if good:
            self.counts.good[frame.category] += 1
        else:
            self.counts.apart[outcome or "unknown"] += 1

    def _pass_by(self, *of: str) -> None:
        """Remember what there is, for those who asked for what is not."""
        others, key = self.counts.others, (of[0], of[1])
        if key in others or len(others) < _OTHERS:
            others[key] += 1

    def _leave(self, reason: str) -> None:
        self.counts.left_out[reason] += 1


def collect(
    frames: Reader,
    outcomes: Reader | None,
    collector: Collector,
    *,
    follow: bool,
    stop: Stop,
    show: OnProgress,
    on_end: Callable[[Counts], None] = lambda _: None,
) -> None:
    """Read what the topic holds; with `follow` what comes, too, until all is full or it is stopped.

    Outcomes are read to their end before the first frame: most of them are there already. `on_end`
    hears each time that all frames so far have been read.
    """

    def learn(timeout_s: float) -> None:
        for record in outcomes.poll(timeout_s) if outcomes else ():
            collector.note(record)

    def over() -> bool:
        return stop.is_set() or collector.full()

    while outcomes and not over() and not outcomes.at_end():
        learn(_POLL_S)
    while not over():
        for record in frames.poll(_POLL_S):
            collector.take(record)
        collector.pass_over(frames.gaps())
        learn(_GLANCE_S)
        collector.settle()
        show(collector.counts, frames.left())
        if frames.at_end():
            on_end(collector.counts)
            if not follow:
                break
    while outcomes and collector.waits and not over():
        learn(_POLL_S)
        collector.settle()
    collector.settle(last=True)


def _is_name(category: str) -> bool:
    try:
        check_name(category)
    except ValueError:
        return False
    return True
