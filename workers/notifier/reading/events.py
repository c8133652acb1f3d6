"""A record of a topic -> the happenings it speaks of."""

from dataclasses import replace

from schemas.camera_state import CameraState
from schemas.dead_letter import DeadLetter
from schemas.defect import DefectEvent
from schemas.envelope import event_type
from schemas.interruption import Interruption
from schemas.outcome import Outcome
from schemas.review import Judgement, Review
from workers.notifier.clock import Now
from workers.notifier.deciding.happenings import (
    Happening,
    Place,
    from_dead_letter,
    from_defect,
    from_interruption,
    from_missed,
    short_name,
)
from workers.notifier.reading.times import plausible
from workers.notifier.watching.stopped import StoppedWorkers
from workers.notifier.watching.watch import Watch
from workers.runtime.bus.ports import Record
from workers.runtime.settings.process import TopicSettings

_INTERRUPTION = event_type(Interruption.message_name).encode()


class Events:
    """Reads records; outcomes and camera states feed the watch."""

    def __init__(self, topics: TopicSettings, watch: Watch, stopped: StoppedWorkers) -> None:
        self._topics, self._watch, self._stopped = topics, watch, stopped

    def read(self, record: Record, now: Now) -> list[Happening]:
        """What a record says. Raises SchemaError, or whatever a record can make code raise."""
        topic, place = record.partition.topic, Place(record.partition, record.offset)
        if topic == self._topics.outcomes:
            return self._outcome(record, place, now)
        if topic == self._topics.camera_states:
            self._watch.hear(CameraState.decode(record.headers, record.value), now)
            return []
        if topic == self._topics.defects:
            defect = DefectEvent.decode(record.headers, record.value)
            return [_timed(from_defect(defect, place), record, now)]
        if topic == self._topics.reviews:
            review = Review.decode(record.headers, record.value)
            if review.judgement is not Judgement.MISSED:
                return []
            return [_timed(from_missed(review, place), record, now)]
        return [_timed(self._dead_letter(record, place), record, now)]

    def _outcome(self, record: Record, place: Place, now: Now) -> list[Happening]:
        outcome = Outcome.decode(record.headers, record.value)
        at = plausible(outcome.decided_at, record, now)
        at_record = outcome.record.model_copy(update={"topic": short_name(outcome.record.topic)})
        outcome = outcome.model_copy(update={"decided_at": at, "record": at_record})
        found = self._watch.see(outcome, place, now)
        clear = self._stopped.see(outcome)
        return [*found, clear] if clear else found

    def _dead_letter(self, record: Record, place: Place) -> Happening:
        """A dead letter, or an interruption: both stand in one topic."""
        if dict(record.headers).get("ce_type") != _INTERRUPTION:
            return from_dead_letter(DeadLetter.decode(record.headers, record.value), place)
        interruption = Interruption.decode(record.headers, record.value)
        self._stopped.hear(interruption)
        return from_interruption(interruption, place)


def _timed(happening: Happening, record: Record, now: Now) -> Happening:
    """With a time that can be true; one that cannot is said."""
    at = plausible(happening.at, record, now)
    if at == happening.at:
        return happening
    lie = f"(its time {happening.at.isoformat()} cannot be) {happening.text}"
    return replace(happening, at=at, text=lie)
