"""The common ground of the JSON messages: strict models, versioned, sealed as CloudEvents."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Annotated, ClassVar, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from schemas.envelope import JSON_CONTENT_TYPE, WireMessage, event_type, schema_uri, seal, unseal
from schemas.errors import SchemaError, quoted


def _zoned(value: datetime) -> datetime:
    if value.tzinfo is None:
        raise ValueError("a time needs a zone")
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise ValueError("the time is out of range") from None


# On the wire RFC 3339, UTC
Time = Annotated[datetime, AfterValidator(_zoned)]
Name = Annotated[str, Field(min_length=1, max_length=256)]
Count = Annotated[int, Field(ge=0, lt=10**18)]  # as far as the headers of a frame count


class WireModel(BaseModel):
    """A part of a message. Unknown fields are ignored: a newer minor version may add some.

    Numbers are finite: JSON has no NaN, and a score of NaN would compare as good.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


class Message(WireModel):
    """A whole JSON message. Subclasses say their name, version, id, source and key."""

    message_name: ClassVar[str]
    message_version: ClassVar[str] = "1.0"

    @property
    def event_id(self) -> str:
        """The CloudEvents id; the same id means the same event, delivered again."""
        raise NotImplementedError

    @property
    def event_source(self) -> str:
        """The CloudEvents source."""
        raise NotImplementedError

    @property
    def event_time(self) -> datetime:
        """The CloudEvents time."""
        raise NotImplementedError

    @property
    def key(self) -> str:
        """The record's key; equal keys keep their order."""
        raise NotImplementedError

    def trace(self) -> str | None:
        """The trace context to hand on, if there is one."""
        return None

    def encode(self) -> WireMessage:
        """The message as a Kafka record's key, headers and value."""
        attributes = {
            "id": self.event_id,
            "source": self.event_source,
            "type": event_type(self.message_name),
            "time": self.event_time,
            "datacontenttype": JSON_CONTENT_TYPE,
            "dataschema": schema_uri(self.message_name, self.message_version),
            "partitionkey": self.key,
            "traceparent": self.trace(),
        }
        return seal(attributes, self.model_dump_json().encode())

    @classmethod
    def decode(cls, headers: Iterable[tuple[str, bytes | None]], value: bytes | None) -> Self:
        """Read a record of this message. Raises SchemaError naming the field that is wrong."""
        unseal(headers, cls.message_name)
        try:
            return cls.model_validate_json(value or b"")
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"]) or "body"
            what = quoted(where)[1:-1]  # names of fields may be the record's own
            raise SchemaError(f"{cls.message_name}: {what}: {first['msg']}") from error
