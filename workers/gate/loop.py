"""The gate's loop: parts and outcomes in, answers out, each written down before it is sent."""

import queue
from collections import Counter
from collections.abc import Mapping, Sequence

import structlog

from workers.gate.answers import LOST, Answer, Noted
from workers.gate.clock import Clock, Now, system_clock
from workers.gate.courier import Courier
from workers.gate.joiner import Joiner
from workers.gate.journal import Journal
from workers.gate.lane import Lane, next_due
from workers.gate.parts import Announced, Told
from workers.runtime.lifecycle import StopSignal
from workers.runtime.watchdog import Pulse

log = structlog.get_logger(__name__)

_LONGEST_WAIT_S = 0.2
_REPEATED = 100  # answers that arrived before: new ones wait behind them
_AT_ONCE = 1000  # parts and outcomes between two looks at what is due


class Gate:
    """The lanes of one gate. `source` is what the topics tell."""

    def __init__(
        self,
        lanes: Mapping[str, Lane],
        source: "queue.Queue[Told]",
        journal: Journal,
        couriers: Sequence[Courier],
        *,
        clock: Clock = system_clock,
        joiner: Joiner | None = None,
    ) -> None:
        """With a joiner there is one lane, of the parts that it puts together."""
        self.lanes, self._source, self.journal = lanes, source, journal
        self._couriers, self._clock, self.joiner = couriers, clock, joiner
        self.decisions: Counter[str] = Counter()
        self.pulse = Pulse()  # of this thread, which heeds signals
        self.late = self.lost = 0

    def restore(self, answered: Sequence[Noted]) -> None:
        """What earlier starts answered, oldest first.

        Sent again is what a channel never had, and the newest of what may still help: who reads our
        answers may not have done so before we ended. The same answer to the same part, sent twice,
        changes nothing; what moves something is sent once.
        """
        now = self._clock()
        again = [self._restored(noted, now) for noted in answered]
        for courier in self._couriers:
            arrived = len(answered) - courier.unsent(answered)
            for place, answer in enumerate(again):
                recent = place >= arrived - _REPEATED
                if answer is not None and (place >= arrived or (recent and not answer.late)):
                    courier.put(answer)

    def run(self, stop: StopSignal) -> None:
        """Answer until a stop is asked for."""
        while not stop.is_set():
            self.step()
        self.pulse.rest()

    def step(self) -> list[Answer]:
        """One round: wait for news or for a deadline, and answer what is due."""
        self.pulse.beat()
        now = self._clock()
        due_s = next_due(self.lanes.values())
        wait_s = _LONGEST_WAIT_S if due_s is None else min(_LONGEST_WAIT_S, due_s - now.s)
        self._listen(max(0.001, wait_s))
        now = self._clock()
        answers = [answer for lane in self.lanes.values() for answer in lane.due(now)]
        if answers:
            self.journal.note(answers)
            self._carry(answers)
            self._count(answers)
        return answers

    def _listen(self, wait_s: float) -> None:
        """Take what was told; news of a part may come in pieces, so all of it is taken first."""
        try:
            self._hear(self._source.get(timeout=wait_s), self._clock())
            for _ in range(_AT_ONCE):
                self._hear(self._source.get_nowait(), self._clock())
        except queue.Empty:
            return

    def _hear(self, told: Told, now: Now) -> None:
        for part in (told,) if self.joiner is None else self.joiner.hear(told):
            lane = self.lanes.get(part.camera)
            if lane is None:
                continue  # another gate's camera
            if isinstance(part, Announced):
                lane.announce(part, now)
            else:
                lane.judge(part, now)

    def _restored(self, noted: Noted, now: Now) -> Answer | None:
        """Remember it; None: of a camera that is none of ours any more."""
        lane = self.lanes.get(noted.camera)
        if lane is None:
            return None
        lane.restore(noted.key, noted.decision, lost=noted.lost)
        if self.joiner is not None and not noted.lost:
            self.joiner.restore(noted)
        return lane.again(noted, now)

    def _carry(self, answers: Sequence[Answer]) -> None:
        for answer in answers:
            for courier in self._couriers:
                courier.put(answer)

    def _count(self, answers: Sequence[Answer]) -> None:
        for answer in answers:
            self.decisions[answer.decision.value] += 1
            self.late += answer.late
            self.lost += answer.reason == LOST
