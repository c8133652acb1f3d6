"""A record -> a frame that can be inspected, or a rejection with its reason.

Raises only what ends a worker.
"""

import time
from collections.abc import Callable, Container

from schemas.errors import SchemaError
from schemas.frame import Frame, decode_frame
from schemas.outcome import RejectReason
from stream_inspector.errors import FrameRejected
from stream_inspector.image.decode import Decoded
from stream_inspector.image.view.canvas import View
from workers.inspector.work import Admitted, Rejection, Waiting
from workers.runtime.decoders.picture import Picture
from workers.runtime.settling.results import Ticket

FindView = Callable[[str], View | None]  # category -> its model's view; None: no model
Decode = Callable[[Picture], Decoded]  # raises FrameRejected


def admit(
    ticket: Ticket, categories: Container[str], find_view: FindView, decode: Decode
) -> Admitted | Rejection | Waiting:
    """Read, check and decode one record. Safe to call from several threads."""
    record = ticket.record
    try:
        frame = decode_frame(record.headers, record.value)
    except SchemaError as error:
        return Rejection(ticket, None, RejectReason(error.reason), str(error))
    except Exception as error:  # headers may break the SDK in any way; the next record is fine
        message = f"the headers cannot be read: {type(error).__name__}: {error}"
        return Rejection(ticket, None, RejectReason.INVALID_MESSAGE, message)
    if frame.category not in categories:
        message = f"category {frame.category!r} is not configured on this worker"
        return Rejection(ticket, frame, RejectReason.UNKNOWN_CATEGORY, message)
    view = find_view(frame.category)
    if view is None:
        return Waiting(ticket, frame.category)
    return _decoded(ticket, frame, view, decode)


def _decoded(ticket: Ticket, frame: Frame, view: View, decode: Decode) -> Admitted | Rejection:
    started = time.monotonic()
    try:
        decoded = decode_to(frame, view, decode)
    except FrameRejected as error:
        return Rejection(ticket, frame, RejectReason(error.reason), str(error))
    now = time.monotonic()
    decode_ms = (now - started) * 1000
    place = view.place(decoded.original_size)
    seen = (decoded.damage, decoded.traits)
    return Admitted(ticket, frame, decoded.image, view, place, decode_ms, now, *seen)


def decode_to(frame: Frame, view: View, decode: Decode) -> Decoded:
    """The frame's canvas of a model's view. Raises FrameRejected."""
    return decode(Picture(frame.data, frame.content_type, view, frame.width, frame.height))
