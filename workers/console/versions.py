"""The store of model versions: read by pages, changed by engineers."""

import json
import threading
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import structlog

from workers.console.settings import ModelStoreSection
from workers.runtime.errors import StoreUnavailable
from workers.runtime.registry.registry import Registry, UnknownVersion
from workers.runtime.settings.process import RedisSettings
from workers.runtime.store.files import open_blobs
from workers.runtime.store.ports import BlobUnreadable
from workers.runtime.store.redis import RedisStore

_log = structlog.get_logger(__name__)

_KEPT = 200  # versions; what is kept of each has a few kilobytes
_MANIFEST = ("categories", "preset", "provenance", "calibrations", "version")
_LONG = ("fpr_table", "image_scores")  # of a calibration: not shown


class ModelVersions:
    """Any thread. What a version says of itself is read once: it never changes."""

    def __init__(self, models: ModelStoreSection, redis: RedisSettings):
        self._redis = redis
        self.store = Registry(open_blobs(models.store))
        self._kept: OrderedDict[str, Mapping[str, Any]] = OrderedDict()
        self._lock = threading.Lock()

    def changing(self) -> Registry:
        """The store for a change: workers hear of it at once where Redis answers."""
        cache = RedisStore(self._redis)
        try:
            cache.ping()
        except StoreUnavailable as error:
            _log.warning("workers will see this within a minute", reason=str(error)[:300])
            return self.store
        return Registry(self.store.blobs, cache, self._redis.cache_bytes)

    def about(self, version: str) -> Mapping[str, Any]:
        """What its manifest says, without long lists; empty: not readable.

        Raises StoreUnavailable.
        """
        with self._lock:
            if version in self._kept:
                self._kept.move_to_end(version)
                return self._kept[version]
        found = self._read(version)
        if found:
            with self._lock:
                self._kept[version] = found
                while len(self._kept) > _KEPT:
                    self._kept.popitem(last=False)
        return found

    def _read(self, version: str) -> Mapping[str, Any]:
        try:
            manifest = json.loads(self.store.manifest(version))
            calibrations = {
                name: {key: value for key, value in each.items() if key not in _LONG}
                for name, each in manifest.get("calibrations", {}).items()
            }
            kept = {name: manifest[name] for name in _MANIFEST if name in manifest}
        except (UnknownVersion, BlobUnreadable, ValueError, AttributeError, TypeError) as error:
            _log.warning("a version's manifest is not readable", version=version, reason=str(error))
            return {}
        return {**kept, "calibrations": calibrations}
