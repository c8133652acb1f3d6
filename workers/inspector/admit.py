"""A record -> a frame that can be inspected, or a rejection with its reason. Never raises."""

import time
from collections.abc import Callable, Container

from schemas.errors import SchemaError
from schemas.frame import Frame, decode_frame
from schemas.outcome import RejectReason
from stream_inspector.decode import Decoded, DecodeLimits, decode
from stream_inspector.errors import FrameRejected
from workers.inspector.work import Admitted, Rejection, Ticket, Waiting

InputSize = Callable[[str], tuple[int, int] | None]  # category -> (height, width) of its model


def admit(
    ticket: Ticket, categories: Container[str], input_size: InputSize, limits: DecodeLimits
) -> Admitted | Rejection | Waiting:
    """Read, check and decode one record. Safe to call from several threads."""
    record = ticket.record
    try:
        frame = decode_frame(record.headers, record.value)
    except SchemaError as error:
        return Rejection(ticket, None, RejectReason(error.reason), str(error))
    if frame.category not in categories:
        message = f"category {frame.category!r} is not configured on this worker"
        return Rejection(ticket, frame, RejectReason.UNKNOWN_CATEGORY, message)
    size = input_size(frame.category)
    if size is None:
        return Waiting(ticket, frame.category)
    return _decoded(ticket, frame, size, limits)


def _decoded(
    ticket: Ticket, frame: Frame, size: tuple[int, int], limits: DecodeLimits
) -> Admitted | Rejection:
    started = time.monotonic()
    try:
        decoded = decode_to(frame, size, limits)
    except FrameRejected as error:
        return Rejection(ticket, frame, RejectReason(error.reason), str(error))
    except Exception as error:  # an image may break a codec in any way; the next frame is fine
        message = f"the image breaks its decoder: {type(error).__name__}: {error}"
        return Rejection(ticket, frame, RejectReason.UNDECODABLE, message)
    now = time.monotonic()
    decode_ms = (now - started) * 1000
    return Admitted(ticket, frame, decoded.image, decoded.original_size, decode_ms, now)


def decode_to(frame: Frame, size: tuple[int, int], limits: DecodeLimits) -> Decoded:
    """The frame's image at a model's input size. Raises FrameRejected."""
    return decode(frame.data, frame.content_type, size, limits, frame.width, frame.height)
