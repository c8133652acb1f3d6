"""Which topics are read, and what their records become."""

from collections.abc import Callable
from typing import Any

from schemas.acknowledgement import Acknowledgement
from schemas.alarm import Alarm
from schemas.camera_state import CameraState
from schemas.dead_letter import DeadLetter
from schemas.defect import DefectEvent
from schemas.envelope import event_type
from schemas.explanation import Explanation
from schemas.message import Message
from schemas.outcome import Outcome
from schemas.resolution import Resolution
from schemas.review import Review
from workers.console.history import writing
from workers.console.reading.feed import Source
from workers.runtime.bus.ports import Record
from workers.runtime.settings.process import TopicSettings

_ACKNOWLEDGEMENT = event_type(Acknowledgement.message_name).encode()
_INTERRUPTION = event_type("interruption").encode()


def sources(topics: TopicSettings) -> list[Source]:
    """Every topic that the history is made of."""
    return [
        Source(topics.outcomes, _reads(Outcome), writing.write_outcomes),
        Source(topics.shadows, _reads(Outcome), writing.write_shadows),
        Source(topics.defects, _reads(DefectEvent), writing.write_defects),
        Source(topics.dead_letters, _letter, writing.write_dead_letters),
        Source(topics.resolutions, _reads(Resolution), writing.write_resolutions),
        Source(topics.alarms, _alarm, writing.write_alarms),
        Source(topics.camera_states, _reads(CameraState), writing.write_states),
        Source(topics.reviews, _reads(Review), writing.write_reviews),
        Source(topics.explanations, _reads(Explanation), writing.write_explanations),
    ]


def _reads(message: type[Message]) -> Callable[[Record], Any]:
    return lambda record: message.decode(record.headers, record.value)


def _alarm(record: Record) -> Alarm | Acknowledgement:
    """Acknowledgements share the topic: they come after what they speak of."""
    if dict(record.headers).get("ce_type") == _ACKNOWLEDGEMENT:
        return Acknowledgement.decode(record.headers, record.value)
    return Alarm.decode(record.headers, record.value)


def _letter(record: Record) -> DeadLetter | None:
    """Interruptions share the topic; alarms tell of them."""
    if dict(record.headers).get("ce_type") == _INTERRUPTION:
        return None
    return DeadLetter.decode(record.headers, record.value)
