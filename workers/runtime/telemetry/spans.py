"""What a span is and how its context travels: as W3C `traceparent`, the CloudEvents extension."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

Kind = Literal["internal", "producer", "consumer"]


@dataclass(frozen=True, slots=True)
class Context:
    """Names a span: 32 and 16 hex digits, and whether its trace is recorded."""

    trace_id: str
    span_id: str
    sampled: bool

    @property
    def header(self) -> str:
        """As W3C traceparent."""
        return f"00-{self.trace_id}-{self.span_id}-{self.sampled:02x}"


@dataclass(frozen=True, slots=True)
class Span:
    """Something that took from `started` to `ended`."""

    name: str
    context: Context
    started: datetime
    ended: datetime
    parent: Context | None = None
    kind: Kind = "internal"
    attributes: Mapping[str, str | int | float] = field(default_factory=dict)
    links: tuple[Context, ...] = ()
    error: str | None = None


Tell = Callable[[Span], None]


def parse(traceparent: str | None) -> Context | None:
    """The context of a well-formed traceparent."""
    if traceparent is None:
        return None
    _, trace_id, span_id, flags = traceparent.split("-")[:4]
    return Context(trace_id, span_id, sampled=bool(int(flags, 16) & 1))


def digest(*parts: object, digits: int) -> str:
    """Hex digits that are the same for the same parts: ids that need not be carried about."""
    text = "\x1f".join(map(str, parts))
    return hashlib.sha256(text.encode()).hexdigest()[:digits]


def child(parent: Context, name: str) -> Context:
    """A context below another; one of each name."""
    return Context(parent.trace_id, digest(parent.header, name, digits=16), parent.sampled)
