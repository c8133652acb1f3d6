"""Redis beside the model store: which version is active, and the bytes of recent versions.

Everything here may vanish, be old or be wrong at any time: digests are checked, the pointer to the
active version is forgotten after a minute, and without Redis nothing is cached.
"""

import contextlib
import hashlib
import json
from collections.abc import Iterator
from typing import Any

from workers.runtime.errors import StoreUnavailable
from workers.runtime.store.memory import Silence
from workers.runtime.store.ports import KeyValueStore, Notices

CACHE_BYTES = 2 * 2**30  # of all versions together; an older one gives way to a newer one
_CHUNK = 4 * 2**20  # bytes per value: Redis blocks while it copies a large one
_ACTIVE_TTL_S = 60  # a pointer that missed an activation is wrong for at most this long
_BLOBS_TTL_S = 7 * 24 * 3600
_PREFIX = "stream-inspector"
_CHANGES = f"{_PREFIX}:changes"
_BOOK = f"{_PREFIX}:models"  # [[version, bytes], ...], the longest unused first


class ModelCache:
    """What is cached of a registry. Never raises: a cache that is away knows nothing."""

    def __init__(self, store: KeyValueStore | None, limit: int = CACHE_BYTES):
        self._store, self._limit = store, limit

    def changes(self) -> Notices:
        """Wakes at each activation of any category."""
        return Silence() if self._store is None else self._store.listen(_CHANGES)

    def active(self, category: str) -> str | None:
        """The active version, if it is known."""
        found = self._get(_active_key(category))
        return None if found is None else found.decode()

    def remember(self, category: str, version: str) -> None:
        """What a reader found in the store; what an activation has said meanwhile stays."""
        self._put_active(category, version, absent=True)

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

    def model(self, version: str) -> tuple[bytes, bytes] | None:
        """Manifest and tensors; None when a part is missing or its digest is wrong."""
        try:
            index = json.loads(self._get(_index_key(version)) or b"null")
            manifest = self._assemble(version, "manifest", index)
            tensors = self._assemble(version, "tensors", index)
        except (ValueError, KeyError, TypeError):
            return None
        if manifest is None or tensors is None:
            return None
        self._note(version, len(manifest) + len(tensors))
        return manifest, tensors

    def fill(self, version: str, manifest: bytes, tensors: bytes) -> None:
        """Keep a version, unless it alone is beyond the limit."""
        size = len(manifest) + len(tensors)
        if self._store is None or size > self._limit:
            return
        index = {}
        with contextlib.suppress(StoreUnavailable):
            self._note(version, size)
            for part, data in (("manifest", manifest), ("tensors", tensors)):
                chunks = list(_chunks(data))
                for number, chunk in enumerate(chunks):
                    self._store.put(_chunk_key(version, part, number), chunk, ttl_s=_BLOBS_TTL_S)
                index[part] = {"chunks": len(chunks), "sha256": digest(data)}
            # last, so that a reader sees all or nothing
            self._store.put(_index_key(version), json.dumps(index).encode(), ttl_s=_BLOBS_TTL_S)

    def drop(self, version: str) -> None:
        """Forget a version."""
        if self._store is None:
            return
        with contextlib.suppress(StoreUnavailable, ValueError, KeyError, TypeError):
            index = json.loads(self._store.get(_index_key(version)) or b"null")
            self._store.delete(_index_key(version))
            for part in ("manifest", "tensors"):
                for number in range(int(index[part]["chunks"])):
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
        try:
            book = json.loads(self._get(_BOOK) or b"[]")
            return [[str(version), int(size)] for version, size in book]
        except (ValueError, TypeError):
            return []

    def _assemble(self, version: str, part: str, index: dict[str, Any]) -> bytes | None:
        count = int(index[part]["chunks"])
        chunks = [self._get(_chunk_key(version, part, number)) for number in range(count)]
        data = b"".join(chunk for chunk in chunks if chunk is not None)
        return data if digest(data) == index[part]["sha256"] else None

    def _get(self, key: str) -> bytes | None:
        if self._store is None:
            return None
        try:
            return self._store.get(key)
        except StoreUnavailable:
            return None


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
    for start in range(0, len(data), _CHUNK):
        yield data[start : start + _CHUNK]
