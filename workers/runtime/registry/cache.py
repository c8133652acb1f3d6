"""Redis beside the model store: which version is active, and the bytes of recent versions.

Everything here may vanish, be old or be a lie at any time: whoever asks compares what is found with
the store or with the version's name, and nothing is believed of sizes, types and numbers. The
pointer to the active version is forgotten after a minute, and without Redis nothing is cached.
"""

import contextlib
import hashlib
import json
from collections.abc import Iterator
from typing import Any

from workers.runtime.errors import StoreUnavailable
from workers.runtime.names import check_name, is_name
from workers.runtime.store.memory import Silence
from workers.runtime.store.ports import MOST_BYTES, KeyValueStore, Notices

CACHE_BYTES = 2 * 2**30  # of all versions together; an older one gives way to a newer one
_ACTIVE_TTL_S = 60  # a pointer that missed an activation is wrong for at most this long
_BLOBS_TTL_S = 7 * 24 * 3600
_PREFIX = "stream-inspector"
_CHANGES = f"{_PREFIX}:changes"
_BOOK = f"{_PREFIX}:models"  # [[version, bytes], ...], the longest unused first
_PARTS = ("manifest", "tensors")
_BOOKED = 1000  # versions; a longer book is none of ours


class ModelCache:
    """What is cached of a registry. Never raises: a cache that is away knows nothing."""

    def __init__(self, store: KeyValueStore | None, limit: int = CACHE_BYTES):
        self._store, self._limit = store, limit

    def changes(self) -> Notices:
        """Wakes at each activation of any category."""
        return Silence() if self._store is None else self._store.listen(_CHANGES)

    def active(self, category: str) -> str | None:
        """The active version, if it is known. Whoever may write to Redis may have set it."""
        try:
            return check_name((self._get(_active_key(category)) or b"").decode())
        except ValueError:  # nothing, or no version's name
            return None

    def remember(self, category: str, version: str) -> None:
        """What a reader found in the store; what an activation has said meanwhile stays."""
        self._put_active(category, version, absent=True)

    def forget(self, category: str) -> None:
        """The pointer was found to be wrong."""
        if self._store is not None:
            with contextlib.suppress(StoreUnavailable):
                self._store.delete(_active_key(category))

    def announce(self, category: str, version: str) -> None:
        """What an activation says: it replaces what is known, and wakes those who wait."""
        self._put_active(category, version, absent=False)
        if self._store is not None:
            with contextlib.suppress(StoreUnavailable):
                self._store.tell(_CHANGES)

    def _put_active(self, category: str, version: str, *, absent: bool) -> None:
        if self._store is not None:
            key, value = _active_key(category), version.encode()
            with contextlib.suppress(StoreUnavailable):
                self._store.put(key, value, ttl_s=_ACTIVE_TTL_S, absent=absent)

    def part(self, version: str, part: str, most: int | None = None) -> bytes | None:
        """The "manifest" or the "tensors", as somebody left them; None when any of it is missing.

        More than `most` bytes are not read, nor more than all versions together may have.
        """
        chunks = self._index(version).get(part)
        room = self._limit if most is None else min(most, self._limit)
        if chunks is None or (chunks - 1) * MOST_BYTES > room:
            return None
        found: list[bytes] = []
        for number in range(chunks):
            chunk = self._get(_chunk_key(version, part, number))
            if chunk is None or (number < chunks - 1 and len(chunk) != MOST_BYTES):
                return None
            found.append(chunk)
        return b"".join(found)

    def used(self, version: str, size: int) -> None:
        """A version was taken from here: it is the last to give way."""
        self._note(version, size)

    def fill(self, version: str, manifest: bytes, tensors: bytes) -> None:
        """Keep a version, unless it alone is beyond the limit."""
        size = len(manifest) + len(tensors)
        if self._store is None or size > self._limit:
            return
        index = {}
        with contextlib.suppress(StoreUnavailable):
            self._note(version, size)
            for part, data in zip(_PARTS, (manifest, tensors), strict=True):
                chunks = list(_chunks(data))
                for number, chunk in enumerate(chunks):
                    self._store.put(_chunk_key(version, part, number), chunk, ttl_s=_BLOBS_TTL_S)
                index[part] = {"chunks": len(chunks)}
            # last, so that a reader sees all or nothing
            self._store.put(_index_key(version), json.dumps(index).encode(), ttl_s=_BLOBS_TTL_S)

    def drop(self, version: str) -> None:
        """Forget a version."""
        if self._store is None:
            return
        with contextlib.suppress(StoreUnavailable):
            index = self._index(version)
            self._store.delete(_index_key(version))
            for part, chunks in index.items():
                for number in range(min(chunks, self._limit // MOST_BYTES + 1)):
                    self._store.delete(_chunk_key(version, part, number))

    def _note(self, version: str, size: int) -> None:
        """Book a version as just used, and make room.

        Two processes at once may lose an entry; what it stood for then goes with its time to live.
        """
        if self._store is None:
            return
        with contextlib.suppress(StoreUnavailable):
            book = [entry for entry in self._book() if entry[0] != version] + [[version, size]]
            while len(book) > 1 and sum(entry[1] for entry in book) > self._limit:
                self.drop(book.pop(0)[0])
            self._store.put(_BOOK, json.dumps(book).encode(), ttl_s=_BLOBS_TTL_S)

    def _book(self) -> list[list[Any]]:
        book = _json(self._get(_BOOK))
        entries = book if isinstance(book, list) and len(book) <= _BOOKED else []
        return [list(entry) for entry in entries if _is_entry(entry)]

    def _index(self, version: str) -> dict[str, int]:
        """Part -> number of its chunks; empty when nobody can have meant what is found."""
        index = _json(self._get(_index_key(version)))
        try:
            found = {part: index[part]["chunks"] for part in _PARTS}
        except (TypeError, KeyError, IndexError):
            return {}
        return found if all(type(n) is int and n >= 0 for n in found.values()) else {}

    def _get(self, key: str) -> bytes | None:
        if self._store is None:
            return None
        try:
            return self._store.get(key)
        except StoreUnavailable:
            return None


def _json(data: bytes | None) -> Any:
    """What a small value says; None when it says nothing."""
    try:
        return json.loads(data or b"null")
    except (ValueError, RecursionError):
        return None


def _is_entry(entry: Any) -> bool:
    return (
        isinstance(entry, list)
        and [type(each) for each in entry] == [str, int]
        and entry[1] >= 0
        and is_name(entry[0])
    )


def digest(data: bytes) -> str:
    """SHA-256 in hex."""
    return hashlib.sha256(data).hexdigest()


def _active_key(category: str) -> str:
    return f"{_PREFIX}:active:{category}"


def _index_key(version: str) -> str:
    return f"{_PREFIX}:model:{version}:index"


def _chunk_key(version: str, part: str, number: int) -> str:
    return f"{_PREFIX}:model:{version}:{part}:{number}"


def _chunks(data: bytes) -> Iterator[bytes]:
    for start in range(0, len(data), MOST_BYTES):
        yield data[start : start + MOST_BYTES]
