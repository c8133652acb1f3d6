"""Model versions and which of them is active, as bytes: this file knows no torch.

The blob store is the truth: versions are immutable, activations are numbered records that are
only ever added. The cache (Redis) mirrors both; flushing it costs a reload, never a wrong model.
"""

import json
import uuid
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

import structlog

from stream_inspector.errors import ModelCorrupt
from stream_inspector.model.manifest import check_content, most_bytes, stated_version
from workers.runtime.errors import StoreUnavailable, WorkerError
from workers.runtime.names import check_name
from workers.runtime.registry.activations import Activation, Activations, Superseded
from workers.runtime.registry.cache import CACHE_BYTES, ModelCache, digest
from workers.runtime.registry.layout import (
    DIGESTS,
    MANIFEST,
    TENSORS,
    claims_folder,
    collecting_file,
    dump,
    model_file,
    named_in,
    now,
    version_file,
    versions_in,
)
from workers.runtime.registry.trial import Trial
from workers.runtime.store.ports import BlobStore, KeyValueStore, Notices

__all__ = ["Activation", "Registry", "Superseded", "UnknownVersion", "check_name"]

_log = structlog.get_logger(__name__)

_MANIFEST_BYTES = 32 * 2**20  # more than any has


class UnknownVersion(WorkerError):
    """The store has no such model version."""


class CorruptVersion(WorkerError):
    """The store's bytes are not those that were pushed."""


class Registry:
    """Model versions in a blob store, cached in a key-value store when there is one."""

    def __init__(
        self, blobs: BlobStore, cache: KeyValueStore | None = None, cache_bytes: int = CACHE_BYTES
    ):
        self.blobs, self.cache = blobs, ModelCache(cache, cache_bytes)
        self.activations = Activations(blobs)

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
        found = self._cached(check_name(version))
        if found is None:
            found = self.stored(version)
            self.cache.fill(version, *found)
        return found

    def _cached(self, version: str) -> tuple[bytes, bytes] | None:
        """As `fetch`, from the cache; None when that does not have it, or something else.

        A version is called by its content: no word of the cache is believed.
        """
        manifest = self.cache.part(version, "manifest", _MANIFEST_BYTES)
        if manifest is None or stated_version(manifest) != version:
            return None
        tensors = self.cache.part(version, "tensors", most_bytes(manifest))
        if tensors is None:
            return None
        try:
            check_content(manifest, tensors)
        except ModelCorrupt as error:
            _log.warning("Redis has another content: reading the store", reason=str(error))
            return None
        self.cache.used(version, len(manifest) + len(tensors))
        return manifest, tensors

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
        folder = f"categories/{check_name(category)}/versions/"
        return versions_in(category, self.blobs.names(folder))

    def every_version(self) -> list[str]:
        """All versions of which the store has something, sorted."""
        return named_in(self.blobs.names("models/"), depth=3)

    def categories(self) -> list[str]:
        """The categories that have a version, or had one."""
        return named_in(self.blobs.names("categories/"), depth=4)

    # -- activations ----------------------------------------------------------------------------

    def activate(
        self,
        category: str,
        version: str,
        by: str,
        why: str,
        expect: int | None = None,
        *,
        trial: Trial | None = None,
    ) -> int:
        """Make a version the active one, beside it one on `trial`. Returns the number.

        `expect` is the number of the last activation that the caller has seen (0: none): when
        another one came since, nothing is changed and Superseded says whose. None: go after it.
        Raises UnknownVersion, Superseded, StoreUnavailable.
        """
        wanted = [version, *([trial.version] if trial else [])]
        with ExitStack() as claims:
            for each in wanted:
                claims.enter_context(self.claimed(each))
            known = self.versions(category)
            for each in wanted:
                if each not in known:
                    pushed = ", ".join(known) or "none"
                    raise UnknownVersion(f"{category} has no version {each}; pushed: {pushed}")

            def superseded(last: Activation | None) -> None:
                if expect is not None and expect != (last.number if last else 0):
                    raise Superseded(_superseded(category, last, expect))

            entry = self.activations.append(category, version, by, why, superseded, trial=trial)
        self._announce(category, version)
        return entry.number

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

    def mirrored(self, category: str) -> str | None:
        """What Redis says is active: right or wrong, old or new. Never raises."""
        return self.cache.active(check_name(category))

    def confirmed(self, category: str) -> Activation | None:
        """The activation that holds in the store. What Redis says otherwise is forgotten.

        Raises StoreUnavailable.
        """
        last, mirrored = self.last(category), self.mirrored(category)
        version = last.version if last else None
        if mirrored not in (None, version):
            self.cache.forget(category)  # and not replaced: it may be news that we have not seen
        elif version is not None:
            self.cache.remember(category, version)
        return last

    def last(self, category: str) -> Activation | None:
        """The newest activation, as the store has it. Raises StoreUnavailable."""
        return self.activations.last(category)

    def history(self, category: str) -> list[Activation]:
        """Every activation of a category that can be read, oldest first: the audit trail."""
        return self.activations.history(category)

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
        except (FileNotFoundError, ValueError, RecursionError):
            return {}
        return found if isinstance(found, dict) else {}


def _is(version: str, manifest: bytes) -> bool:
    """Whether the manifest speaks of this version, as far as it names one."""
    try:
        return bool(json.loads(manifest).get("version", version) == version)
    except (ValueError, AttributeError, RecursionError):
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
