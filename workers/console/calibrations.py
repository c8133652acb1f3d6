"""What model versions were calibrated with, from their manifests: read once, they never change."""

import json
import threading
from collections import OrderedDict

import structlog

from stream_inspector.errors import CalibrationRefused, ModelCorrupt
from stream_inspector.model.renewed import weights_of
from stream_inspector.threshold.budget import Calibration
from workers.runtime.registry.registry import Registry, UnknownVersion
from workers.runtime.store.ports import BlobUnreadable

_log = structlog.get_logger(__name__)

_KEPT = 64  # of each there are some hundred numbers
_VERSIONS = 1000  # whose digests are kept


class Calibrations:
    """Any thread."""

    def __init__(self, store: Registry):
        self._store = store
        self._kept: OrderedDict[tuple[str, str], Calibration | None] = OrderedDict()
        self._weights: OrderedDict[str, str] = OrderedDict()
        self._lock = threading.Lock()

    def alike(self, category: str, version: str) -> list[str]:
        """Versions that were active and give the same scores as this one, this one first.

        Raises StoreUnavailable.
        """
        wanted = self._weights_of(version)
        earlier = {each.version for each in self._store.history(category)} - {version}
        return [version, *(each for each in sorted(earlier) if self._weights_of(each) == wanted)]

    def _weights_of(self, version: str) -> str:
        """A digest; of a version that cannot be read its own name."""
        with self._lock:
            if version in self._weights:
                return self._weights[version]
        try:
            found = weights_of(self._store.manifest(version))
        except (UnknownVersion, BlobUnreadable, ModelCorrupt):
            return version
        with self._lock:
            self._weights[version] = found
            while len(self._weights) > _VERSIONS:
                self._weights.popitem(last=False)
        return found

    def of(self, version: str, category: str) -> Calibration | None:
        """A version's for a category; None: it has none, or cannot be read.

        Raises StoreUnavailable.
        """
        key = (version, category)
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        try:
            manifest = json.loads(self._store.manifest(version))
            plain = manifest.get("calibrations", {}).get(category)
            found = Calibration.from_dict(plain) if plain else None
        except (UnknownVersion, BlobUnreadable):
            return None  # it may come
        except (ValueError, AttributeError, TypeError, KeyError, CalibrationRefused) as error:
            _log.warning("a calibration is not readable", version=version, reason=repr(error)[:300])
            found = None
        with self._lock:
            self._kept[key] = found
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return found
