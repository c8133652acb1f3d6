"""An independent reader of committed records, and what it says of a run.

It shares nothing with the stage but the topics: its own client, without a group, and plain JSON.
"""

import json
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from queue import SimpleQueue
from typing import Any, Self

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

Message = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Outcome:
    """One committed outcome, as it was read."""

    frame_id: str
    camera: str
    sequence: int
    captured_at: float  # seconds since the epoch
    partition: int  # of the frame
    rejected: bool
    defect: bool
    worker: str
    read_at: float  # seconds since the epoch


@dataclass(frozen=True, slots=True)
class Findings:
    """What went wrong, as frame ids or cameras. All empty: nothing."""

    lost: tuple[str, ...]  # sent, no outcome
    repeated: tuple[str, ...]  # more than one outcome
    out_of_order: tuple[str, ...]  # cameras
    letters_wrong: tuple[str, ...]  # not exactly one dead letter for each rejected frame
    defects_wrong: tuple[str, ...]  # not exactly one event for each defect
    alarms_lost: tuple[str, ...]  # a defect or a dead letter of which nobody was told
    sent_twice: tuple[str, ...]  # a frame stands in the topic more than once
    told_twice: tuple[str, ...] = ()  # a frame of which people were told under two alarm ids
    alarms_untold: tuple[str, ...] = ()  # alarms that a channel never got
    unanswered: tuple[str, ...] = ()  # parts of which the gate told its PLC nothing
    answered_wrong: tuple[str, ...] = ()  # ... or not what was judged, or not in their order
    explanations_wrong: tuple[str, ...] = ()  # not exactly one for each defect, where one explains

    @property
    def clean(self) -> bool:
        """Whether nothing went wrong."""
        return not any(getattr(self, name) for name in self.__slots__)


def examine(
    sent: Iterable[str],
    outcomes: Sequence[Outcome],
    *,
    written: Sequence[str],
    letters: Sequence[str],
    defects: Sequence[str],
    alarmed: Iterable[str],
    told: Mapping[str, set[str]] | None = None,
    explained: Sequence[str] | None = None,
) -> Findings:
    """Compare what was sent with what was read. All but `outcomes` are frame ids; `explained`
    None: nobody did.
    """
    counts = Counter(outcome.frame_id for outcome in outcomes)
    rejected = [each.frame_id for each in outcomes if each.rejected]
    defective = [each.frame_id for each in outcomes if each.defect]
    return Findings(
        lost=tuple(sorted(set(sent) - counts.keys())),
        repeated=_repeated(counts),
        out_of_order=_out_of_order(outcomes),
        letters_wrong=_differing(rejected, letters),
        defects_wrong=_differing(defective, defects),
        alarms_lost=tuple(sorted({*letters, *defects} - set(alarmed))),
        sent_twice=_repeated(Counter(written)),
        told_twice=tuple(sorted(name for name, ids in (told or {}).items() if len(ids) > 1)),
        explanations_wrong=() if explained is None else _differing(defective, explained),
    )


def _repeated(counts: Mapping[str, int]) -> tuple[str, ...]:
    return tuple(sorted(name for name, count in counts.items() if count > 1))


def _differing(wanted: Sequence[str], found: Sequence[str]) -> tuple[str, ...]:
    """Ids that do not stand equally often in both."""
    left, right = Counter(wanted), Counter(found)
    return tuple(sorted(name for name in left | right if left[name] != right[name]))


def _out_of_order(outcomes: Sequence[Outcome]) -> tuple[str, ...]:
    found: dict[str, list[int]] = defaultdict(list)
    for outcome in outcomes:
        found[outcome.camera].append(outcome.sequence)
    return tuple(sorted(camera for camera, each in found.items() if each != sorted(each)))


class Observer:
    """Reads all topics of a stage from their beginning, on a thread of its own."""

    def __init__(self, servers: str, topics: Mapping[str, str], partitions: int) -> None:
        """`topics`: frames, outcomes, defects, dead-letters, alarms -> their names."""
        self._names = {name: kind for kind, name in topics.items()}
        self._client = KafkaConsumer(
            bootstrap_servers=servers.split(","),
            client_id="chaos-observer",
            isolation_level="read_committed",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            reconnect_backoff_max_ms=500,
            metadata_max_age_ms=5000,
            fetch_max_wait_ms=50,
        )
        self._client.assign([TopicPartition(t, p) for t in self._names for p in range(partitions)])
        self._stop = threading.Event()
        self._anew: SimpleQueue[str] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="observer", daemon=True)
        self.written: list[str] = []
        self.outcomes: list[Outcome] = []
        self.letters: list[str] = []
        self.defects: list[str] = []
        self.explained: list[str] = []
        self.explains = False  # somebody does
        self.alarm_ids: Counter[str] = Counter()
        self._told: dict[str, set[str]] = defaultdict(set)  # frame -> ids of its alarms
        self.gap_alarms = 0  # alarms of missing frames: none is missing
        self._used: set[int] = set()  # partitions that hold frames
        self._take: dict[str, Callable[[Any], None]] = {
            "frames": self._frame,
            "outcomes": self._outcome,
            "defects": lambda record: self.defects.append(_frame_id(record)),
            "explanations": lambda record: self.explained.append(_frame_id(record)),
            "dead_letters": lambda record: self.letters.append(_frame_id(record)),
            "alarms": self._alarm,
        }

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join(10)
        self._client.close()

    @property
    def alarmed(self) -> set[str]:
        """Frames of which people were told."""
        return set(self._told)

    def answered(self) -> set[str]:
        """Frames that have an outcome."""
        return {outcome.frame_id for outcome in list(self.outcomes)}

    def flowing(self, since: float) -> bool:
        """Whether every partition had the outcome of a frame captured since (epoch seconds)."""
        seen = {each.partition for each in list(self.outcomes) if each.captured_at > since}
        return bool(self._used) and self._used <= seen

    def heard_of(self, worker: str, since: float) -> bool:
        """Whether a worker has decided anything since (epoch seconds)."""
        recent = list(self.outcomes)[::-1]
        return any(each.worker == worker and each.read_at > since for each in recent)

    def standstill_s(self, since: float, until: float) -> float:
        """The longest time that a partition stood without an outcome (epoch seconds)."""
        read = {partition: [since] for partition in self._used}
        for each in list(self.outcomes):
            if since < each.read_at <= until:
                read[each.partition].append(each.read_at)
        gaps = (b - a for times in read.values() for a, b in pairwise([*times, until]))
        return max(gaps, default=0.0)

    def findings(self, sent: Iterable[str]) -> Findings:
        """What is wrong now."""
        return examine(
            sent,
            self.outcomes,
            written=self.written,
            letters=self.letters,
            defects=self.defects,
            alarmed=self.alarmed,
            told=self._told,
            explained=self.explained if self.explains else None,
        )

    def read_anew(self, topic: str) -> None:
        """A topic was made anew: where we were in the old one says nothing of it."""
        self._anew.put(topic)

    def _run(self) -> None:
        while not self._stop.is_set():
            while not self._anew.empty():
                topic = self._anew.get()
                ours = [tp for tp in self._client.assignment() if tp.topic == topic]
                self._client.seek_to_beginning(*ours)
            try:
                batches = self._client.poll(timeout_ms=100)
            except KafkaError:  # a broker is away
                time.sleep(0.2)
                continue
            for records in batches.values():
                for record in records:
                    self._take[self._names[record.topic]](record)

    def _frame(self, record: Any) -> None:
        self.written.append(dict(record.headers)["ce_id"].decode())
        self._used.add(record.partition)

    def _outcome(self, record: Any) -> None:
        said = json.loads(record.value)
        frame = said["frame"]
        self.outcomes.append(
            Outcome(
                frame["frame_id"],
                frame["camera_id"],
                frame["sequence"],
                datetime.fromisoformat(frame["captured_at"]).timestamp(),
                said["record"]["partition"],
                bool(said.get("rejected")),
                said.get("verdict") == "defect",
                said["worker_id"],
                time.time(),
            )
        )

    def _alarm(self, record: Any) -> None:
        said = json.loads(record.value)
        self.alarm_ids[said["alarm_id"]] += 1
        for frame_id in said["frame_ids"]:
            self._told[frame_id].add(said["alarm_id"])
        self.gap_alarms += said["cause"] == "sequence-gap"


def _frame_id(record: Any) -> str:
    said = json.loads(record.value)
    frame = said.get("frame") or {}  # of a record that names none there are coordinates alone
    return str(frame.get("frame_id") or said["record"])
