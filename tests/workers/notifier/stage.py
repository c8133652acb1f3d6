"""A broker in memory, clocks that are set by hand, and notifiers that come and go."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from schemas.alarm import Alarm
from schemas.camera_state import CameraState
from schemas.documents import samples
from schemas.message import Message
from schemas.outcome import FrameRef
from workers.notifier.assembly import make_notifier
from workers.notifier.clock import Now
from workers.notifier.loop import Notifier
from workers.notifier.reading.membership import Membership
from workers.notifier.settings import NotifierProcessSettings
from workers.runtime.bus.memory import MemoryBroker
from workers.runtime.bus.ports import Outgoing, Partition, Record
from workers.runtime.settings.process import TopicSettings

TOPICS = TopicSettings()
READ = (TOPICS.outcomes, TOPICS.defects, TOPICS.dead_letters, TOPICS.reviews)
GROUP = "notifiers"
DEFECTS = Partition("defects", 0)
OUTCOMES = Partition("outcomes", 0)


class Clock:
    """Times that move when they are told to. The samples were decided at 09:26:53."""

    def __init__(self) -> None:
        self.s = 1000.0
        self.utc = datetime(2026, 3, 14, 9, 27, tzinfo=UTC)

    def __call__(self) -> Now:
        return Now(self.s, self.utc)

    def move(self, seconds: float) -> None:
        self.s += seconds
        self.utc += timedelta(seconds=seconds)

    def step(self, seconds: float) -> None:
        """Somebody sets the wall clock."""
        self.utc += timedelta(seconds=seconds)


class Ear:
    """Where the loop hands alarms over; `safe` says that they may be committed."""

    def __init__(self) -> None:
        self.heard: list[Alarm] = []
        self.safe = True

    def deliver(self, alarms: Sequence[Alarm]) -> None:
        self.heard += alarms


class Stage:
    """A broker, a clock, and notifiers that come and go."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.broker, self.clock = folder, MemoryBroker(), Clock()
        for topic in READ:
            self.broker.create_topic(topic, 1)
        self.ear = Ear()

    def notifier(self, states: object = None, **settings: object) -> Notifier:
        membership = Membership()
        self.consumer = self.broker.consumer(GROUP, READ, membership)
        given = {"folder": self.folder, "commit_every_s": 0, "max_age_s": 1e9} | settings
        return make_notifier(
            NotifierProcessSettings.load(None, {f"notifier.{k}": v for k, v in given.items()}),
            self.consumer,
            membership,
            self.ear,  # type: ignore[arg-type]
            states=states,  # type: ignore[arg-type]
            clock=self.clock,
        )

    def publish(self, topic: str, *messages: Message) -> None:
        self.broker.producer().publish(Outgoing(topic, m.encode()) for m in messages)

    def rounds(self, notifier: Notifier, count: int = 6) -> None:
        for _ in range(count):
            notifier.step(0)

    @property
    def messages(self) -> list[str]:
        return [alarm.message.partition(": ")[2] for alarm in self.ear.heard]

    @property
    def committed(self) -> dict[Partition, int]:
        return self.broker.committed(GROUP)


def ref(number: int, **changes: object) -> FrameRef:
    frame = samples.OUTCOME.frame
    assert frame is not None
    return frame.model_copy(update={"frame_id": f"f{number}", "sequence": number} | changes)


def defect(number: int, seconds: float = 0) -> Message:
    decided = samples.DECIDED + timedelta(seconds=seconds)
    changes = {"outcome_id": f"{number:032x}", "frame": ref(number), "decided_at": decided}
    return samples.DEFECT.model_copy(update=changes)


def outcome(sequence: int) -> Message:
    changes = {"outcome_id": f"{sequence:032x}", "frame": ref(sequence)}
    return samples.OUTCOME.model_copy(update=changes)


class Announced:
    """Camera states as a feed hands them over."""

    def __init__(self, *states: CameraState | bytes) -> None:
        self.records = [
            Record(Partition(TOPICS.camera_states, 0), n, *_content(each), 0)
            for n, each in enumerate(states)
        ]

    def take(self) -> list[Record]:
        found, self.records = self.records, []
        return found


def _content(state: CameraState | bytes) -> tuple:
    if isinstance(state, bytes):
        return None, state, ()
    message = state.encode()
    return message.key, message.value, message.headers
