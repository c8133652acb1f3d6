"""What the stage needs of a key-value store and of an artefact store, in our own words."""

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
