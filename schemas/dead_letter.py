"""inspector -> dead letters: a frame that could not be inspected, whole, with the reason."""

import base64
import binascii
from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import AfterValidator, Field

from schemas.message import Time, WireModel
from schemas.outcome import InspectorMessage, RejectReason


def _decodable(text: str) -> str:
    try:
        base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError(f"not base64: {error}") from None
    return text


Base64 = Annotated[
    str, AfterValidator(_decodable), Field(json_schema_extra={"contentEncoding": "base64"})
]


class Part(StrEnum):
    """A part of a record."""

    KEY = "key"
    VALUE = "value"
    HEADERS = "headers"


class OriginalRecord(WireModel):
    """The record as it was read, byte for byte (base64 in JSON) but for what `cut` names."""

    key: Base64 | None = Field(description="base64; null when the record had no key")
    value: Base64 | None = Field(description="base64; null when the record had no value")
    headers: list[tuple[str, Base64]] = Field(description="name and base64 value, in order")
    cut: list[Part] = Field(
        default_factory=list,
        description="parts that are shorter here than they were, or missing, because they did not "
        "fit; the record itself has them, see `record`",
    )
    timestamp_ms: int | None = Field(
        default=None,
        description="of the record in Kafka, milliseconds since 1970 UTC; null: not known",
    )

    @classmethod
    def of(
        cls,
        key: bytes | None,
        value: bytes | None,
        headers: tuple[tuple[str, bytes], ...],
        *,
        cut: Iterable[Part] = (),
        timestamp_ms: int | None = None,
    ) -> "OriginalRecord":
        """Wrap a record's bytes."""
        return cls(
            key=_b64(key),
            value=_b64(value),
            headers=[(name, base64.b64encode(data or b"").decode()) for name, data in headers],
            cut=list(cut),
            timestamp_ms=timestamp_ms,
        )

    def key_bytes(self) -> bytes | None:
        """The record's key."""
        return None if self.key is None else base64.b64decode(self.key)

    def value_bytes(self) -> bytes | None:
        """The record's value."""
        return None if self.value is None else base64.b64decode(self.value)

    def header_bytes(self) -> tuple[tuple[str, bytes], ...]:
        """The record's headers."""
        return tuple((name, base64.b64decode(data)) for name, data in self.headers)


def _b64(data: bytes | None) -> str | None:
    return None if data is None else base64.b64encode(data).decode()


class DeadLetter(InspectorMessage):
    """A rejected frame. It was not inspected: its part needs a look by other means."""

    message_name: ClassVar[str] = "dead-letter"
    # 1.1: traceparent; 1.2: frame.content, cut, timestamp, more reasons; 1.3: frame.part
    message_version: ClassVar[str] = "1.3"

    reason: RejectReason = Field(description="a stable code; docs/dead-letters.md has each")
    error: str = Field(description="what was wrong, in words, for people")
    attempts: int = Field(ge=1, description="how often inspection was tried")
    original: OriginalRecord = Field(description="the record as it was read")
    rejected_at: Time = Field(description="by the worker's clock; UTC")
    traceparent: str | None = Field(
        default=None, description="W3C trace context of the frame; null: it had none"
    )

    @property
    def event_time(self) -> datetime:
        return self.rejected_at

    def trace(self) -> str | None:
        return self.traceparent
