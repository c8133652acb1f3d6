"""Rejections -> messages: a frame that was not inspected gets a dead letter and its one outcome."""

from datetime import datetime

from schemas.dead_letter import DeadLetter
from schemas.excerpt import excerpt
from schemas.frame import LIVE
from schemas.outcome import Outcome, outcome_id
from workers.inspector.messages.letters import Keep, original_of, told_of
from workers.inspector.messages.verdicts import Sender, frame_ref, record_ref
from workers.inspector.trace import Decided
from workers.inspector.work import Rejection
from workers.runtime.bus.ports import Outgoing, Record
from workers.runtime.settling.results import Result

_ID_LIMIT = 256  # characters
_SHORT_ERROR = 200  # characters, where nothing but coordinates fits


def rejected(
    rejection: Rejection, now: datetime, sender: Sender, keep: Keep = Keep.VALUE
) -> Result:
    """A frame that was not inspected: its dead letter, then its outcome. Never raises."""
    frame, record = rejection.frame, rejection.ticket.record
    if len(record.value or b"") > sender.largest_value:
        keep = max(keep, Keep.HEADERS)
    letter = _dead_letter(rejection, now, sender, keep)
    outcome = _outcome(rejection, now, sender)
    less = keep.less
    return Result(
        messages=(
            Outgoing(sender.topics.dead_letters, letter.encode()),
            Outgoing(sender.topics.outcomes, outcome.encode()),
        ),
        label=rejection.reason.value,
        category=frame.category if frame else "",
        camera=frame.camera_id if frame else camera_of(record),
        rejected=True,
        smaller=None if less is None else lambda: rejected(rejection, now, sender, less),
        settled=sender.settled(frame, rejection.ticket, Decided(rejection.reason.value, now)),
    )


def rejected_id(rejection: Rejection) -> str:
    """The outcome id; of the raw headers when the frame was unreadable, else of its coordinates."""
    frame, record = rejection.frame, rejection.ticket.record
    if frame is not None:
        return outcome_id(frame.source, frame.frame_id, frame.run)
    source, frame_id = _header(record, "ce_source"), _header(record, "ce_id")
    if source and frame_id:
        return outcome_id(source, frame_id, _run(rejection))
    return outcome_id(f"{record.partition.topic}/{record.partition.index}", str(record.offset))


def camera_of(record: Record) -> str:
    """Which camera a record says it is of, however unreadable it is; empty: it does not say."""
    return _header(record, "ce_camera") or _short((record.key or b"").decode("utf-8", "replace"))


def _run(rejection: Rejection) -> str:
    """The run of a frame, however unreadable its other headers are."""
    if rejection.frame is not None:
        return rejection.frame.run
    return _header(rejection.ticket.record, "ce_run") or LIVE


def _replayed_from(rejection: Rejection) -> str | None:
    if rejection.frame is not None:
        return rejection.frame.replayed_from
    return _header(rejection.ticket.record, "ce_replayedfrom") or None


def _header(record: Record, name: str) -> str:
    """A header's text, when it is of a size that an id may have; else nothing."""
    data = dict(record.headers).get(name, b"")
    return _short(data.decode("utf-8", "replace"))


def _short(text: str) -> str:
    return text if len(text) <= _ID_LIMIT else ""


def _outcome(rejection: Rejection, now: datetime, sender: Sender) -> Outcome:
    frame = rejection.frame
    return Outcome(
        outcome_id=rejected_id(rejection),
        frame=frame_ref(frame) if frame else None,
        record=record_ref(rejection.ticket.record),
        run=_run(rejection),
        replayed_from=_replayed_from(rejection),
        rejected=rejection.reason,
        worker_id=sender.worker_id,
        decided_at=now,
        traceparent=sender.traceparent(frame, rejection.ticket.record) if frame else None,
    )


def _dead_letter(rejection: Rejection, now: datetime, sender: Sender, keep: Keep) -> DeadLetter:
    record, error = rejection.ticket.record, rejection.error
    original = original_of(record, keep)
    if keep is Keep.COORDINATES:
        error = excerpt(error, _SHORT_ERROR)
    return DeadLetter(
        outcome_id=rejected_id(rejection),
        reason=rejection.reason,
        error=error + told_of(record, original.cut),
        frame=frame_ref(rejection.frame) if rejection.frame else None,
        record=record_ref(record),
        run=_run(rejection),
        replayed_from=_replayed_from(rejection),
        attempts=rejection.attempts,
        original=original,
        worker_id=sender.worker_id,
        rejected_at=now,
        traceparent=sender.traceparent(rejection.frame, record) if rejection.frame else None,
    )
