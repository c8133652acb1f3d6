"""Model versions and which of them is active, as bytes: this file knows no torch.

The blob store is the truth: versions are immutable, activations are numbered records that are
only ever added. The cache (Redis) mirrors both; flushing it costs a reload, never a wrong model.
"""

import json
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from typing import Any

from workers.runtime.errors import Fatal, StoreUnavailable, WorkerError
from workers.runtime.names import check_name
from workers.runtime.registry.cache import CACHE_BYTES, ModelCache, digest
from workers.runtime.registry.layout import (
    DIGESTS,
    MANIFEST,
    TENSORS,
    activation_file,
    claims_folder,
    collecting_file,
    dump,
    model_file,
    now,
    version_file,
)
from workers.runtime.store.ports import BlobStore, KeyValueStore, Notices

__all__ = ["Activation", "Registry", "UnknownVersion", "check_name"]


class UnknownVersion(WorkerError):
    """The store has no such model version."""


class CorruptVersion(WorkerError):
    """The store's bytes are not those that were pushed."""


class Superseded(Fatal):
    """Somebody else was faster; nothing was changed."""

    exit_code = 75  # EX_TEMPFAIL: look at what they did, then decide again


@dataclass(frozen=True, slots=True)
class Activation:
    """One entry of a category's switchboard."""

    number: int
    version: str
    by: str
    why: str
    at: str  # ISO 8601, UTC
    nonce: str = ""  # tells our record from an equal one of somebody else


class Registry:
    """Model versions in a blob store, cached in a key-value store when there is one."""

    def __init__(
        self, blobs: BlobStore, cache: KeyValueStore | None = None, cache_bytes: int = CACHE_BYTES
    ):
        self.blobs, self.cache = blobs, ModelCache(cache, cache_bytes)

    # -- versions -------------------------------------------------------------------------------

    def push(self, categories: Iterable[str], version: str, manifest: bytes, tensors: bytes) -> str:
        """Store a version for its categories; storing it again is harmless. Returns the version.

        Raises CorruptVersion when the version is there with another content.
        """
        names = [check_name(category) for category in categories]
        digests = {"manifest": digest(manifest), "tensors": digest(tensors)}
        with self.claimed(version):
            known = self.digests(version)
            if known and {part: known.get(part) for part in digests} != digests:
                raise CorruptVersion(f"version {version} is stored with another content: kept")
            if not self._holds(version, manifest, tensors):
                self.blobs.write(model_file(version, TENSORS), tensors)
                self.blobs.write(model_file(version, MANIFEST), manifest)
            entry = digests | {"bytes": len(manifest) + len(tensors), "pushed_at": now()}
            self.blobs.write(model_file(version, DIGESTS), dump(entry))
            for name in names:
                entry = {"version": version, "pushed_at": now()}
                self.blobs.create(version_file(name, version), dump(entry))
        self.cache.fill(version, manifest, tensors)
        return version

    def _holds(self, version: str, manifest: bytes, tensors: bytes) -> bool:
        """Whether the store has these bytes: then nobody who reads them is disturbed."""
        try:
            return self.stored(version) == (manifest, tensors)
        except (UnknownVersion, CorruptVersion):
            return False

    def fetch(self, version: str) -> tuple[bytes, bytes]:
        """Manifest and tensors of a version, whole: their digests are checked.

        Raises UnknownVersion, CorruptVersion, StoreUnavailable.
        """
        check_name(version)
        found = self.cache.model(version)
        if found is None or not _is(version, found[0]):
            found = self.stored(version)
            self.cache.fill(version, *found)
        return found

    def manifest(self, version: str) -> bytes:
        """The manifest alone, from the store. Raises UnknownVersion, StoreUnavailable."""
        try:
            return self.blobs.read(model_file(check_name(version), MANIFEST))
        except FileNotFoundError as error:
            raise UnknownVersion(f"the model store has no version {version} ({error})") from None

    def stored(self, version: str) -> tuple[bytes, bytes]:
        """As `fetch`, from the store itself."""
        manifest = self.manifest(version)
        try:
            tensors = self.blobs.read(model_file(version, TENSORS))
        except FileNotFoundError as error:
            raise UnknownVersion(f"the model store has no version {version} ({error})") from None
        known = self.digests(version)
        for part, data in (("manifest", manifest), ("tensors", tensors)):
            if (known and known.get(part) != digest(data)) or not _is(version, manifest):
                raise CorruptVersion(
                    f"the {part} of version {version} in the model store are not those that were "
                    "pushed: push the version again, or activate another"
                )
        return manifest, tensors

    def digests(self, version: str) -> dict[str, Any]:
        """What was noted of a version when it was pushed; empty when nothing was."""
        return self.note(model_file(version, DIGESTS))

    def versions(self, category: str) -> list[str]:
        """The category's versions, sorted."""
        return self._stems(f"categories/{check_name(category)}/versions/")

    def every_version(self) -> list[str]:
        """All versions of which the store has something, sorted."""
        return sorted({name.split("/")[1] for name in self.blobs.names("models/")})

    def categories(self) -> list[str]:
        """The categories that have a version, or had one."""
        return sorted({name.split("/")[1] for name in self.blobs.names("categories/")})

    # -- activations ----------------------------------------------------------------------------

    def activate(
        self, category: str, version: str, by: str, why: str, expect: int | None = None
    ) -> int:
        """Make a version the active one. Returns the activation's number.

        `expect` is the number of the last activation that the caller has seen (0: none): when
        another one came since, nothing is changed and Superseded says whose. None: go after it.
        Raises UnknownVersion, Superseded, StoreUnavailable.
        """
        with self.claimed(version):
            known = self.versions(category)
            if version not in known:
                pushed = ", ".join(known) or "none"
                raise UnknownVersion(f"{category} has no version {version}; pushed: {pushed}")
            entry = self._append(category, version, by, why, expect)
        self._announce(category, version)
        return entry.number

    def _append(
        self, category: str, version: str, by: str, why: str, expect: int | None
    ) -> Activation:
        while True:
            last = self.last(category)
            number = last.number if last else 0
            if expect is not None and number != expect:
                raise Superseded(_superseded(category, last, expect))
            entry = Activation(number + 1, version, by, why, now(), uuid.uuid4().hex)
            name = activation_file(category, entry.number)
            if self.blobs.create(name, dump(asdict(entry))):
                return entry
            if self._activation(name) == entry:  # ours: the client wrote it twice
                return entry

    def _announce(self, category: str, version: str) -> None:
        """Mirror the newest activation, even if it is not ours: the last word has to be true."""
        with suppress(StoreUnavailable):  # the activation stands; the pointer is gone in a minute
            while True:
                self.cache.announce(category, version)
                last = self.last(category)
                if last is None or last.version == version:
                    return
                version = last.version

    def changes(self) -> Notices:
        """Wakes at each activation of any category; without a cache it only waits."""
        return self.cache.changes()

    def active(self, category: str) -> str | None:
        """The active version: from the cache, else from the store. Raises StoreUnavailable."""
        mirrored = self.cache.active(check_name(category))
        if mirrored is not None:
            return mirrored
        last = self.last(category)
        if last is not None:
            self.cache.remember(category, last.version)
        return last.version if last else None

    def last(self, category: str) -> Activation | None:
        """The newest activation, as the store has it."""
        names = self.blobs.names(f"categories/{check_name(category)}/activations/")
        return self._activation(names[-1]) if names else None

    def history(self, category: str) -> list[Activation]:
        """Every activation of a category, oldest first: the audit trail."""
        names = self.blobs.names(f"categories/{check_name(category)}/activations/")
        return [self._activation(name) for name in names]

    def _activation(self, name: str) -> Activation:
        try:
            return Activation(**json.loads(self.blobs.read(name)))
        except (ValueError, TypeError) as error:  # half written on a store without atomic writes
            raise StoreUnavailable(f"{name} is not readable yet: {error}") from error

    # -- who is at a version now ----------------------------------------------------------------

    @contextmanager
    def claimed(self, version: str) -> Iterator[None]:
        """Hold a version while it is pushed or activated, so that gc lets it be.

        The claim is written before gc's mark is looked for, gc's mark before claims are looked
        for: at least one of two that come together sees the other. Raises Superseded.
        """
        claim = f"{claims_folder(check_name(version))}{uuid.uuid4().hex}.json"
        self.blobs.create(claim, dump({"at": now()}))
        try:
            mark = self.note(collecting_file(version))
            if mark:
                raise Superseded(
                    f"version {version} is being removed since {mark.get('at')} by "
                    f"{mark.get('by')} (`model gc`); nothing was changed: wait, then push it again"
                )
            yield
        finally:
            with suppress(StoreUnavailable):
                self.blobs.delete(claim)

    def note(self, name: str) -> dict[str, Any]:
        """A small JSON blob; empty when it is missing or unreadable."""
        try:
            found = json.loads(self.blobs.read(name))
        except (FileNotFoundError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def _stems(self, prefix: str) -> list[str]:
        names = self.blobs.names(prefix)
        return [name.removeprefix(prefix).removesuffix(".json") for name in names]


def _is(version: str, manifest: bytes) -> bool:
    """Whether the manifest speaks of this version, as far as it names one."""
    try:
        return bool(json.loads(manifest).get("version", version) == version)
    except (ValueError, AttributeError):
        return True  # not ours to read: whoever loads it refuses it


def _superseded(category: str, last: Activation | None, expect: int) -> str:
    seen = f"activation {expect}" if expect else "no activation"
    if last is None:
        return f"{category}: {seen} was expected, but nothing is active; nothing was changed"
    return (
        f"{category}: {seen} was the last one seen, but {last.by} made version {last.version} "
        f"active at {last.at} (activation {last.number}: {last.why or 'no reason given'}); nothing "
        f"was changed. To go ahead all the same: --expect {last.number}"
    )
