"""What the stage needs of a key-value store and of an artefact store, in our own words."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from workers.runtime.errors import StoreUnavailable


class BlobUnreadable(StoreUnavailable):
    """This blob may not be read, whatever becomes of others."""


MOST_BYTES = 4 * 2**20  # of one value: Redis blocks while it copies a large one


class KeyValueStore(Protocol):
    """A small, fast, shared store (Redis). It may be flushed at any time: it is never the truth."""

    def get(self, key: str) -> bytes | None:
        """The value, or None; an empty one or one beyond MOST_BYTES is none.

        Raises StoreUnavailable.
        """

    def put(
        self, key: str, value: bytes, ttl_s: int | None = None, *, absent: bool = False
    ) -> None:
        """Store a value; with `absent` only where none is. Raises StoreUnavailable."""

    def delete(self, key: str) -> None:
        """Forget a value. Raises StoreUnavailable."""

    def increment(self, key: str, ttl_s: int | None = None) -> int:
        """Add one to a counter and return it. Raises StoreUnavailable."""

    def ping(self) -> None:
        """Raises StoreUnavailable when the store does not answer."""

    def check(self) -> None:
        """Raises StoreUnavailable when the store does not answer, or takes no writes."""

    def tell(self, channel: str) -> None:
        """Wake those who listen to a channel. Raises StoreUnavailable."""

    def listen(self, channel: str) -> "Notices":
        """Hear what is told from now on."""


class Notices(Protocol):
    """Wakes whoever waits when something has changed.

    A notice may be lost, so whoever waits here also looks for himself now and then.
    """

    def wait(self, timeout_s: float) -> bool:
        """Wait for a notice, at most so long; whether one came. An outage is waited out."""

    def close(self) -> None:
        """Listen no more."""


@dataclass(frozen=True, slots=True)
class Blob:
    """What a store says of one blob without opening it."""

    name: str
    size: int  # bytes
    at: float  # when it was last written, seconds since 1970 by the store's clock


class BlobWriter(Protocol):
    """Takes blobs."""

    def write(self, name: str, data: bytes) -> str:
        """Store a blob and return its URL; writing the same name again is harmless."""


class BlobStore(BlobWriter, Protocol):
    """A durable store of named blobs (a folder, S3): the truth about models, and the evidence.

    What was written is read and listed at once, by everybody.
    """

    @property
    def exclusive(self) -> bool:
        """Whether `create` keeps its word when two writers come at the same moment."""

    def read(self, name: str) -> bytes:
        """The blob. Raises FileNotFoundError, BlobUnreadable or StoreUnavailable."""

    def create(self, name: str, data: bytes) -> bool:
        """Store a blob only if the name is free; False when it was taken (compare and set)."""

    def delete(self, name: str) -> None:
        """Remove a blob; one that is not there is none to remove. Raises StoreUnavailable."""

    def names(self, prefix: str) -> list[str]:
        """The names under a prefix, sorted."""

    def listed(self, prefix: str = "") -> Iterator[Blob]:
        """The blobs under a prefix with sizes and times, in no order. Raises StoreUnavailable."""

    def supersede(self, name: str, before: float, instead: bytes | None) -> bool:
        """Remove a blob, or put another in its place, if nobody wrote it since `before`.

        `before` is seconds since 1970 by the store's clock; False: it stays, or is not there.
        Raises StoreUnavailable.
        """

    def tidy(self, before: float) -> int:
        """Remove what writers left half written that long ago; how many there were."""

    def signed(self, name: str, seconds: int) -> str | None:
        """A URL that opens a blob without a login for so long; None where there is no such."""
