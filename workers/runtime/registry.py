"""Model versions and which of them is active, as bytes: this file knows no torch.

The blob store is the truth: versions are immutable, activations are numbered records that are
only ever added. The cache (Redis) mirrors both; flushing it costs a reload, never a wrong model.

    models/<version>/manifest.json, tensors.safetensors     one version
    categories/<category>/versions/<version>.json           which versions a category has
    categories/<category>/activations/<number>.json         the switchboard and its history
"""

import contextlib
import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from workers.runtime.errors import StoreUnavailable, WorkerError
from workers.runtime.store.memory import Silence
from workers.runtime.store.ports import BlobStore, KeyValueStore, Notices

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_CHUNK = 4 * 2**20  # bytes per cache value: Redis blocks while it copies a large one
_MIRROR_TTL_S = 60  # a mirror that missed an activation is wrong for at most this long
_BLOBS_TTL_S = 7 * 24 * 3600
_PREFIX = "stream-inspector"
_CHANGES = f"{_PREFIX}:changes"


class UnknownVersion(WorkerError):
    """The store has no such model version."""


@dataclass(frozen=True, slots=True)
class Activation:
    """One entry of a category's switchboard."""

    number: int
    version: str
    by: str
    why: str
    at: str  # ISO 8601, UTC


def check_name(name: str) -> str:
    """A category or version that can stand in a path. Raises ValueError."""
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r}: use letters, digits, dot, dash and underscore, at most 100")
    return name


class Registry:
    """Model versions in a blob store, cached in a key-value store when there is one."""

    def __init__(self, blobs: BlobStore, cache: KeyValueStore | None = None):
        self._blobs, self._cache = blobs, cache

    def push(self, categories: Iterable[str], version: str, manifest: bytes, tensors: bytes) -> str:
        """Store a version for its categories; storing it again is harmless. Returns the version."""
        names = [check_name(category) for category in categories]
        check_name(version)
        self._blobs.write(f"models/{version}/tensors.safetensors", tensors)
        self._blobs.write(f"models/{version}/manifest.json", manifest)
        entry = {"version": version, "pushed_at": _now()}
        for name in names:
            self._blobs.create(f"categories/{name}/versions/{version}.json", _dump(entry))
        self._fill(version, manifest, tensors)
        return version

    def activate(self, category: str, version: str, by: str, why: str) -> int:
        """Make a version the active one. Returns the activation's number.

        Raises UnknownVersion, StoreUnavailable.
        """
        if version not in self.versions(category):
            known = ", ".join(self.versions(category)) or "none"
            raise UnknownVersion(f"{category} has no version {version}; pushed: {known}")
        last = self._last(category)
        number = last.number + 1 if last else 1
        while True:  # compare and set: somebody else may take the number first
            entry = Activation(number, version, by, why, _now())
            if self._blobs.create(_activation(category, number), _dump(asdict(entry))):
                break
            number += 1
        with contextlib.suppress(StoreUnavailable):  # the mirror expires by itself
            self._mirror(category, version)
            if self._cache is not None:
                self._cache.tell(_CHANGES)
        return number

    def changes(self) -> Notices:
        """Wakes at each activation of any category; without a cache it only waits."""
        return Silence() if self._cache is None else self._cache.listen(_CHANGES)

    def active(self, category: str) -> str | None:
        """The active version: from the cache, else from the store. Raises StoreUnavailable."""
        mirrored = self._cached(_active_key(category))
        if mirrored is not None:
            return mirrored.decode()
        last = self._last(category)
        if last is not None:
            with contextlib.suppress(StoreUnavailable):
                self._mirror(category, last.version)
        return last.version if last else None

    def fetch(self, version: str) -> tuple[bytes, bytes]:
        """Manifest and tensors of a version. Raises UnknownVersion, StoreUnavailable."""
        check_name(version)
        found = self._from_cache(version)
        if found is not None:
            return found
        try:
            manifest = self._blobs.read(f"models/{version}/manifest.json")
            tensors = self._blobs.read(f"models/{version}/tensors.safetensors")
        except FileNotFoundError as error:
            raise UnknownVersion(f"the model store has no version {version} ({error})") from None
        self._fill(version, manifest, tensors)
        return manifest, tensors

    def versions(self, category: str) -> list[str]:
        """The category's versions, sorted."""
        prefix = f"categories/{check_name(category)}/versions/"
        names = self._blobs.names(prefix)
        return [name.removeprefix(prefix).removesuffix(".json") for name in names]

    def history(self, category: str) -> list[Activation]:
        """Every activation of a category, oldest first: the audit trail."""
        names = self._blobs.names(f"categories/{check_name(category)}/activations/")
        return [self._activation(name) for name in names]

    def _last(self, category: str) -> Activation | None:
        names = self._blobs.names(f"categories/{check_name(category)}/activations/")
        return self._activation(names[-1]) if names else None

    def _activation(self, name: str) -> Activation:
        try:
            return Activation(**json.loads(self._blobs.read(name)))
        except (ValueError, TypeError) as error:  # half written on a store without atomic writes
            raise StoreUnavailable(f"{name} is not readable yet: {error}") from error

    def _mirror(self, category: str, version: str) -> None:
        if self._cache is not None:
            self._cache.put(_active_key(category), version.encode(), ttl_s=_MIRROR_TTL_S)

    def _cached(self, key: str) -> bytes | None:
        if self._cache is None:
            return None
        try:
            return self._cache.get(key)
        except StoreUnavailable:
            return None

    def _from_cache(self, version: str) -> tuple[bytes, bytes] | None:
        index = self._cached(_index_key(version))
        if index is None:
            return None
        try:
            entry = json.loads(index)
            manifest = self._assemble(version, "manifest", entry)
            tensors = self._assemble(version, "tensors", entry)
        except (ValueError, KeyError, TypeError):
            return None
        return None if manifest is None or tensors is None else (manifest, tensors)

    def _assemble(self, version: str, part: str, entry: dict[str, Any]) -> bytes | None:
        """The chunks of one part, or None when one is missing or a digest is wrong."""
        count = int(entry[part]["chunks"])
        chunks = [self._cached(_chunk_key(version, part, index)) for index in range(count)]
        data = b"".join(chunk for chunk in chunks if chunk is not None)
        return data if _digest(data) == entry[part]["sha256"] else None

    def _fill(self, version: str, manifest: bytes, tensors: bytes) -> None:
        """Put a version into the cache; the index comes last, so a reader sees all or nothing."""
        if self._cache is None:
            return
        index = {}
        with contextlib.suppress(StoreUnavailable):
            for part, data in (("manifest", manifest), ("tensors", tensors)):
                count = 0
                for chunk in _chunks(data):
                    self._cache.put(_chunk_key(version, part, count), chunk, ttl_s=_BLOBS_TTL_S)
                    count += 1
                index[part] = {"chunks": count, "sha256": _digest(data)}
            self._cache.put(_index_key(version), _dump(index), ttl_s=_BLOBS_TTL_S)


def _activation(category: str, number: int) -> str:
    return f"categories/{category}/activations/{number:08d}.json"


def _active_key(category: str) -> str:
    return f"{_PREFIX}:active:{category}"


def _index_key(version: str) -> str:
    return f"{_PREFIX}:model:{version}:index"


def _chunk_key(version: str, part: str, index: int) -> str:
    return f"{_PREFIX}:model:{version}:{part}:{index}"


def _chunks(data: bytes) -> Iterator[bytes]:
    for start in range(0, len(data), _CHUNK):
        yield data[start : start + _CHUNK]


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _dump(value: dict[str, Any]) -> bytes:
    return json.dumps(value, sort_keys=True).encode()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
