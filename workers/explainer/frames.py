"""A verdict -> its frame, fetched from where its event says that it stands."""

from dataclasses import dataclass

from schemas.errors import SchemaError
from schemas.explanation import ExplanationState
from schemas.frame import Frame, decode_frame
from schemas.outcome import content_digest
from workers.explainer.verdicts import Wanted
from workers.runtime.bus.ports import Lookup, Partition


@dataclass(frozen=True, slots=True)
class NoFrame:
    """There is nothing to explain with."""

    state: ExplanationState
    reason: str


class Frames:
    """Fetches frames from the frames topic."""

    def __init__(self, lookup: Lookup, topic: str):
        self._lookup, self._topic = lookup, topic

    def find(self, wanted: Wanted) -> Frame | NoFrame:
        """The frame, or why there is none. Raises Transient."""
        at = wanted.record
        where = f"{at.topic} {at.partition}:{at.offset}"
        if at.topic != self._topic:  # nothing is read that no setting names
            return NoFrame(
                ExplanationState.SKIPPED, f"{where} is not on topics.frames ({self._topic})"
            )
        record = self._lookup.find(Partition(at.topic, at.partition), at.offset)
        if record is None:
            return NoFrame(
                ExplanationState.EXPIRED,
                f"{where} is gone: the topic's retention took the frame before",
            )
        try:
            frame = decode_frame(record.headers, record.value)
        except SchemaError as error:
            return NoFrame(ExplanationState.SKIPPED, f"{where} cannot be read: {error}")
        if not _same(frame, wanted):
            return NoFrame(
                ExplanationState.EXPIRED,
                f"{where} holds another frame now: the topic was made anew",
            )
        return frame


def _same(frame: Frame, wanted: Wanted) -> bool:
    told = wanted.frame
    named = (frame.frame_id, frame.camera_id) == (told.frame_id, told.camera_id)
    return named and told.content in (None, content_digest(frame.data))
