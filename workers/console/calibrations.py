"""What model versions were calibrated with, from their manifests: read once, they never change."""

import json
import threading
from collections import OrderedDict

import structlog

from stream_inspector.errors import CalibrationRefused
from stream_inspector.threshold.budget import Calibration
from workers.runtime.registry.registry import Registry, UnknownVersion
from workers.runtime.store.ports import BlobUnreadable

_log = structlog.get_logger(__name__)

_KEPT = 64  # of each there are some hundred numbers


class Calibrations:
    """Any thread."""

    def __init__(self, store: Registry):
        self._store = store
        self._kept: OrderedDict[tuple[str, str], Calibration | None] = OrderedDict()
        self._lock = threading.Lock()

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
