"""One camera's parts, in order: each is answered once, when it is judged or when its time is over.

Pure: time is an argument. Parts are known by their frames, which are published in order, so a
number that is missing between two of them is a part that nobody will ever judge.
"""

from collections import Counter, OrderedDict, deque
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from schemas.outcome import Verdict
from schemas.part import PartRef
from workers.gate.answers import DEADLINE, LOST, Answer, Decision, Noted
from workers.gate.clock import Now
from workers.gate.parts import Announced, Judged, PartKey, announcement

_REMEMBERED = 10_000  # answered parts by which a second delivery, or a late verdict, is recognised
_EARLY = 1000  # outcomes whose frame was not read yet


@dataclass(frozen=True, slots=True)
class Rules:
    """When a part is answered, and how."""

    deadline_s: float  # from capture
    tolerance_s: float = 0.05  # after the deadline, still in time
    hold: bool = False  # answer at the deadline, not as soon as the verdict is known
    near_miss_rejects: bool = False
    unknown_rejects: bool = True  # a part that was not inspected
    max_gap: int = 1000  # missing numbers beyond are a count that began anew
    by_outcome: bool = False  # frames are not read: an outcome announces its part


@dataclass(slots=True)
class _Part:
    key: PartKey
    deadline_s: float
    who: PartRef | None = None
    traceparent: str | None = None
    judged: Judged | None = None
    lost: bool = False


class Lane:
    """What waits, and what was answered."""

    def __init__(self, camera: str, rules: Rules, since: datetime | None = None) -> None:
        """Parts whose time was over at `since` are passed over, unless older ones are known."""
        self.camera, self._rules, self._since = camera, rules, since
        self._waiting: deque[_Part] = deque()
        self._parts: dict[PartKey, _Part] = {}  # the same by key
        self._answered: OrderedDict[PartKey, Decision | None] = OrderedDict()
        self._given_up: OrderedDict[tuple[str, int], None] = OrderedDict()  # numbers answered lost
        self._early: OrderedDict[PartKey, tuple[Judged, float]] = OrderedDict()
        self._last: PartKey | None = None  # the newest part
        self.late_verdicts: Counter[str] = Counter()
        self.passed_over = 0  # parts of before the gate's start
        self.repeated = 0  # deliveries of what was known
        self.jumps = 0  # numbers that jump by more than max_gap
        self.clock_ahead = 0  # parts that their camera's clock dates after our own now

    def restore(self, key: PartKey, decision: Decision, *, lost: bool) -> None:
        """A part that was answered before this start; oldest first."""
        self._remember(key, decision)
        if lost:
            self._given_up[key.start, key.number] = None
        self._last, self._since = key, None

    def announce(self, part: Announced, now: Now) -> None:
        """A part went past the camera."""
        key = part.key
        if key in self._parts or key in self._answered:
            self.repeated += 1
        elif (key.start, key.number) in self._given_up:  # its frame came after all
            self._remember(key, Decision.NOT_INSPECTED)
        elif self._is_old(key, now):
            self._remember(key, None)
            self.passed_over += 1
        else:
            self._fill_gap(key, now)
            deadline_s = self._deadline(key.captured_at, now)
            self._enter(_Part(key, deadline_s, part.who, part.traceparent), now)
            early = self._early.pop(key, None)
            self._parts[key].judged = early[0] if early else None

    def judge(self, outcome: Judged, now: Now) -> None:
        """Inspection has spoken."""
        if self._rules.by_outcome and not self._is_known(outcome.key):
            self.announce(announcement(outcome), now)
        if self._is_known(outcome.key):
            self._take(outcome)
            return
        left_s = max(0.0, self._deadline(outcome.key.captured_at, now) - now.s)
        self._early[outcome.key] = outcome, now.s + left_s / 2
        _shorten(self._early, _EARLY)

    def again(self, noted: Noted, now: Now) -> Answer:
        """An answer of an earlier start; late where its part does not wait for it any more."""
        deadline_s = self._deadline(noted.key.captured_at, now)
        age_s = max(0.0, (now.utc - noted.key.captured_at).total_seconds())
        return Answer(
            *(noted.camera, noted.key, noted.decision, noted.reject, noted.reason),
            late=noted.late or deadline_s < now.s,
            latency_s=age_s,
            deadline_s=deadline_s,
            again=True,
            who=noted.who,
        )

    def due(self, now: Now) -> list[Answer]:
        """Answers that are to be given now, in the order of the parts."""
        self._announce_early(now)
        found = []
        while self._waiting and self._is_due(self._waiting[0], now):
            found.append(self._answer(self._waiting.popleft(), now))
        return found

    def next_s(self) -> float | None:
        """When something is due by time alone (monotonic)."""
        times = [since for _, since in self._early.values()]
        if self._waiting:
            times.append(self._waiting[0].deadline_s)
        return min(times, default=None)

    @property
    def waiting(self) -> int:
        """Parts without an answer."""
        return len(self._waiting)

    def _deadline(self, captured_at: datetime, now: Now) -> float:
        """By our clock. A camera whose clock is ahead of it gains no time by that."""
        age_s = max(0.0, (now.utc - captured_at).total_seconds())
        return now.s + self._rules.deadline_s - age_s

    def _fill_gap(self, key: PartKey, now: Now) -> None:
        """Numbers between the newest part and this one were given, and never published."""
        if self._last is None or self._last.start != key.start:
            return
        first, missing = self._last.number + 1, key.number - self._last.number - 1
        if missing > self._rules.max_gap:
            self.jumps += 1
            return
        deadline_s = self._deadline(key.captured_at, now)
        for number in range(first, first + missing):
            lost = key._replace(frame_id="", number=number)
            self._given_up[key.start, number] = None
            self._enter(_Part(lost, deadline_s, lost=True), now)
        _shorten(self._given_up, _REMEMBERED)

    def _enter(self, part: _Part, now: Now) -> None:
        for earlier in reversed(self._waiting):  # a clock that went back keeps nobody waiting
            if earlier.deadline_s <= part.deadline_s:
                break
            earlier.deadline_s = part.deadline_s
        self.clock_ahead += part.key.captured_at > now.utc and not part.lost
        self._waiting.append(part)
        self._parts[part.key] = part
        if not self._is_behind(part.key):
            self._last = part.key

    def _announce_early(self, now: Now) -> None:
        """Outcomes whose frame nobody showed us for half of the time that they had."""
        for outcome, since in list(self._early.values()):
            if now.s >= since:
                self._early.pop(outcome.key, None)
                self.announce(announcement(outcome), now)
                self._take(outcome)

    def _is_known(self, key: PartKey) -> bool:
        return key in self._parts or key in self._answered

    def _is_old(self, key: PartKey, now: Now) -> bool:
        """Of before our start: its time was over, or a newer part of its camera was answered."""
        time = timedelta(seconds=self._rules.deadline_s)
        if self._since is not None:
            return key.captured_at + time < self._since
        return self._is_behind(key) and key.captured_at + time < now.utc

    def _is_behind(self, key: PartKey) -> bool:
        """Whether a newer part of its start is known; a count that begins anew is later in time."""
        last = self._last
        if last is None or last.start != key.start:
            return False
        return key.number <= last.number and key.captured_at <= last.captured_at

    def _take(self, outcome: Judged) -> None:
        part = self._parts.get(outcome.key)
        if part is None:
            self._too_late(outcome, self._answered.get(outcome.key))
        else:
            part.judged = part.judged or outcome

    def _is_due(self, part: _Part, now: Now) -> bool:
        known = part.lost or part.judged is not None
        return now.s >= part.deadline_s or (known and not self._rules.hold)

    def _answer(self, part: _Part, now: Now) -> Answer:
        late = now.s > part.deadline_s + self._rules.tolerance_s
        decision, reason = self._decide(part, late=late)
        if late and part.judged is not None:
            self._too_late(part.judged, Decision.NOT_INSPECTED)
        del self._parts[part.key]
        self._remember(part.key, decision)
        unknown = decision is Decision.NOT_INSPECTED and self._rules.unknown_rejects
        return Answer(
            camera=self.camera,
            key=part.key,
            decision=decision,
            reject=decision is Decision.REJECT or unknown,
            reason=reason,
            late=late,
            latency_s=max(0.0, (now.utc - part.key.captured_at).total_seconds()),
            deadline_s=part.deadline_s,
            who=part.who,
            traceparent=part.traceparent or (part.judged.traceparent if part.judged else None),
        )

    def _decide(self, part: _Part, *, late: bool) -> tuple[Decision, str]:
        if part.lost:
            return Decision.NOT_INSPECTED, LOST
        if part.judged is None or late:
            return Decision.NOT_INSPECTED, DEADLINE
        verdict = part.judged.verdict
        if verdict is None:
            return Decision.NOT_INSPECTED, part.judged.reason
        near = verdict is Verdict.NEAR_MISS and self._rules.near_miss_rejects
        bad = verdict is Verdict.DEFECT or near
        return Decision.REJECT if bad else Decision.PASS, part.judged.reason

    def _too_late(self, outcome: Judged, told: Decision | None) -> None:
        """A verdict that could not be used; else the same outcome, delivered again."""
        if told is Decision.NOT_INSPECTED and outcome.verdict is not None:
            self.late_verdicts[outcome.verdict.value] += 1
        else:
            self.repeated += 1

    def _remember(self, key: PartKey, decision: Decision | None) -> None:
        self._answered[key] = decision
        _shorten(self._answered, _REMEMBERED)


def _shorten(held: OrderedDict, most: int) -> None:  # type: ignore[type-arg]
    while len(held) > most:
        held.popitem(last=False)


def next_due(lanes: Iterable[Lane]) -> float | None:
    """When the first of them is due by time alone (monotonic)."""
    return min((at for lane in lanes if (at := lane.next_s()) is not None), default=None)
