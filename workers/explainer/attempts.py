"""How often an explanation was begun: one that ends its process must not do so for ever.

Advice, in a store that may be away: without it everything is tried, and nothing is lost.
"""

import structlog

from workers.explainer.verdicts import Wanted
from workers.runtime.errors import StoreUnavailable
from workers.runtime.store.ports import KeyValueStore

_log = structlog.get_logger(__name__)
_KEPT_S = 7 * 86_400


class Attempts:
    """Counts of one consumer group."""

    def __init__(self, store: KeyValueStore, group: str):
        self._store, self._group = store, group

    def known(self, wanted: Wanted) -> bool:
        """Whether it was begun before, and never came to an end."""
        try:
            return self._store.get(self._key(wanted)) is not None
        except StoreUnavailable:
            return False

    def begin(self, wanted: Wanted) -> int:
        """Which attempt this is, from 1."""
        try:
            return self._store.increment(self._key(wanted), _KEPT_S)
        except StoreUnavailable as error:
            _log.warning("an explanation that ends this process is not found", reason=str(error))
            return 1

    def end(self, wanted: Wanted) -> None:
        """It came to an end."""
        try:
            self._store.delete(self._key(wanted))
        except StoreUnavailable as error:
            _log.info("mark left behind", reason=str(error))

    def _key(self, wanted: Wanted) -> str:
        return f"attempts:{self._group}:{wanted.place}"
